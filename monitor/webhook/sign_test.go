package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/webhook"
)

// signed makes the header as docs/webhooks.md says.
func signed(secret string, at time.Time, body string) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "." + body))
	return http.Header{webhook.TimestampHeader: {timestamp},
		webhook.SignatureHeader: {"v1=" + hex.EncodeToString(mac.Sum(nil))}}
}

func TestVerify(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, test := range []struct {
		name   string
		change func(h http.Header)
		at     time.Time
		body   string
		want   error
	}{
		{"as it was sent", nil, now, "[1]", nil},
		{"late, but within the window", nil, now.Add(webhook.Window), "[1]", nil},
		{"early, by a clock that is wrong", nil, now.Add(-webhook.Window), "[1]", nil},
		{"sent again later", nil, now.Add(webhook.Window + time.Second), "[1]", webhook.ErrStale},
		{"from the future", nil, now.Add(-webhook.Window - time.Second), "[1]", webhook.ErrStale},
		{"another body", nil, now, "[2]", webhook.ErrForged},
		{"a newer time stamp", func(h http.Header) { h.Set(webhook.TimestampHeader, "1800000001") }, now, "[1]",
			webhook.ErrForged},
		{"a dot moved into the body", func(h http.Header) { h.Set(webhook.TimestampHeader, "1800000000.[") }, now, "1]",
			webhook.ErrForged},
		{"another secret", func(h http.Header) {
			h[webhook.SignatureHeader] = signed("old", now,
				"[1]")[webhook.SignatureHeader]
		},
			now, "[1]", webhook.ErrForged},
		{"another scheme", func(h http.Header) {
			h.Set(webhook.SignatureHeader,
				strings.Replace(h.Get(webhook.SignatureHeader), "v1", "v2", 1))
		},
			now, "[1]", webhook.ErrForged},
		{"several, one of which is ours", func(h http.Header) {
			h.Set(webhook.SignatureHeader,
				"v1=00, "+h.Get(webhook.SignatureHeader))
		},
			now, "[1]", nil},
		{"no signature", func(h http.Header) { h.Del(webhook.SignatureHeader) }, now, "[1]", webhook.ErrUnsigned},
		{"no time stamp", func(h http.Header) { h.Del(webhook.TimestampHeader) }, now, "[1]", webhook.ErrUnsigned},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := signed("secret", now, "[1]")
			if test.change != nil {
				test.change(h)
			}
			require.ErrorIs(t, webhook.Verify("secret", h, []byte(test.body), test.at), test.want)
		})
	}
	require.ErrorIs(t, webhook.Verify("", signed("", now, "x"), []byte("x"), now), webhook.ErrForged,
		"without a secret anybody could")
}
