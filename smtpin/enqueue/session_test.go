package enqueue_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

func isLocal(address string) bool { return strings.HasSuffix(address, "@local.example") }

func TestMessageHasEverythingFromTheConnection(t *testing.T) {
	b, q := newBackend(t)
	e := &events{}
	b.Monitor = e
	s := newSession(t, b, with(trusted, func(i *smtpin.ConnInfo) { i.User = "joe" }))
	lines, err := send(t, s, simpleMail, "Rcpt@Remote.Example")
	require.NoError(t, err)
	m := q.only(t)
	require.Equal(t, "outbox", q.items(t)[0].Queue)
	require.Equal(t, "sender@example.org", m.Envelope)
	require.Equal(t, "Rcpt@Remote.Example", m.Recipient)
	require.Equal(t, testTime, m.Received)
	require.Equal(t, "mx.example", m.Hostname)
	require.Equal(t, &queue.Connection{LocalIP: "192.0.2.25", LocalPort: 25, RemoteIP: "198.51.100.7", RemotePort: 4321,
		User: "joe"}, m.Connection)
	require.Equal(t, []string{"192.0.2.25"}, m.IPs)
	require.Nil(t, m.DSN)
	require.Nil(t, m.Extra)
	require.Equal(t, simpleMail, withoutTrace(t, m))

	require.Len(t, lines, 2)
	require.Equal(t, m.ID+" for Rcpt@Remote.Example", lines[1])

	require.Len(t, e.got, 1)
	got := e.got[0]
	require.Equal(t, monitor.MessageReceived, got.Kind)
	require.Equal(t, "remote.example", got.Domain)
	require.Equal(t, m.Body.Size(), got.Bytes)
	require.Equal(t, trusted.Local.Addr(), got.MTA)
	require.Equal(t, trusted.Remote, got.Remote)
	require.Same(t, m, got.Message)
}

// tracer follows every mail.
type tracer struct{ received []string }

func (*tracer) Begin(parent string) string { return "child of " + parent }

func (f *tracer) Received(parent, own string, begun time.Time, stages *monitor.Stages) {
	if !begun.IsZero() && stages.Read > 0 && stages.Store > 0 {
		f.received = append(f.received, parent+": "+own)
	}
}

// A mail that is followed is told of once; each of its messages carries the trace along, beside what else it has.
func TestMailIsFollowed(t *testing.T) {
	b, q := newBackend(t)
	f := new(tracer)
	b.Tracer = f
	_, err := send(t, newSession(t, b, trusted), "x-mq-traceparent: theirs\r\nx-mq-shop: 7\r\n"+simpleMail, "a@remote.example",
		"b@remote.example")
	require.NoError(t, err)
	for _, item := range q.items(t) {
		require.Equal(t, "child of theirs", item.Message.TraceParent())
		require.Contains(t, item.Message.Extra, "shop")
	}
	require.Equal(t, []string{"theirs: child of theirs"}, f.received)
}

// How long a mail took is told once, with the first of its recipients.
func TestStagesOfAMail(t *testing.T) {
	b, _ := newBackend(t)
	e := &events{}
	b.Monitor = e
	b.Checks = func() *enqueue.Checks { return &enqueue.Checks{} }
	_, err := send(t, newSession(t, b, trusted), simpleMail, "a@remote.example", "b@remote.example")
	require.NoError(t, err)
	require.Len(t, e.got, 2)
	took := e.got[0].Stages
	require.Positive(t, took.Read)
	require.Positive(t, took.Check)
	require.Positive(t, took.Store)
	require.Less(t, took.Read+took.Intake(), time.Minute)
	require.Zero(t, e.got[1].Stages)
}

func TestRecipientsShareOneBodyAndOnePublish(t *testing.T) {
	b, q := newBackend(t)
	s := newSession(t, b, trusted)
	var rcpts []string
	for i := range 100 {
		rcpts = append(rcpts, fmt.Sprintf("r%d@remote.example", i))
	}
	lines, err := send(t, s, simpleMail, rcpts...)
	require.NoError(t, err)
	require.Len(t, q.published, 1)
	items := q.items(t)
	require.Len(t, items, 100)
	require.Len(t, lines, 101)
	ids := map[string]bool{}
	for i, item := range items {
		require.True(t, queue.SameBody(items[0].Message.Body, item.Message.Body))
		require.Equal(t, rcpts[i], item.Message.Recipient)
		require.Equal(t, item.Message.ID+" for "+rcpts[i], lines[i+1])
		ids[item.Message.ID] = true
	}
	require.Len(t, ids, 100)
	require.NotContains(t, bodyOf(t, items[0].Message), "for <", "the mail must not tell one recipient of another")
}

