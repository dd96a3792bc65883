package enqueue_test

import (
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// oracle is a runner that knows everything.
type oracle struct {
	client  func(context.Context) []checks.Result
	results []checks.Result
	asked   []checks.Mail
	bodies  []string
	clients []netip.Addr
}

func (o *oracle) CheckConnect(ctx context.Context, client netip.Addr) []checks.Result {
	o.clients = append(o.clients, client)
	if o.client == nil {
		return nil
	}
	return o.client(ctx)
}

func (o *oracle) Check(_ context.Context, mail *checks.Mail) []checks.Result {
	o.asked = append(o.asked, *mail)
	body, err := io.ReadAll(io.NewSectionReader(mail.Body, 0, mail.Body.Size()))
	if err != nil {
		panic(err)
	}
	o.bodies = append(o.bodies, string(body))
	return append(append([]checks.Result(nil), mail.Earlier...), o.results...)
}

func result(check string, verdict checks.Verdict, detail any) checks.Result {
	return checks.Result{Check: check, Verdict: verdict, Detail: detail,
		JSON: checks.NewObject(check, string(verdict)).JSON()}
}

func checked(t *testing.T, c enqueue.Checks) (*enqueue.Backend, *recorder) {
	b, q := newBackend(t)
	b.Local = func(a string) bool { return strings.HasSuffix(a, "@here.example") }
	b.Queues.Local = "local"
	b.Checks = func() *enqueue.Checks { return &c }
	return b, q
}

func TestChecksSeeTheMailAsItCame(t *testing.T) {
	for name, text := range map[string]string{"in memory": "text\r\n", "in a file": strings.Repeat("text\r\n", 1000)} {
		t.Run(name, func(t *testing.T) {
			o := &oracle{
				client:  func(context.Context) []checks.Result { return []checks.Result{result("dnsbl", checks.None, nil)} },
				results: []checks.Result{result("spf", checks.Pass, nil), result("dkim", checks.Fail, nil)},
			}
			b, q := checked(t, enqueue.Checks{Runner: o})
			b.MemoryLimit = 2048
			s := newSession(t, b, with(trusted, func(i *smtpin.ConnInfo) { i.User = "joe" }))
			mail := "From: a@example.org\r\nX-MQ-Tag: x\r\n\r\n" + text
			_, err := send(t, s, mail, "a@here.example", "b@far.example")
			require.NoError(t, err)

			require.Equal(t, []netip.Addr{netip.MustParseAddr("198.51.100.7")}, o.clients)
			m := o.asked[0]
			require.Equal(t, "198.51.100.7 client.example joe sender@example.org mx.example",
				strings.Join([]string{m.Client.String(), m.Hostname, m.User, m.Envelope, m.ServerName}, " "))
			require.Equal(t, []string{"a@here.example", "b@far.example"}, m.Recipients)
			require.Equal(t, "From: a@example.org\r\n\r\n", string(m.Header))
			require.Equal(t, "From: a@example.org\r\n\r\n"+text, o.bodies[0])
			require.True(t, strings.HasPrefix(string(m.Trace), "Received: from client.example") &&
				strings.HasSuffix(string(m.Trace), "+0000\r\n"), string(m.Trace))

			items := q.items(t)
			require.Len(t, items, 2)
			for _, item := range items {
				require.JSONEq(t, `[{"dnsbl":"none"},{"spf":"pass"},{"dkim":"fail"}]`, asJSON(t, item.Message.Checks))
				require.Equal(t, string(m.Trace)+o.bodies[0], bodyOf(t, item.Message))
			}
		})
	}
}

func asJSON(t *testing.T, v []json.RawMessage) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestActions(t *testing.T) {
	spam := func(score float64) checks.Result {
		return result("spam", checks.Fail, checks.Spam{Spam: true, Score: score, Threshold: 5})
	}
	virus := result("virus", checks.Fail, checks.Virus{Signature: "Eicar"})
	dmarc := func(v checks.Verdict, disposition string) checks.Result {
		return result("dmarc", v, checks.DMARC{From: "bank.example", Domain: "bank.example", Policy: "reject",
			Disposition: disposition})
	}
	member := with(stranger, func(i *smtpin.ConnInfo) { i.User = "joe" })
	all := enqueue.Checks{SpamReject: 10, VirusReject: true, VirusClosed: true, EnforceDMARC: true}
	for _, tt := range []struct {
		name   string
		policy enqueue.Checks
		who    smtpin.ConnInfo
		found  checks.Result
		want   string // "": taken
	}{
		{"nothing is asked for", enqueue.Checks{}, stranger, virus, ""},
		{"virus", all, stranger, virus, "554 5.7.1 This mail carries a virus: Eicar"},
		{"virus of somebody known", all, member, virus, "554 5.7.1 This mail carries a virus: Eicar"},
		{"clean", all, stranger, result("virus", checks.Pass, nil), ""},
		{"scanner down, closed", all, stranger, result("virus", checks.TempError, nil),
			"451 4.7.1 The virus scanner cannot be asked, try again later"},
		{"scanner down, open", enqueue.Checks{VirusReject: true}, stranger, result("virus", checks.TempError, nil), ""},
		{"too large for the scanner, closed", all, stranger, result("virus", checks.PermError, nil),
			"552 5.3.4 This mail cannot be scanned for viruses"},
		{"too large for the scanner, open", enqueue.Checks{VirusReject: true}, stranger,
			result("virus", checks.PermError, nil), ""},
		{"little spam", all, stranger, spam(9.9), ""},
		{"spam", all, stranger, spam(10), "554 5.7.1 This mail looks like spam: score 10"},
		{"much spam", all, stranger, spam(1000.5), "554 5.7.1 This mail looks like spam: score 1000.5"},
		{"spamd down", all, stranger, result("spam", checks.TempError, nil), ""},
		{"dmarc reject of a mail with two From fields", all, stranger, dmarc(checks.PermError, "reject"),
			"550 5.7.1 The DMARC policy of bank.example has this mail rejected"},
		{"dmarc reject", all, stranger, dmarc(checks.Fail, "reject"),
			"550 5.7.1 The DMARC policy of bank.example has this mail rejected"},
		{"dmarc quarantine", all, stranger, dmarc(checks.Fail, "quarantine"), ""},
		{"dmarc passes", all, stranger, dmarc(checks.Pass, "none"), ""},
		{"dmarc unknown", all, stranger, dmarc(checks.TempError, "none"), ""},
		{"dmarc of somebody known", all, member, dmarc(checks.Fail, "reject"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.policy.Runner = &oracle{results: []checks.Result{tt.found}}
			b, q := checked(t, tt.policy)
			_, err := send(t, newSession(t, b, tt.who), simpleMail, "a@here.example", "b@here.example")
			if tt.want == "" {
				require.NoError(t, err)
				require.Len(t, q.items(t), 2)
				return
			}
			require.Equal(t, tt.want, replyLine(t, err))
			require.Empty(t, q.published)
		})
	}

	t.Run("a refusal for good comes before one for now", func(t *testing.T) {
		all.Runner = &oracle{results: []checks.Result{result("virus", checks.TempError, nil), spam(50)}}
		b, _ := checked(t, all)
		_, err := send(t, newSession(t, b, stranger), simpleMail, "a@here.example")
		require.Equal(t, "554 5.7.1 This mail looks like spam: score 50", replyLine(t, err))
	})
}

func replyLine(t *testing.T, err error) string {
	t.Helper()
	e, ok := err.(*smtp.SMTPError)
	require.True(t, ok, "%v", err)
	s := e.EnhancedCode
	return strings.Join([]string{itoa(e.Code), itoa(s[0]) + "." + itoa(s[1]) + "." + itoa(s[2]), e.Message}, " ")
}

func TestMailThatNobodyGetsIsNotChecked(t *testing.T) {
	o := &oracle{}
	b, q := checked(t, enqueue.Checks{Runner: o})
	b.Queues.Refused = "refused"
	_, err := send(t, newSession(t, b, stranger), simpleMail, "a@far.example")
	require.Error(t, err)
	require.Len(t, q.items(t), 1)
	require.Empty(t, o.asked)
}

func TestMailOfAnEndedConnectionIsNotStored(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := &oracle{client: func(context.Context) []checks.Result { return nil }}
	b, q := checked(t, enqueue.Checks{Runner: o, VirusClosed: true})
	s := newSession(t, b, trusted)
	require.NoError(t, s.MailContext(ctx, "a@example.org", nil))
	require.NoError(t, s.RcptContext(ctx, "a@here.example", nil))
	cancel()
	_, err := s.DataReply(ctx, strings.NewReader(simpleMail))
	requireReply(t, err, 421, smtp.EnhancedCode{4, 3, 2}, "shutting down")
	require.Empty(t, q.published)
}

func TestListedClients(t *testing.T) {
	listed := []checks.Result{{Check: "dnsbl", Verdict: checks.Fail, Reason: "open relay",
		Detail: checks.Listing{Zone: "bl.example"}}}
	for _, tt := range []struct {
		name  string
		user  string
		found []checks.Result
		want  string
	}{
		{"listed", "", listed, "554 5.7.1 Your address 198.51.100.7 is listed by bl.example: open relay"},
		{"logged in", "joe", listed, ""},
		{"not listed", "", []checks.Result{result("dnsbl", checks.None, nil)}, ""},
		{"nobody knows", "", []checks.Result{result("dnsbl", checks.TempError, nil)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &oracle{client: func(context.Context) []checks.Result { return tt.found }}
			b, _ := checked(t, enqueue.Checks{Runner: o, RejectListed: true})
			s := newSession(t, b, with(trusted, func(i *smtpin.ConnInfo) { i.User = tt.user }))
			require.NoError(t, s.MailContext(t.Context(), "a@example.org", nil))
			err := s.RcptContext(t.Context(), "a@here.example", nil)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, tt.want, replyLine(t, err))
		})
	}
}

