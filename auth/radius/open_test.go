package radius

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want Options
	}{
		{"mx1:testing123@host:1645", Options{Address: "host:1645", Identifier: "mx1", Secret: "testing123"}},
		{"mx1:a:b@c/d?e@host/", Options{Address: "host:1812", Identifier: "mx1", Secret: "a:b@c/d?e"}},
		{"mx%3A1:%25%40%00@[::1]", Options{Address: "[::1]:1812", Identifier: "mx:1", Secret: "%@\x00"}},
		{"a:b@h?message-authenticator=optional&timeout=3&retransmit=500ms",
			Options{Address: "h:1812", Identifier: "a", Secret: "b",
				Lenient: true, Timeout: 3 * time.Second, Retransmit: 500 * time.Millisecond}},
		{"a:b@h?message-authenticator=required", Options{Address: "h:1812", Identifier: "a", Secret: "b"}},
	} {
		opened, err := Open("radius", c.raw)
		require.NoError(t, err)
		got := opened.(*Authenticator).options
		got.Secret = string(opened.(*Authenticator).protocol.secret())
		require.NotNil(t, got.Dial)
		if c.want.Timeout == 0 {
			c.want.Timeout, c.want.Retransmit = 4*time.Second, time.Second
		}
		got.Dial, c.want.InFlight = nil, 512
		require.True(t, sameOptions(got, c.want), "%s", c.raw)
	}
}

// sameOptions compares without printing.
func sameOptions(a, b Options) bool {
	return a.Address == b.Address && a.Identifier == b.Identifier && a.Secret == b.Secret && a.Lenient == b.Lenient &&
		a.Timeout == b.Timeout && a.Retransmit == b.Retransmit && a.InFlight == b.InFlight
}

func TestOpenRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                "there is no @",
		"host:1812":                       "there is no @",
		"hunter2@host":                    "there is no colon before the @",
		":hunter2@host":                   "the identifier has 0 bytes",
		"mx1:@host":                       "there is no secret",
		"mx1:hunter2%zz@host":             "secret: a % is not followed",
		"mx%1:hunter2@host":               "identifier: a % is not followed",
		"mx1%00:hunter2@host":             "the identifier has a NUL",
		"mx1:hunter2@":                    `host ""`,
		"mx1:hunter2@host:0":              `port "0"`,
		"mx1:hunter2@host/path":           `path "path" after the host`,
		"mx1:hunter2@host?secure=1":       `parameter "secure" is unknown: expected message-authenticator, timeout, retransmit`,
		"mx1:hunter2@host?timeout=x":      `parameter timeout="x"`,
		"mx1:hunter2@host?retransmit=-1s": `parameter retransmit="-1s"`,
		"mx1:hunter2@host?message-authenticator=no": `parameter message-authenticator="no": expected required or optional`,
		strings.Repeat("x", 254) + ":hunter2@host":  "the identifier has 254 bytes: expected 1 to 253",
	} {
		a, err := Open("radius", raw)
		require.ErrorContains(t, err, want)
		require.Nil(t, a)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := Open("radsec", "a:b@c")
	require.ErrorContains(t, err, "expected the scheme radius")
}