func TestSessionTakesOneMailAfterAnother(t *testing.T) {
	b, q := newBackend(t)
	s := newSession(t, b, trusted)
	for i := range 3 {
		_, err := send(t, s, simpleMail, fmt.Sprintf("r%d@remote.example", i))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("r%d@remote.example", i), q.only(t).Recipient)
	}
	require.NoError(t, s.Mail("a@example.org", nil))
	require.NoError(t, s.Rcpt("dropped@remote.example", nil))
	s.Reset()
	require.NoError(t, s.Mail("", nil))
	require.NoError(t, s.Rcpt("kept@remote.example", nil))
	require.NoError(t, s.Data(strings.NewReader(simpleMail)))
	require.Equal(t, "kept@remote.example", q.only(t).Recipient)
	require.Empty(t, q.only(t).Envelope)
	require.NoError(t, s.Logout())
}

func TestNoRecipients(t *testing.T) {
	b, _ := newBackend(t)
	s := newSession(t, b, trusted)
	require.NoError(t, s.Mail("a@example.org", nil))
	requireReply(t, s.Data(strings.NewReader(simpleMail)), 503, smtp.EnhancedCode{5, 5, 1}, "recipients")
}

func TestDSNParameters(t *testing.T) {
	b, q := newBackend(t)
	s := newSession(t, b, trusted)
	require.NoError(t, s.Mail("a@example.org", &smtp.MailOptions{Return: smtp.DSNReturnFull, EnvelopeID: "e+1"}))
	require.NoError(t, s.Rcpt("one@remote.example", &smtp.RcptOptions{
		Notify:                []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed},
		OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "old@example.org",
	}))
	require.NoError(t, s.Rcpt("two@remote.example", nil))
	require.NoError(t, s.Data(strings.NewReader(simpleMail)))
	items := q.items(t)
	require.Equal(t, &queue.DSN{Notify: []string{"FAILURE", "DELAY"}, Ret: "FULL", ORcpt: "rfc822;old@example.org",
		EnvID: "e+1"}, items[0].Message.DSN)
	require.Equal(t, &queue.DSN{Ret: "FULL", EnvID: "e+1"}, items[1].Message.DSN)
}

func TestUTF8AndRequireTLS(t *testing.T) {
	b, q := newBackend(t)
	s := newSession(t, b, trusted)
	require.NoError(t, s.Mail("a@example.org", &smtp.MailOptions{UTF8: true, RequireTLS: true}))
	require.NoError(t, s.Rcpt("jörg@remote.example", nil))
	require.NoError(t, s.Data(strings.NewReader("X-MQ-requiretls: false\r\n"+simpleMail)))
	m := q.only(t)
	require.JSONEq(t, "true", string(m.Extra["smtputf8"]))
	require.True(t, m.RequireTLS, "whatever the header says")
	require.Empty(t, m.Security, "which asks for something else")
}

// TestTLSRequired reads the header of senders to whom arriving matters more than TLS (RFC 8689 §5), unless they asked
// for the contrary.
func TestTLSRequired(t *testing.T) {
	for header, want := range map[string]struct{ required, optional bool }{
		"TLS-Required: No":                              {false, true},
		"tls-required:\r\n nO ":                         {false, true},
		"TLS-Required: Yes":                             {},
		"TLS-Required: No\r\nx-mq-requiretls: true":     {true, false},
		"x-mq-tls-optional: true\r\nX-TLS-Required: no": {},
	} {
		b, q := newBackend(t)
		s := newSession(t, b, trusted)
		require.NoError(t, s.Mail("a@example.org", nil))
		require.NoError(t, s.Rcpt("b@remote.example", nil))
		require.NoError(t, s.Data(strings.NewReader(header+"\r\n"+simpleMail)))
		m := q.only(t)
		require.Equal(t, want.required, m.RequireTLS, header)
		require.Equal(t, want.optional, m.TLSOptional, header)
	}
}

