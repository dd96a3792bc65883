package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/queue"
)

// pair starts two MTAs: what the first one takes goes to the second, which keeps it. The file is the first one's log of
// attempts.
func pair(t *testing.T, ours, theirs mtatest.Settings) (sender, receiver *mtatest.Daemon, log string) {
	t.Helper()
	receiver = mtatest.Inside(t, mtatest.Kept.With(theirs))
	log, logging := mtatest.SendLog(t)
	_, port, _ := strings.Cut(receiver.Addr, ":")
	sender = mtatest.Inside(t, logging.With(mtatest.Settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": port,
		"rabbitmq-failure": "failure"}).With(ours))
	return sender, receiver, log
}

// content returns the mail of a message behind its header.
func content(t *testing.T, m *queue.Message) string {
	t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(m.Body, 0, m.Body.Size()))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "\r\n\r\n")
	require.True(t, found)
	return after
}

// binary is content of which DATA would leave little.
const binary = "\x00\x01lone\rand\nand\r\n.\r\n\xff\xfe"

const binaryHeader = "From: ann@client.test\r\nSubject: Bytes\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"

// sendBinary hands in a mail of any bytes.
func sendBinary(c *mtatest.Client, parameters, recipient, text string) {
	c.T.Helper()
	c.Command("MAIL FROM:<ann@client.test> BODY=BINARYMIME"+parameters, 250)
	c.Command("RCPT TO:<"+recipient+">", 250)
	c.Raw(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text))
	c.Expect(250)
}

// TestExtensionsBetweenTwo has a mail with all that extensions can say of it come to the next MTA as it was handed in.
func TestExtensionsBetweenTwo(t *testing.T) {
	t.Parallel()
	sender, receiver, log := pair(t, nil, nil)
	c := sender.Talk(t)
	c.Command("EHLO client.test", 250)
	by := time.Now().Add(10 * time.Minute)
	c.Command("MAIL FROM:<änn@client.test> SMTPUTF8 BODY=BINARYMIME MT-PRIORITY=5 BY=600;NT RET=HDRS ENVID=order+2B7", 250)
	c.Command("RCPT TO:<jö@bücher.test> NOTIFY=DELAY,FAILURE ORCPT=utf-8;j\\x{F6}@b.test", 250)
	text := strings.Replace(binaryHeader, "Bytes", "Grüße", 1) + binary
	c.Raw(fmt.Sprintf("BDAT %d\r\n%sBDAT 0 LAST\r\n", len(text), text))
	c.Expect(250)
	c.Expect(250)
	require.Equal(t, "message/accepted", mtatest.AwaitAttempts(t, log, "jö@bücher.test", 1)[0].Last().Pair())

	m := mtatest.Stored(t, receiver.Stopped(t), "inbox", 1)[0]
	require.Equal(t, "änn@client.test", m.Envelope)
	require.Equal(t, "jö@bücher.test", m.Recipient)
	require.Equal(t, 5, m.Priority)
	require.WithinDuration(t, by, m.DeliverBy.Time, 5*time.Second)
	require.Equal(t, queue.DeliverByNotify, m.DeliverBy.Mode)
	require.True(t, m.DeliverBy.Trace)
	require.Equal(t, &queue.DSN{Notify: []string{"FAILURE", "DELAY"}, Ret: "HDRS", EnvID: "order+7",
		ORcpt: "utf-8;jö@b.test"}, m.DSN)
	require.JSONEq(t, "true", string(m.Extra[queue.PropertySMTPUTF8]))
	require.JSONEq(t, "true", string(m.Extra[queue.PropertyBinaryMIME]))
	require.Equal(t, binary, content(t, m))
}

// TestExtensionsMadeUpFor has the next MTA offer little: what can be done without is left out, binary content goes as
// base64, and a mail with a promise that nobody makes is returned.
func TestExtensionsMadeUpFor(t *testing.T) {
	t.Parallel()
	sender, receiver, log := pair(t, nil, mtatest.Settings{"smtp-binarymime": "false", "smtp-priority": "off",
		"smtp-deliver-by": "0", "dsn-advertise": "false"})
	c := sender.Talk(t)
	c.Command("EHLO client.test", 250)
	sendBinary(c, " MT-PRIORITY=5 BY=600;N RET=HDRS", "jo@there.test", binaryHeader+binary)
	sendBinary(c, " BY=600;R", "promised@there.test", binaryHeader+binary)
	sendBinary(c, "", "signed@there.test", "DKIM-Signature: v=1; d=client.test\r\n"+binaryHeader+binary)
	require.Equal(t, "message/accepted", mtatest.AwaitAttempts(t, log, "jo@there.test", 1)[0].Last().Pair())
	for recipient, status := range map[string]string{"promised@there.test": "5.4.7", "signed@there.test": "5.6.3"} {
		require.Equal(t, "mailfrom/error "+status, described(mtatest.AwaitAttempts(t, log, recipient, 1)[0]))
	}

	m := mtatest.Stored(t, receiver.Stopped(t), "inbox", 1)[0]
	require.Zero(t, m.Priority)
	require.Nil(t, m.DeliverBy)
	require.Nil(t, m.DSN)
	require.Empty(t, m.Extra)
	decoded, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(content(t, m), "\r\n", ""))
	require.NoError(t, err)
	require.Equal(t, binary, string(decoded))
}