// The client talks while the lists are asked, STARTTLS does not have them asked again, and a DNS that never answers
// costs no more than its time.
func TestSlowBlockLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{client: func(ctx context.Context) []checks.Result {
			<-ctx.Done()
			return []checks.Result{result("dnsbl", checks.TempError, nil)}
		}}
		b := &enqueue.Backend{Queue: &recorder{}, Checks: func() *enqueue.Checks {
			return &enqueue.Checks{Runner: o, RejectListed: true, ConnectTimeout: 7 * time.Second}
		}}
		conn := smtpin.NewConn(trusted)
		began := time.Now()
		_, err := b.NewSession(t.Context(), conn)
		require.NoError(t, err)
		again, err := b.NewSession(t.Context(), conn)
		require.NoError(t, err)
		s := again.(session)
		require.NoError(t, s.MailContext(t.Context(), "a@example.org", nil))
		require.Zero(t, time.Since(began))
		require.NoError(t, s.RcptContext(t.Context(), "a@far.example", nil))
		require.Equal(t, 7*time.Second, time.Since(began))
		require.Len(t, o.clients, 1)
		_, err = s.DataReply(t.Context(), strings.NewReader(simpleMail))
		require.NoError(t, err)
		require.Equal(t, 7*time.Second, time.Since(began))
	})
}