// TestWhenMailIsToGo has a mail wait, and go before others, as its client asks for and may.
func TestWhenMailIsToGo(t *testing.T) {
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	in := now.Add(time.Hour)
	by := func(back bool) *smtpin.DeliverBy {
		return &smtpin.DeliverBy{Time: now.Add(time.Minute), Return: back, Trace: back}
	}
	for name, tt := range map[string]struct {
		conn     smtpin.ConnInfo
		opts     smtpin.MailOptions
		header   string
		raise    func(*smtpin.Conn) bool
		want     queue.Message
		told     int
		stripped bool
	}{
		"priority": {conn: trusted, opts: smtpin.MailOptions{Priority: new(4)}, want: queue.Message{Priority: 4},
			told: 4},
		"header":   {conn: trusted, header: "MT-Priority: 3\r\n", want: queue.Message{Priority: 3}},
		"nonsense": {conn: trusted, header: "MT-Priority: 33\r\n", stripped: true},
		"both": {conn: trusted, opts: smtpin.MailOptions{Priority: new(-4)}, header: "MT-Priority: 3\r\n",
			want: queue.Message{Priority: -4}, told: -4},
		"from anybody":    {conn: stranger, opts: smtpin.MailOptions{Priority: new(4)}, told: 0},
		"header, anybody": {conn: stranger, header: "mt-priority: 9\r\n", stripped: true},
		"lower": {conn: stranger, opts: smtpin.MailOptions{Priority: new(-4)}, want: queue.Message{Priority: -4},
			told: -4},
		"nobody may": {conn: trusted, opts: smtpin.MailOptions{Priority: new(4)},
			raise: func(*smtpin.Conn) bool { return false }},
		"held": {conn: trusted, opts: smtpin.MailOptions{HoldUntil: in},
			want: queue.Message{NextAttempt: in, HoldUntil: in}},
		"held in the past": {conn: trusted, opts: smtpin.MailOptions{HoldUntil: now.Add(-time.Hour)}},
		"by, or told": {conn: trusted, opts: smtpin.MailOptions{DeliverBy: by(false)},
			want: queue.Message{DeliverBy: &queue.DeliverBy{Time: now.Add(time.Minute), Mode: queue.DeliverByNotify}}},
		"by, or returned": {conn: trusted, opts: smtpin.MailOptions{DeliverBy: by(true)},
			want: queue.Message{MaxDeliverTime: now.Add(time.Minute),
				DeliverBy: &queue.DeliverBy{Time: now.Add(time.Minute), Mode: queue.DeliverByReturn, Trace: true}}},
		"by, from its release": {conn: trusted, opts: smtpin.MailOptions{HoldUntil: in, DeliverBy: by(true)},
			want: queue.Message{
				NextAttempt: in, HoldUntil: in, MaxDeliverTime: in.Add(time.Minute),
				DeliverBy: &queue.DeliverBy{Time: in.Add(time.Minute), Mode: queue.DeliverByReturn, Trace: true}}},
		"by, or before": {conn: trusted, opts: smtpin.MailOptions{DeliverBy: by(true)},
			header: "x-mq-maxdelivertime: 2026-05-06 07:08:30\r\n",
			want: queue.Message{MaxDeliverTime: now.Add(21 * time.Second),
				DeliverBy: &queue.DeliverBy{Time: now.Add(time.Minute), Mode: queue.DeliverByReturn, Trace: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, q := newBackend(t)
			b.Local, b.MayRaise = isLocal, tt.raise
			b.Now = func() time.Time { return now }
			s := newSession(t, b, tt.conn)
			opts := tt.opts
			require.NoError(t, s.MailContext(t.Context(), "a@example.org", &opts))
			if opts.Priority != nil {
				require.Equal(t, tt.told, *opts.Priority)
			}
			require.NoError(t, s.Rcpt("x@local.example", nil))
			require.NoError(t, s.Data(strings.NewReader(tt.header+simpleMail)))
			m := q.only(t)
			require.Equal(t, tt.want, queue.Message{Priority: m.Priority, NextAttempt: m.NextAttempt, HoldUntil: m.HoldUntil,
				DeliverBy: m.DeliverBy, MaxDeliverTime: m.MaxDeliverTime})
			require.Equal(t, strings.Contains(tt.header, "riority") && !tt.stripped,
				bytes.Contains(m.Body.(queue.Bytes), []byte("riority")))
		})
	}
}

func TestWhoMaySendWhere(t *testing.T) {
	b, q := newBackend(t)
	b.Local = isLocal
	b.Queues = enqueue.Queues{Inbox: "inbox", Local: "local"}

	t.Run("stranger to local and others", func(t *testing.T) {
		s := newSession(t, b, stranger)
		require.NoError(t, s.Mail("a@example.org", nil))
		requireReply(t, s.Rcpt("x@remote.example", nil), 550, smtp.EnhancedCode{5, 7, 1}, "elaying")
		require.NoError(t, s.Rcpt("x@local.example", nil))
		requireReply(t, s.Rcpt("y@remote.example", nil), 550, smtp.EnhancedCode{5, 7, 1}, "elaying")
		require.NoError(t, s.Data(strings.NewReader(simpleMail)))
		require.Equal(t, "x@local.example", q.only(t).Recipient)
		require.Equal(t, "local", q.items(t)[0].Queue)
	})
	t.Run("stranger that could log in", func(t *testing.T) {
		b, _ := newBackend(t)
		b.Authenticator = auth.Func(onlyJoe)
		s := newSession(t, b, with(stranger, func(i *smtpin.ConnInfo) { i.TLS = &tls.ConnectionState{} }))
		require.Equal(t, []string{"PLAIN", "LOGIN"}, s.(smtp.AuthSession).AuthMechanisms())
		require.NoError(t, s.Mail("a@example.org", nil))
		requireReply(t, s.Rcpt("x@remote.example", nil), 530, smtp.EnhancedCode{5, 7, 0}, "uthentication")

		s = newSession(t, b, stranger)
		require.NoError(t, s.Mail("a@example.org", nil))
		requireReply(t, s.Rcpt("x@remote.example", nil), 550, smtp.EnhancedCode{5, 7, 1}, "elaying")
	})
	t.Run("nobody can log in", func(t *testing.T) {
		s := newSession(t, b, stranger).(smtp.AuthSession)
		require.Empty(t, s.AuthMechanisms())
		_, err := s.Auth("PLAIN")
		require.Error(t, err)
	})
	t.Run("logged in, mixed", func(t *testing.T) {
		s := newSession(t, b, with(stranger, func(i *smtpin.ConnInfo) { i.User = "joe" }))
		_, err := send(t, s, simpleMail, "x@remote.example", "x@local.example", "y@remote.example")
		require.NoError(t, err)
		items := q.items(t)
		require.Equal(t, []string{"inbox", "local", "inbox"}, []string{items[0].Queue, items[1].Queue, items[2].Queue})
	})
	t.Run("local falls back to the inbox", func(t *testing.T) {
		b, q := newBackend(t)
		b.Local = isLocal
		b.Queues.Inbox = "inbox"
		_, err := send(t, newSession(t, b, stranger), simpleMail, "x@local.example")
		require.NoError(t, err)
		require.Equal(t, "inbox", q.items(t)[0].Queue)
	})
}

func TestReports(t *testing.T) {
	b, q := newBackend(t)
	b.Local = isLocal
	b.Queues = enqueue.Queues{Inbox: "inbox", Local: "local", Reports: "reports"}
	b.MemoryLimit = 1000
	report := "Content-Type: multipart/report; boundary=b\r\nX-MQ-Pool: x\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n" +
		"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n"
	for name, mail := range map[string]string{"small": report, "spooled": report + strings.Repeat("more\r\n", 1000)} {
		t.Run(name, func(t *testing.T) {
			_, err := send(t, newSession(t, b, trusted), mail, "x@local.example", "x@remote.example")
			require.NoError(t, err)
			require.Equal(t, "reports", q.items(t)[0].Queue)
			require.Equal(t, "inbox", q.items(t)[1].Queue, "only local mail is a report")
		})
	}
	_, err := send(t, newSession(t, b, trusted), simpleMail, "x@local.example")
	require.NoError(t, err)
	require.Equal(t, "local", q.items(t)[0].Queue)
}

func TestReportsWithoutAQueue(t *testing.T) {
	b, q := newBackend(t)
	b.Local = isLocal
	b.Queues = enqueue.Queues{Inbox: "inbox", Local: "local"}
	_, err := send(t, newSession(t, b, stranger), "Content-Type: application/tlsrpt+gzip\r\n\r\n", "x@local.example")
	require.NoError(t, err)
	require.Equal(t, "local", q.items(t)[0].Queue)
}

func TestBlockedSender(t *testing.T) {
	var list enqueue.Blocklist
	require.NoError(t, list.Add("bad.example", 0, ""))
	require.NoError(t, list.Add("worse@other.example", 450, "come back later"))
	b, q := newBackend(t)
	b.BlockedSender = list.Sender
	for _, info := range []smtpin.ConnInfo{trusted, stranger,
		with(stranger, func(i *smtpin.ConnInfo) { i.User = "joe" })} {
		s := newSession(t, b, info)
		requireReply(t, s.Mail("x@BAD.example", nil), 554, smtp.EnhancedCode{5, 7, 1}, "not accepted")
		requireReply(t, s.Mail("worse@other.example", nil), 450, smtp.EnhancedCode{4, 7, 1}, "come back later")
		require.NoError(t, s.Mail("good@other.example", nil))
		require.NoError(t, s.Mail("", nil), "bounces have no sender to block")
	}
	b.BlockedSender = func(string) *smtp.SMTPError { return &smtp.SMTPError{} }
	requireReply(t, newSession(t, b, trusted).Mail("x@y.example", nil), 554, smtp.EnhancedCode{5, 7, 1}, "not accepted")
	require.Empty(t, q.published)
}

func TestRefusedQueue(t *testing.T) {
	setup := func(t *testing.T, info smtpin.ConnInfo) (session, *recorder, *events) {
		b, q := newBackend(t)
		e := &events{}
		b.Local, b.Monitor = isLocal, e
		b.Queues = enqueue.Queues{Inbox: "inbox", Local: "local", Refused: "refused"}
		return newSession(t, b, info), q, e
	}
	t.Run("refused after the mail", func(t *testing.T) {
		s, q, e := setup(t, stranger)
		_, err := send(t, s, simpleMail, "x@remote.example", "y@remote.example")
		requireReply(t, err, 550, smtp.EnhancedCode{5, 7, 1}, "elaying")
		require.Len(t, q.items(t), 2)
		require.Equal(t, "refused", q.items(t)[0].Queue)
		require.Empty(t, e.got, "nothing was received")
	})
	t.Run("good one after a provisional one", func(t *testing.T) {
		s, _, _ := setup(t, stranger)
		require.NoError(t, s.Mail("a@example.org", nil))
		require.NoError(t, s.Rcpt("x@remote.example", nil))
		requireReply(t, s.Rcpt("x@local.example", nil), 452, smtp.EnhancedCode{4, 5, 3}, "its own")
	})
	t.Run("bad one after a good one", func(t *testing.T) {
		s, q, e := setup(t, stranger)
		require.NoError(t, s.Mail("a@example.org", nil))
		require.NoError(t, s.Rcpt("x@local.example", nil))
		requireReply(t, s.Rcpt("x@remote.example", nil), 550, smtp.EnhancedCode{5, 7, 1}, "elaying")
		reply, err := s.DataReply(context.Background(), strings.NewReader(simpleMail))
		require.NoError(t, err)
		items := q.items(t)
		require.Len(t, items, 2)
		require.Equal(t, "local", items[0].Queue)
		require.Equal(t, "refused", items[1].Queue)
		require.NotContains(t, reply.Message, "remote.example")
		require.Len(t, e.got, 1)
	})
	t.Run("noted recipients are bounded", func(t *testing.T) {
		s, q, _ := setup(t, stranger)
		require.NoError(t, s.Mail("a@example.org", nil))
		require.NoError(t, s.Rcpt("x@local.example", nil))
		for range 1000 {
			require.Error(t, s.Rcpt("x@remote.example", nil))
		}
		require.NoError(t, s.Data(strings.NewReader(simpleMail)))
		require.Len(t, q.items(t), 101)
	})
	t.Run("LMTP answers each", func(t *testing.T) {
		s, q, _ := setup(t, lmtpGuest)
		require.NoError(t, s.Mail("a@example.org", nil))
		require.NoError(t, s.Rcpt("x@remote.example", nil))
		require.NoError(t, s.Rcpt("x@local.example", nil))
		st := statuses{}
		require.NoError(t, s.LMTPData(strings.NewReader(simpleMail), st))
		requireReply(t, st["x@remote.example"], 550, smtp.EnhancedCode{5, 7, 1}, "elaying")
		require.Contains(t, st, "x@local.example")
		require.NoError(t, st["x@local.example"])
		require.Len(t, q.items(t), 2)
	})
}

type statuses map[string]error

func (s statuses) SetStatus(rcpt string, err error) { s[rcpt] = err }

func TestDiscardedInbox(t *testing.T) {
	b, q := newBackend(t)
	e := &events{}
	b.Monitor, b.Local = e, isLocal
	b.Queues = enqueue.Queues{Discard: true}
	lines, err := send(t, newSession(t, b, trusted), simpleMail, "x@remote.example", "x@local.example")
	require.NoError(t, err)
	require.Len(t, lines, 3)
	require.Empty(t, q.published)
	require.Empty(t, e.got)

	b.Queues.Local = "local"
	_, err = send(t, newSession(t, b, trusted), simpleMail, "x@remote.example", "x@local.example")
	require.NoError(t, err)
	require.Equal(t, "x@local.example", q.only(t).Recipient)
}

func TestQueueErrorsBecomeReplies(t *testing.T) {
	for _, tt := range []struct {
		err      error
		code     int
		enhanced smtp.EnhancedCode
	}{
		{queue.ErrFull, 452, smtp.EnhancedCode{4, 3, 1}},
		{queue.ErrTooLarge, 552, smtp.EnhancedCode{5, 3, 4}},
		{queue.ErrUnavailable, 451, smtp.EnhancedCode{4, 3, 0}},
		{queue.ErrUnknown, 451, smtp.EnhancedCode{4, 3, 0}},
		{queue.ErrClosed, 451, smtp.EnhancedCode{4, 3, 0}},
		{errors.New("secret reason"), 451, smtp.EnhancedCode{4, 3, 0}},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			var log strings.Builder
			b, q := newBackend(t)
			e := &events{}
			b.Monitor = e
			b.Logger = slog.New(slog.NewTextHandler(&log, nil))
			q.err = fmt.Errorf("wrapped: %w", tt.err)
			s := newSession(t, b, trusted)
			_, err := send(t, s, simpleMail, "x@remote.example")
			requireReply(t, err, tt.code, tt.enhanced, "")
			require.ErrorIs(t, err, tt.err, "the cause must be kept for logs")
			reply, _ := errors.AsType[*smtp.SMTPError](err)
			require.NotContains(t, reply.Message, "wrapped", "the client is not told the cause")
			require.Contains(t, log.String(), tt.err.Error())
			require.Empty(t, e.got)

			q.err = nil
			_, err = send(t, s, simpleMail, "x@remote.example")
			require.NoError(t, err, "the session must go on")
		})
	}
}