// described returns what became of an attempt: state, result, status.
func described(a mtatest.Attempt) string { return a.Last().Pair() + " " + a.Last().Status }

// TestFutureReleaseIsKeptHere has mail handed in for later wait at the first MTA, however the next one is set up.
func TestFutureReleaseIsKeptHere(t *testing.T) {
	t.Parallel()
	sender, receiver, log := pair(t, nil, mtatest.Settings{"smtp-future-release": "0"})
	c := sender.Talk(t)
	c.Command("EHLO client.test", 250)
	began := time.Now()
	for _, to := range []string{"later", "now"} {
		c.Command("MAIL FROM:<ann@client.test>"+map[string]string{"later": " HOLDFOR=2"}[to], 250)
		c.Command("RCPT TO:<"+to+"@there.test>", 250)
		c.Text("Subject: "+to+"\r\n\r\nx", 250)
	}
	require.Equal(t, "message/accepted", mtatest.AwaitAttempts(t, log, "now@there.test", 1)[0].Last().Pair())
	require.Equal(t, "message/accepted", mtatest.AwaitAttempts(t, log, "later@there.test", 1)[0].Last().Pair())
	require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	for _, m := range mtatest.Stored(t, receiver.Stopped(t), "inbox", 2) {
		require.Zero(t, m.HoldUntil)
		if m.Recipient == "later@there.test" {
			require.False(t, m.Received.Before(began.Add(2*time.Second).Truncate(time.Second)), "it came too early")
		}
	}
}

// TestLimitsBetweenTwo has the next MTA say how many recipients it takes: no mail has more, and none is refused.
func TestLimitsBetweenTwo(t *testing.T) {
	t.Parallel()
	sender, receiver, log := pair(t, mtatest.Settings{"smtp-out-multi-recipient": "50"},
		mtatest.Settings{"smtp-maxrecipients": "7"})
	const recipients = 100
	c := sender.Talk(t)
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<ann@client.test>", 250)
	for i := range recipients {
		c.Command(fmt.Sprintf("RCPT TO:<r%d@there.test>", i), 250)
	}
	c.Text("Subject: news\r\n\r\nx", 250)
	mtatest.Eventually(t, "all have gone", func() bool { return len(mtatest.Attempts(t, log)) >= recipients })
	for _, a := range mtatest.Attempts(t, log) {
		require.Equal(t, "message/accepted", a.Last().Pair(), a.Line)
	}
	mails, id := map[string]int{}, regexp.MustCompile(`\tid (\S+)`)
	for _, m := range mtatest.Stored(t, receiver.Stopped(t), "inbox", recipients) {
		text, err := io.ReadAll(io.NewSectionReader(m.Body, 0, m.Body.Size()))
		require.NoError(t, err)
		mails[id.FindStringSubmatch(string(text))[1]]++
	}
	for _, n := range mails {
		require.LessOrEqual(t, n, 7)
	}
	require.Less(t, len(mails), recipients/2, "mails go together")
}

// takesAll has Postfix put the mail of all recipients into one mailbox, with Delivered-To.
const takesAll = "virtual_mailbox_maps = static:all/\nheader_checks =\n"