const ourField = "Authentication-Results: mx.example;\r\n\tspf=pass smtp.mailfrom=a@b;\r\n\tx-spam=fail reason=\"score 7 of 5\"\r\n"

func authResults() []checks.Result {
	return []checks.Result{
		{Check: "spf", Verdict: checks.Pass, Properties: []checks.Property{{Name: "smtp.mailfrom", Value: "a@b"}}},
		{Check: "spam", Verdict: checks.Fail, Reason: "score 7 of 5",
			Detail: checks.Spam{Spam: true, Score: 7, Threshold: 5}},
	}
}

func TestAuthenticationResults(t *testing.T) {
	const forged = "Authentication-Results: MX.example; spf=pass\r\n"
	const others = "Authentication-Results: other.example; spf=fail\r\nARC-Authentication-Results: i=1; mx.example; spf=pass\r\n"
	for _, tt := range []struct {
		name         string
		local, other bool
		rcpts        string
		want         string // whose mail has the field
	}{
		{"off", false, false, "a@here.example b@far.example", ""},
		{"local", true, false, "a@here.example", "a@here.example"},
		{"local, to others", true, false, "b@far.example", ""},
		{"local, mixed", true, false, "a@here.example b@far.example c@far.example", "a@here.example"},
		{"nonlocal", false, true, "b@far.example", "b@far.example"},
		{"nonlocal, mixed", false, true, "a@here.example b@far.example", "b@far.example"},
		{"both", true, true, "a@here.example b@far.example", "a@here.example b@far.example"},
	} {
		for _, place := range []string{"memory", "scratch", "file"} {
			t.Run(tt.name+" in "+place, func(t *testing.T) {
				b, q := checked(t, enqueue.Checks{Runner: &oracle{results: authResults()}, ResultsLocal: tt.local,
					ResultsOther: tt.other})
				text := strings.Repeat("text\r\n", 100)
				if place == "file" {
					b.MemoryLimit = 400
				}
				mail := "From: a@example.org\r\n" + forged + others + forged + "Subject: hi\r\n\r\n" + text
				left := "From: a@example.org\r\n" + others + "Subject: hi\r\n\r\n" + text
				if !tt.local && !tt.other {
					left = mail
				}
				s := newSession(t, b, trusted)
				opts := &smtpin.MailOptions{}
				if place == "memory" {
					opts.Size = int64(len(mail))
				}
				require.NoError(t, s.MailContext(t.Context(), "a@example.org", opts))
				for r := range strings.FieldsSeq(tt.rcpts) {
					require.NoError(t, s.RcptContext(t.Context(), r, nil))
				}
				got := map[string]string{}
				q.onPublish = func(_ context.Context, items []queue.Item) { // a spool file is gone afterwards
					for _, item := range items {
						got[item.Message.Recipient] = bodyOf(t, item.Message)
					}
				}
				_, err := s.DataReply(t.Context(), strings.NewReader(mail))
				require.NoError(t, err)
				for _, item := range q.items(t) {
					r, above := item.Message.Recipient, ""
					if strings.Contains(tt.want, r) {
						above = ourField
					}
					require.True(t, strings.HasPrefix(got[r], above+"Received: from client.example"), got[r])
					_, rest, _ := strings.Cut(got[r], "+0000\r\n")
					require.Equal(t, left, rest)
					require.Equal(t, int64(len(got[r])), item.Message.Body.Size())
				}
			})
		}
	}
}