func TestPublishOutlivesTheConnection(t *testing.T) {
	b, q := newBackend(t)
	ctx, cancel := context.WithCancel(context.Background())
	q.onPublish = func(ctx context.Context, _ []queue.Item) {
		cancel()
		require.NoError(t, ctx.Err())
	}
	c, err := b.NewSession(ctx, smtpin.NewConn(trusted))
	require.NoError(t, err)
	s := c.(session)
	require.NoError(t, s.MailContext(ctx, "a@example.org", nil))
	require.NoError(t, s.RcptContext(ctx, "x@remote.example", nil))
	_, err = s.DataReply(ctx, strings.NewReader(simpleMail))
	require.NoError(t, err)
	require.Len(t, q.published, 1)
}

func TestHalfAMailIsNoMail(t *testing.T) {
	for _, size := range []int{10, 5000} {
		b, q := newBackend(t)
		b.MemoryLimit = 1000
		lost := errors.New("connection lost")
		r := io.MultiReader(strings.NewReader(simpleMail+strings.Repeat("x", size)), iotest.ErrReader(lost))
		_, err := sendFrom(t, newSession(t, b, trusted), r, "x@remote.example")
		require.ErrorIs(t, err, lost, "errors of the connection stay what they are")
		require.Empty(t, q.published)
	}
}

// TestByteOrderMarkGoes from the start of a mail and from nowhere else, small and large.
func TestByteOrderMarkGoes(t *testing.T) {
	const mark = "\ufeff"
	for _, limit := range []int{0, 1} {
		for in, want := range map[string]string{
			mark + "Subject: a" + mark + "\r\n\r\n" + mark + "text\r\n": "Subject: a" + mark + "\r\n\r\n" + mark + "text\r\n",
			mark + "x-mq-tag: t\r\nA: b\r\n\r\ntext\r\n":                "A: b\r\n\r\ntext\r\n",
			mark + "\r\ntext\r\n":                                       "\r\ntext\r\n",
			mark + "text alone\r\n":                                     "\r\ntext alone\r\n",
			mark:                                                        "",
			"\ufefeSubject: a\r\n\r\n":                                  "\ufefeSubject: a\r\n\r\n",
		} {
			b, q := newBackend(t)
			b.MemoryLimit = limit
			_, err := send(t, newSession(t, b, trusted), in, "x@remote.example")
			require.NoError(t, err, "%q", in)
			require.Equal(t, want, withoutTrace(t, q.only(t)), "%q", in)
		}
	}
}