// TestPostfixTakesSome sends mails with several recipients to Postfix, which refuses some recipients, puts off others,
// and takes three to a mail. Each recipient that was taken gets the mail once; each has the result that is its own.
func TestPostfixTakesSome(t *testing.T) {
	t.Parallel()
	p := newPostfix(t, takesAll+"smtpd_recipient_limit = 3\nsmtpd_recipient_restrictions = check_recipient_access "+
		"regexp:{ {/^bad/ 550 5.1.1 no such user}, {/^busy/ 450 4.2.1 over quota} }, permit\n")
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, p.settings().With(logging).With(mtatest.Settings{"smtp-out-multi-recipient": "20",
		"retry-interval": "3600", "rabbitmq-failure": "failure", "bounce-limit": "0"}))
	const recipients = 45
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<> ENVID=order7", 250)
	kinds := []string{"good", "bad", "good", "busy", "good"}
	name := func(i int) string { return fmt.Sprint(kinds[i%len(kinds)], i, "@postfix.test") }
	for i := range recipients {
		c.Command("RCPT TO:<"+name(i)+"> NOTIFY=NEVER", 250)
	}
	c.Text("Subject: news\r\n\r\nx", 250)
	results := map[string]string{"good": "message/accepted 2.0.0", "bad": "rcptto/error 5.1.1",
		"busy": "rcptto/error 4.2.1"}
	for i := range recipients {
		own := mtatest.AwaitAttempts(t, log, name(i), 1)[0]
		require.Equal(t, results[kinds[i%len(kinds)]], described(own), own.Line)
	}
	var delivered []string
	for _, mail := range p.mail("all", recipients*3/5) {
		_, after, _ := strings.Cut(mail, "Delivered-To: ")
		to, _, _ := strings.Cut(after, "\n")
		require.True(t, strings.HasPrefix(to, "good"), to)
		require.NotContains(t, delivered, to, "came twice")
		delivered = append(delivered, to)
	}
	text, err := os.ReadFile(filepath.Join(p.dir, "log"))
	require.NoError(t, err)
	require.Contains(t, string(text), "nrcpt=3", "they went together")
	d.Terminate(t)
	q := mtatest.OpenQueue(t, d.Queue)
	require.Equal(t, map[string]int{"outbox": recipients / 5, "failure": recipients / 5}, mtatest.Occupied(t, q))
}

// TestPostfixAndUTF8 has Postfix get addresses and headers beyond ASCII where it takes them. Where it does not, a
// domain goes as A-labels, a subject as encoded words, and a mail to whom there is no other way to write fails.
func TestPostfixAndUTF8(t *testing.T) {
	t.Parallel()
	for _, enabled := range []string{"yes", "no"} {
		t.Run(enabled, func(t *testing.T) {
			t.Parallel()
			p := newPostfix(t, takesAll+"virtual_mailbox_domains = static:all\nsmtputf8_enable = "+enabled+"\n")
			log, logging := mtatest.SendLog(t)
			d := mtatest.Inside(t, p.settings().With(logging))
			c := d.Talk(t)
			c.Command("EHLO client.test", 250)
			for _, to := range []string{"jö@postfix.test", "jo@bücher.test"} {
				c.Command("MAIL FROM:<ann@client.test> SMTPUTF8 BODY=8BITMIME", 250)
				c.Command("RCPT TO:<"+to+"> NOTIFY=NEVER", 250)
				c.Text("From: ann@client.test\r\nSubject: Grüße\r\n\r\nx", 250)
			}
			local := described(mtatest.AwaitAttempts(t, log, "jö@postfix.test", 1)[0])
			require.Equal(t, "message/accepted 2.0.0", described(mtatest.AwaitAttempts(t, log, "jo@bücher.test", 1)[0]))
			if enabled == "no" {
				require.Equal(t, "rcptto/error 5.6.7", local)
				require.Contains(t, p.mail("all", 1)[0], "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n")
				require.Contains(t, p.mail("all", 1)[0], "Delivered-To: jo@xn--bcher-kva.test\n")
				return
			}
			require.Equal(t, "message/accepted 2.0.0", local)
			for _, mail := range p.mail("all", 2) {
				require.Contains(t, mail, "Subject: Grüße\n")
				require.Regexp(t, "Delivered-To: (jö@postfix.test|jo@bücher.test)\n", mail)
			}
		})
	}
}

// TestPostfixGetsBinaryMail has Postfix, which has CHUNKING without BINARYMIME, get the same bytes in base64.
func TestPostfixGetsBinaryMail(t *testing.T) {
	t.Parallel()
	p := newPostfix(t, takesAll)
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, p.settings().With(logging))
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	sendBinary(c, "", "jo@postfix.test", binaryHeader+binary)
	require.Equal(t, "message/accepted 2.0.0", described(mtatest.AwaitAttempts(t, log, "jo@postfix.test", 1)[0]))
	header, text, _ := strings.Cut(p.mail("all", 1)[0], "\n\n")
	require.Contains(t, header, "Content-Transfer-Encoding: base64")
	decoded, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	require.NoError(t, err)
	require.Equal(t, binary, string(decoded))
}