func TestAuthenticationResultsWithoutChecks(t *testing.T) {
	b, q := checked(t, enqueue.Checks{ResultsOther: true, AuthServID: "example.net"})
	_, err := send(t, newSession(t, b, trusted), "Authentication-Results: example.net; dkim=pass\r\nA: b\r\n\r\n",
		"b@far.example")
	require.NoError(t, err)
	mail := bodyOf(t, q.only(t))
	require.True(t, strings.HasPrefix(mail, "Authentication-Results: example.net; none\r\nReceived: "), mail)
	require.Equal(t, "A: b\r\n\r\n", mail[strings.Index(mail, "+0000\r\n")+7:])
}

func TestAFieldLongerThanTheRoom(t *testing.T) {
	var many []checks.Result
	for range 60 {
		many = append(many, result("dkim", checks.Fail, nil))
	}
	b, q := checked(t, enqueue.Checks{Runner: &oracle{results: many}, ResultsOther: true})
	_, err := send(t, newSession(t, b, trusted), simpleMail, "b@far.example")
	require.NoError(t, err)
	mail := bodyOf(t, q.only(t))
	require.Equal(t, 60, strings.Count(mail, "dkim=fail"))
	require.True(t, strings.HasSuffix(mail, "+0000\r\n"+simpleMail), mail)
}

