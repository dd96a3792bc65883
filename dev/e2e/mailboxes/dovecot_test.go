package mailboxes

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestDovecot has mail for jo and ann delivered in each of the ways, and read back over IMAP and POP3: into the inbox
// and a folder, with bytes and lines that need care, and what senders are told.
func TestDovecot(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]func(testserver.DovecotServer) string{
		"lmtp":      func(d testserver.DovecotServer) string { return "lmtp://" + d.LMTP },
		"lmtp+unix": func(d testserver.DovecotServer) string { return "lmtp+unix://" + d.LMTPSocket },
		"maildir": func(d testserver.DovecotServer) string {
			return "maildir://" + d.Mail + "/{domain}/{user}/.{detail}?create=no&mode=666"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := testserver.Dovecot(t)
			for _, user := range []string{"jo", "ann"} {
				require.Empty(t, overPOP3(t, box, user)) // that makes their Maildirs
			}
			file, log := mtatest.SendLog(t)
			d := mtatest.Inside(t, routes(t, "example.test:"+target(box)).With(log).With(mtatest.Settings{
				"rabbitmq-dsn": "outbox"}))

			content := "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
				"Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n.\r\n..dots\r\nFrom here on\r\n\r\n"
			c := d.Talk(t)
			c.Command("EHLO client.test", 250)
			c.Command("MAIL FROM:<ann@example.test> BODY=8BITMIME", 250)
			c.Command("RCPT TO:<Jo@example.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;jo@old.test", 250)
			c.Command("DATA", 354)
			c.Raw(strings.ReplaceAll(content, "\r\n.", "\r\n..") + ".\r\n")
			c.Expect(250)

			got := awaitIMAP(t, box, "jo", "INBOX", 1)[0]
			_, rest, found := strings.Cut(got, "Subject: ")
			require.True(t, found)
			require.Equal(t, content, "Subject: "+rest)
			m, err := mail.ReadMessage(strings.NewReader(got))
			require.NoError(t, err)
			require.Equal(t, "<ann@example.test>", m.Header.Get("Return-Path"))
			require.Equal(t, "jo@example.test", strings.ToLower(strings.Trim(m.Header.Get("Delivered-To"), "<>")))
			require.Contains(t, m.Header.Get("Received"), "mtad.test")
			if got := overPOP3(t, box, "jo"); assertOne(t, got) {
				require.Contains(t, got[0], content[strings.Index(content, "\r\n\r\n"):])
			}
			require.Empty(t, overPOP3(t, box, "jo"))

			told := awaitIMAP(t, box, "ann", "INBOX", 1)[0]
			r, err := report.Parse(bytes.NewReader([]byte(told)), int64(len(told)))
			require.NoError(t, err, told)
			require.Equal(t, report.ActionDelivered, r.Delivery.Recipients[0].Action)
			require.Equal(t, "jo@old.test", r.Delivery.Recipients[0].Original)
			require.Len(t, overPOP3(t, box, "ann"), 1)

			d.Submit(t, "ann@example.test", "jo+Lists@example.test", "Subject: list\r\n\r\nx\r\n")
			require.Contains(t, awaitIMAP(t, box, "jo", "Lists", 1)[0], "Subject: list\r\n")

			d.Submit(t, "ann@example.test", "nobody@example.test", "Subject: lost\r\n\r\nx\r\n")
			last := mtatest.AwaitAttempts(t, file, "nobody@example.test", 1)[0].Last()
			require.Equal(t, 550, last.Code)
			require.Equal(t, "5.1.1", last.Status)
			bounce := awaitIMAP(t, box, "ann", "INBOX", 1)[0]
			require.Contains(t, bounce, "nobody@example.test")
			require.Contains(t, bounce, "5.1.1")
			require.NotContains(t, bounce, box.Mail, "where mailboxes lie is nobody's business")
			d.Terminate(t)
			require.NotContains(t, strings.ToLower(d.Log.String()), "level=error")
		})
	}
}

func assertOne(t *testing.T, mails []string) bool {
	t.Helper()
	require.Len(t, mails, 1)
	return true
}
