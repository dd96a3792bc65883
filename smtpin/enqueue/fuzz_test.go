package enqueue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/authres"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// FuzzEditedHeader edits the headers of all kinds of mails: what is above stays above, nothing forged remains, and
// everything else is as it was.
func FuzzEditedHeader(f *testing.F) {
	f.Add("From: a@b\r\nAuthentication-Results: mx.example; spf=pass\r\nSubject: =?utf-8?q?x?=\r\n y\r\n\r\ntext\r\n",
		true)
	f.Add("only text", false)
	f.Add("Subject:", true)
	f.Add("Authentication-Results : (c\r\n", false)
	f.Add("\r\nSubject: text\r\n", true)
	dir := f.TempDir() // one for all: making and removing one each time is most of the work
	f.Fuzz(func(t *testing.T, mail string, mark bool) {
		c := &enqueue.Checks{Runner: &oracle{results: authResults()}, ResultsOther: true}
		if mark {
			c.SpamSubject = "[SPAM]"
		}
		q := &recorder{}
		b := &enqueue.Backend{Queue: q, NoExtract: true, SpoolDir: dir, Checks: func() *enqueue.Checks { return c }}
		if _, err := send(t, newSession(t, b, trusted), mail, "b@far.example"); err != nil {
			return
		}
		got, ok := strings.CutPrefix(bodyOf(t, q.only(t)), ourField)
		require.True(t, ok, got)
		require.True(t, strings.HasPrefix(got, "Received: from client.example"), got)
		s := mailheader.NewScanner([]byte(got))
		_, ok = s.Next()
		require.True(t, ok)
		before := mailheader.NewScanner([]byte(mail))
		text := mail
		var kept []string
		if !mailheader.Headless([]byte(mail)) {
			for f, ok := before.Next(); ok; f, ok = before.Next() {
				if !f.Is("authentication-results") || !authres.Claims(f.Value(), "mx.example") {
					kept = append(kept, string(f.Raw))
				}
			}
			text = mail[before.Offset():]
		}
		var now []string
		for f, ok := s.Next(); ok; f, ok = s.Next() {
			require.False(t, f.Is("authentication-results") && authres.Claims(f.Value(), "mx.example"), got)
			now = append(now, string(f.Raw))
		}
		require.True(t, strings.HasSuffix(got, text), got)
		if !mark {
			require.Equal(t, kept, now)
		}
		require.LessOrEqual(t, len(kept), len(now))
	})
}
