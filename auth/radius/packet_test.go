package radius

import (
	"testing"

	"github.com/stretchr/testify/require"
	"layeh.com/radius"

	"github.com/sluicemail/sluice/auth"
)

// FuzzCheck changes answers: none but the server's own is believed.
func FuzzCheck(f *testing.F) {
	p := protocol{identifier: "mx1", secret: func() []byte { return []byte(secret) }}
	request, err := p.request(7, auth.Login{Username: "alice", Password: "open-sesame"})
	require.NoError(f, err)
	parsed, err := radius.Parse(request, []byte(secret))
	require.NoError(f, err)
	q := question{Packet: parsed}
	genuine := q.reply(radius.CodeAccessAccept, true, secret, avp(18, "hello"))
	f.Add(genuine)
	f.Add(q.reply(radius.CodeAccessAccept, false, secret))
	f.Add(append([]byte{2, 7, 0, 23}, make([]byte, 19)...))
	f.Fuzz(func(t *testing.T, reply []byte) {
		code, err := p.check(reply, request)
		if err == nil && code == radius.CodeAccessAccept {
			require.Equal(t, genuine, reply[:len(genuine)], "padding alone may differ")
		}
	})
}