func TestReportsAreRecognisedBeforeTheHeaderIsEdited(t *testing.T) {
	b, q := checked(t, enqueue.Checks{Runner: &oracle{results: authResults()}, ResultsLocal: true})
	b.Queues.Reports = "reports"
	_, err := send(t, newSession(t, b, stranger),
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"+
			"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.0.0\r\n\r\n--b--\r\n", "a@here.example")
	require.NoError(t, err)
	require.Equal(t, "reports", q.items(t)[0].Queue)
	require.True(t, strings.HasPrefix(bodyOf(t, q.only(t)), ourField))
}

func TestSpamSubject(t *testing.T) {
	long := strings.Repeat("x", 950)
	for _, tt := range []struct{ name, prefix, header, want string }{
		{"plain", "[SPAM]", "Subject: hello\r\n", "Subject: [SPAM] hello\r\n"},
		{"other fields stay", "[SPAM]", "A: b\r\nsubject:hello\r\nC: d\r\n", "A: b\r\nSubject: [SPAM] hello\r\nC: d\r\n"},
		{"once", "[SPAM]", "Subject: [SPAM] hello\r\n", "Subject: [SPAM] hello\r\n"},
		{"folded", "[SPAM]", "Subject: hello\r\n world\r\n", "Subject: [SPAM] hello\r\n world\r\n"},
		{"empty", "[SPAM]", "Subject:\r\n", "Subject: [SPAM]\r\n"},
		{"none", "[SPAM]", "A: b\r\n", "Subject: [SPAM]\r\nA: b\r\n"},
		{"encoded subject", "[SPAM]", "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n",
			"Subject: [SPAM] =?utf-8?B?R3LDvMOfZQ==?=\r\n"},
		{"once, encoded", "[SPAM]", "Subject: =?utf-8?Q?=5BSPAM=5D_Gr=C3=BC=C3=9Fe?=\r\n",
			"Subject: =?utf-8?Q?=5BSPAM=5D_Gr=C3=BC=C3=9Fe?=\r\n"},
		{"prefix beyond ASCII", "Müll:", "Subject: hello\r\n", "Subject: =?utf-8?b?TcO8bGw6IA==?= hello\r\n"},
		{"prefix beyond ASCII, once", "Müll:", "Subject: =?utf-8?b?TcO8bGw6IA==?= hello\r\n",
			"Subject: =?utf-8?b?TcO8bGw6IA==?= hello\r\n"},
		{"long", "[SPAM]", "Subject: " + long + "\r\n", "Subject: [SPAM]\r\n  " + long + "\r\n"},
		{"several", "[SPAM]", "Subject: a\r\nSubject: b\r\n", "Subject: [SPAM] a\r\nSubject: [SPAM] b\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, q := checked(t, enqueue.Checks{Runner: &oracle{results: authResults()}, SpamSubject: tt.prefix})
			_, err := send(t, newSession(t, b, trusted), tt.header+"\r\ntext\r\n", "b@far.example")
			require.NoError(t, err)
			require.Equal(t, tt.want+"\r\ntext\r\n", withoutTrace(t, q.only(t)))
		})
	}
	t.Run("of a mail without a header", func(t *testing.T) {
		b, q := checked(t, enqueue.Checks{Runner: &oracle{results: authResults()}, SpamSubject: "[SPAM]"})
		_, err := send(t, newSession(t, b, trusted), "only text\r\n", "b@far.example")
		require.NoError(t, err)
		require.Equal(t, "Subject: [SPAM]\r\n\r\nonly text\r\n", withoutTrace(t, q.only(t)))
	})
	t.Run("of what is no spam", func(t *testing.T) {
		o := &oracle{results: []checks.Result{result("spam", checks.Pass, checks.Spam{Score: 4, Threshold: 5})}}
		b, q := checked(t, enqueue.Checks{Runner: o, SpamSubject: "[SPAM]"})
		_, err := send(t, newSession(t, b, trusted), simpleMail, "b@far.example")
		require.NoError(t, err)
		require.Equal(t, simpleMail, withoutTrace(t, q.only(t)))
	})
}
