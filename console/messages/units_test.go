package messages

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/queue"
)

// leaving is a body that is gone.
type leaving struct{}

func (leaving) ReadAt([]byte, int64) (int, error) { return 0, errors.New("settled") }
func (leaving) Size() int64                       { return 1000 }

func TestMailThatLeavesWhileItIsRead(t *testing.T) {
	var d messageData
	d.open(leaving{})
	require.Contains(t, d.Problem, "it may have left just now")
	d.open(nil)
	require.Contains(t, d.Problem, "kept elsewhere")
}

func TestDepthHistory(t *testing.T) {
	var h depthHistory
	at := time.Now()
	var change float64
	var trend string
	for i := range 100 {
		change, trend = h.of("q", 100+i*20, at.Add(time.Duration(i)*2*time.Second), at.Add(time.Duration(i)*2*time.Second))
	}
	require.InDelta(t, 10, change, 0.01, "20 more every two seconds")
	require.Len(t, strings.Fields(trend), maxReadings)
	again, _ := h.of("q", 5, at.Add(99*2*time.Second), at.Add(200*time.Second))
	require.InDelta(t, change, again, 0.01, "the same reading for another browser")
	change, trend = h.of("q", 7, at.Add(time.Hour), at.Add(time.Hour))
	require.Zero(t, change, "old readings are forgotten")
	require.Equal(t, "59,8.0", trend)
	for i := range 3 * maxHistory {
		h.of(fmt.Sprint(i), 1, at, at)
	}
	require.LessOrEqual(t, len(h.readings), maxHistory)
	require.Equal(t, "+1.5", queueLine{Change: 1.5}.Growth())
	require.Equal(t, "-12", queueLine{Change: -12.3}.Growth())
	require.Equal(t, "0", queueLine{Change: 0.01}.Growth())
}

func TestAsideOf(t *testing.T) {
	var words []string
	for _, key := range []string{"b.test", "tag:x", "pause:1"} {
		words = append(words, asideOf("q", key, 1).What)
	}
	require.True(t, slices.Equal([]string{"mail to b.test", "tag “x”", "held by a pause"}, words), words)
	require.False(t, isGone(errors.New("x")))
}

func TestIDOf(t *testing.T) {
	require.Zero(t, idOf([]settings.Schedule{{ID: 3, Name: "a"}},
		func(r *settings.Schedule) (string, int64) { return r.Name, r.ID }, "b"))
}

// TestHowItWasSecured tells of an attempt how it was secured, and how it had to be.
func TestHowItWasSecured(t *testing.T) {
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &queue.Result{
		Cipher: &queue.Cipher{Name: "TLS_AES_128_GCM_SHA256", Version: "TLSv1.3", Group: "X25519MLKEM768", Resumed: true},
		Certificate: &queue.Certificate{NotAfter: until, Result: "x509: expired", Subject: &queue.Name{Common: "mx.test"},
			Issuer: &queue.Name{Common: "CA"}},
		TLSPolicy: &queue.TLSPolicy{Type: "sts", Mode: "testing", Failure: "certificate-expired", Reason: "too old"},
	}
	require.Equal(t, []string{"with TLSv1.3 TLS_AES_128_GCM_SHA256, key exchange X25519MLKEM768, an earlier session",
		"certificate of mx.test by CA until 2027-01-02, not verified: x509: expired",
		"TLS policy sts, testing: certificate-expired: too old"}, security(r))
	require.Empty(t, security(&queue.Result{}))
	require.Equal(t, []string{"TLS policy dane, enforce"}, security(&queue.Result{TLSPolicy: &queue.TLSPolicy{Type: "dane",
		Mode: "enforce"}}))
}
