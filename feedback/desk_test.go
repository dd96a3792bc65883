package feedback_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/records.txt anew")

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

const patience = 20 * time.Second

// world is a desk with what is around it.
type world struct {
	*feedback.Desk
	t      *testing.T
	events chan monitor.Event
	came   chan *queue.Message // to the queue of reports
	logged bytes.Buffer

	mu         sync.Mutex
	now        time.Time
	policy     feedback.Policy
	suppressed []feedback.Suppression
	away       error // what Suppress answers
	log        []feedback.Sent
	lookUps    int
	ids        int
}

// newWorld starts a desk with the rule that one hard bounce is enough. set may change it before.
func newWorld(t *testing.T, set func(*world)) *world {
	w := &world{t: t, now: noon, events: make(chan monitor.Event, 10_000), came: make(chan *queue.Message, 10_000)}
	w.policy = feedback.Policy{Rules: []feedback.Rule{{ID: 1, Kind: "bounce"}, {ID: 2, Kind: "complaint"},
		{ID: 3, Kind: "unsubscribe"}}, Senders: []string{"receiver.example"}}
	q := memory.New()
	w.Desk = &feedback.Desk{Queue: q, Incoming: "feedback", Reports: "reports", Paths: new(verp.Paths), Find: w.find,
		Policy:   func() *feedback.Policy { w.mu.Lock(); defer w.mu.Unlock(); p := w.policy; return &p },
		Suppress: w.suppress, Monitor: w, Logger: slog.New(slog.NewTextHandler(&w.logged, nil)),
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }}
	w.Paths.SetKeys([]verp.Key{{ID: 1, Made: noon.Add(-2 * time.Hour), Secret: []byte("sixteen bytes or more")}})
	if set != nil {
		set(w)
	}
	require.NoError(t, w.Open())
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { require.NoError(t, w.Run(ctx)) })
	running.Go(func() {
		require.NoError(t, q.Consume(ctx, "reports", queue.ConsumeOptions{Prefetch: 10_000}, func(d *queue.Delivery) {
			w.came <- d.Message
			require.NoError(t, d.Settle(ctx))
		}))
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		require.NoError(t, w.Close())
		require.NoError(t, q.Close())
	})
	return w
}

func (w *world) find(_ context.Context, what feedback.LookUp) (found []feedback.Sent, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookUps++
	for _, s := range w.log {
		if what.ID == s.ID || what.ID == "" && what.Recipient == s.Recipient || what.Text != "" && what.Text == "<"+s.ID+">" {
			found = append(found, s)
		}
	}
	return found, nil
}

func (w *world) suppress(_ context.Context, all []feedback.Suppression) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away == nil {
		w.suppressed = append(w.suppressed, all...)
	}
	return w.away
}

func (w *world) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// values are those on the suppression list.
func (w *world) values() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, s := range w.suppressed {
		all = append(all, s.Value)
	}
	return all
}

func (w *world) Observe(e *monitor.Event)               { w.events <- *e }
func (w *world) Tap(monitor.Session) monitor.Transcript { return monitor.NoTranscript() }

// path is the return path of a mail.
func (w *world) path(id, recipient, tag string) string {
	t, err := verp.ParseTemplate("bounces.sender.example")
	require.NoError(w.t, err)
	address, _, ok := w.Paths.Make(&t, verp.Mail{ID: id, Recipient: recipient, Tag: tag}, w.now)
	require.True(w.t, ok)
	return address
}

// off is the address in List-Unsubscribe of a mail.
func (w *world) off(id, recipient string) string {
	t, err := verp.ParseTemplate("bounces.sender.example")
	require.NoError(w.t, err)
	t = t.Unsubscribing()
	address, _, ok := w.Paths.Make(&t, verp.Mail{ID: id, Recipient: recipient, Unsubscribe: true}, w.now)
	require.True(w.t, ok)
	return address
}

// send has a report come to an address.
func (w *world) send(to, mail string, checks ...string) string {
	w.ids++
	m := &queue.Message{ID: fmt.Sprintf("r-%d", w.ids), Recipient: to, Body: queue.Bytes(mail)}
	for _, c := range checks {
		m.Checks = append(m.Checks, json.RawMessage(c))
	}
	require.NoError(w.t, w.Queue.Publish(w.t.Context(), queue.Item{Queue: "feedback", Message: m}))
	return m.ID
}

// report has a report come, and returns the records of it that went on with it.
func (w *world) report(to, mail string, checks ...string) []feedback.Record {
	w.t.Helper()
	id := w.send(to, mail, checks...)
	select {
	case m := <-w.came:
		require.Equal(w.t, id, m.ID)
		got, err := queue.ReadBody(m.Body)
		require.NoError(w.t, err)
		require.Equal(w.t, mail, string(got), "the report itself goes on as well")
		var found []feedback.Record
		require.NoError(w.t, json.Unmarshal(m.Extra["feedback"], &found))
		return found
	case <-time.After(patience):
		w.t.Fatal("the report does not come to the queue of reports")
	}
	return nil
}

func (w *world) one(to, mail string, checks ...string) feedback.Record {
	w.t.Helper()
	found := w.report(to, mail, checks...)
	require.Len(w.t, found, 1)
	return found[0]
}

// bounce is a bounce of a mail to an address; header is what is returned of it.
func bounce(to, status, header string) string {
	return fill(`From: MAILER-DAEMON@receiver.example
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.receiver.example
ENVID

Final-Recipient: rfc822; TO
Action: failed
Status: STATUS
Diagnostic-Code: smtp; 550 STATUS no such user

--b
Content-Type: text/rfc822-headers

HEADER
Subject: Hello

--b--
`, "TO", to, "STATUS", status, "HEADER", header, "\nENVID", "")
}

func fill(text string, pairs ...string) string {
	return strings.ReplaceAll(strings.NewReplacer(pairs...).Replace(text), "\n", "\r\n")
}

// complaint is one about a mail; header is what is returned of it.
func complaint(from, fields, header string) string {
	return fill(`From: FROM
Subject: FW: Hello
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b

Somebody complained.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Loop/1.0
Version: 1
FIELDS
--b
Content-Type: message/rfc822

HEADER
Subject: Hello

--b--
`, "FROM", from, "FIELDS", fields, "HEADER", header)
}

const (
	id    = "1-0f3k9t2m8q4r7abc2v"
	ann   = "ann@receiver.example"
	dkims = `{"dkim":"pass","header.d":"receiver.example"}`
)

// TestBounce has a mail come back to its return path: its recipient gets no more mail.
func TestBounce(t *testing.T) {
	w := newWorld(t, nil)
	w.log = []feedback.Sent{{ID: id, Recipient: ann, Tags: []string{"news", "november"}, Time: noon}}
	r := w.one(w.path(id, ann, "news"), bounce(ann, "5.1.1", "To: ann@receiver.example"))
	require.Equal(t, feedback.Record{ID: "r-1/0", Time: noon, Kind: feedback.HardBounce, Source: "mx.receiver.example",
		Joined: feedback.ByReturnPath, MessageID: id, Recipient: ann, Tags: []string{"news", "november"}, Sent: "2026-11-30",
		Status: "5.1.1", Code: 550, Diagnostic: "550 5.1.1 no such user", Proof: feedback.ProofReturnPath, Suppressed: ann,
		Why: "rule 1"}, r)
	require.Equal(t, []feedback.Suppression{{Value: ann, Status: "5.1.1",
		Description: "mail to this address came back (feedback rule 1, 2026-11-30)"}}, w.suppressed)
	e := <-w.events
	require.Equal(t, monitor.Reported, e.Kind)
	require.Equal(t, "receiver.example", e.Domain)
	require.Equal(t, "hard-bounce 5.1.1 550 5.1.1 no such user", e.Text)
	require.Equal(t, []feedback.Record{r}, w.Records(feedback.Query{}))
	require.Equal(t, feedback.Counts{Kinds: map[feedback.Kind]int64{feedback.HardBounce: 1}, Suppressed: 1},
		w.Counts(noon.Add(-24*time.Hour)))
}

// TestWhatActs has reports come in every way that proves something, and in others.
func TestWhatActs(t *testing.T) {
	forger := newWorld(t, func(w *world) {
		w.Paths.SetKeys([]verp.Key{{ID: 1, Made: noon.Add(-time.Hour), Secret: []byte("another key, with the same id")}})
	})
	w := newWorld(t, func(w *world) {
		w.log = []feedback.Sent{{ID: id, Recipient: "log@receiver.example", Time: noon}}
	})
	token := func(to string) string { return strings.Split(strings.Split(w.path(id, to, ""), "+")[1], "@")[0] }
	received := "Received: from x by y with ESMTP\n\tid " + id + ";\n\tMon, 30 Nov 2026 10:00:00 +0000"
	for i, c := range []struct {
		name, to, mail string
		checks         []string
		joined         feedback.Join
		proof          feedback.Proof
		who, why       string
		unknown        bool // who is not suppressed
	}{
		{"return path", w.path(id, "a@x.example", ""), bounce("a@x.example", "5.1.1", ""), nil, feedback.ByReturnPath,
			feedback.ProofReturnPath, "a@x.example", "rule 1", false},
		{"return path in capitals, rewritten by a forwarder", "SRS0=a1B2=QK=sender.example=" +
			strings.ToUpper(strings.Split(w.path(id, "b@x.example", ""), "@")[0]) + "@forwarder.example",
			bounce("B@X.example", "5.1.1", ""), nil, feedback.ByReturnPath, feedback.ProofReturnPath, "B@X.example", "rule 1",
			false},
		{"ENVID", "postmaster@sender.example", strings.Replace(bounce("c@x.example", "5.1.1", ""), "\r\n\r\nFinal",
			"\r\nOriginal-Envelope-Id: "+token("c@x.example")+"\r\n\r\nFinal", 1), nil, feedback.ByEnvID, feedback.ProofEnvID,
			"c@x.example", "rule 1", false},
		{"forwarded, and the copy names the recipient", w.path(id, "d@x.example", ""),
			bounce("elsewhere@y.example", "5.1.1", "To: D <d@x.example>"), nil, feedback.ByReturnPath, feedback.ProofReturnPath,
			"d@x.example", "rule 1", false},
		{"forwarded, and nothing names the recipient", w.path(id, "e@x.example", ""),
			bounce("elsewhere@y.example", "5.1.1", ""),
			nil, feedback.ByReturnPath, "", "elsewhere@y.example", "not in the send log", true},
		{"forwarded, and the log knows the recipient", w.path(id, "log@receiver.example", ""),
			bounce("elsewhere@y.example", "5.1.1", ""), nil, feedback.ByReturnPath, feedback.ProofReturnPath,
			"log@receiver.example", "rule 1", false},
		{"a full mailbox", w.path(id, "f@x.example", ""), bounce("f@x.example", "5.2.2", ""), nil, feedback.ByReturnPath,
			feedback.ProofReturnPath, "f@x.example", "", true},
		{"a token of another key", forger.path(id, "g@x.example", ""), bounce("g@x.example", "5.1.1", ""), nil, "", "",
			"g@x.example", "no signed return path", true},
		{"no token", "postmaster@sender.example", bounce("h@x.example", "5.1.1", ""), nil, "", "", "h@x.example",
			"no signed return path", true},
		{"the token in the copy alone", "postmaster@sender.example", bounce("i@x.example", "5.1.1",
			"Return-Path: <"+w.path(id, "i@x.example", "")+">"), nil, feedback.ByCopy, "", "i@x.example",
			"no signed return path", true},
		{"our Received field", "postmaster@sender.example", bounce("log@receiver.example", "5.1.1", received), nil,
			feedback.ByLog, "", "log@receiver.example", "no signed return path", true},
		{"our Received field, and another recipient", "postmaster@sender.example", bounce("j@x.example", "5.1.1", received),
			nil,
			"", "", "j@x.example", "no signed return path", true},
		{"a complaint with DKIM", "fbl@sender.example",
			complaint("loop@receiver.example", "Original-Rcpt-To: k@x.example\n", ""),
			[]string{`{"spf":"fail"}`, dkims}, "", feedback.ProofDKIM, "k@x.example", "rule 2", false},
		{"a complaint with SPF", "fbl@sender.example", complaint("Loop <loop@fbl.receiver.example>",
			"Original-Rcpt-To: l@x.example\nOriginal-Mail-From: <"+w.path(id, "l@x.example", "")+">\n", ""),
			[]string{`{"spf":"pass","smtp.mailfrom":"b@receiver.example"}`}, feedback.ByCopy, feedback.ProofSPF, "l@x.example",
			"rule 2", false},
		{"a complaint that hides the recipient, with our token", "fbl@sender.example", complaint("loop@receiver.example",
			"Original-Mail-From: <"+w.path(id, "m@x.example", "")+">\n", "To: M@X.example"), []string{dkims}, feedback.ByCopy,
			feedback.ProofDKIM, "M@X.example", "rule 2", false},
		{"a complaint that hides the recipient", "fbl@sender.example", complaint("loop@receiver.example", "", ""),
			[]string{dkims}, "", "", "", "whose complaint", true},
		{"a complaint without checks", "fbl@sender.example",
			complaint("loop@receiver.example", "Original-Rcpt-To: n@x.example\n", ""),
			nil, "", "", "n@x.example", "not checked", true},
		{"a complaint that failed them", "fbl@sender.example",
			complaint("loop@receiver.example", "Original-Rcpt-To: n@x.example\n", ""),
			[]string{`{"dkim":"fail","header.d":"receiver.example"}`, `{"spf":"softfail","smtp.mailfrom":"x@receiver.example"}`},
			"",
			"", "n@x.example", "neither DKIM nor SPF", true},
		{"a complaint that passed for another domain", "fbl@sender.example", complaint("loop@receiver.example",
			"Original-Rcpt-To: n@x.example\n", ""), []string{`{"dkim":"pass","header.d":"evil.example"}`,
			`{"spf":"pass","smtp.mailfrom":"x@notreceiver.example"}`}, "", "", "n@x.example", "neither DKIM nor SPF", true},
		{"a complaint of somebody else", "fbl@sender.example",
			complaint("loop@evil.example", "Original-Rcpt-To: n@x.example\n", ""),
			[]string{`{"dkim":"pass","header.d":"evil.example"}`}, "", "", "n@x.example", "not a listed sender", true},
		{"a complaint of two", "fbl@sender.example", complaint("loop@receiver.example, x@evil.example",
			"Original-Rcpt-To: n@x.example\n", ""), []string{dkims}, "", "", "n@x.example", "not a listed sender", true},
		{"an answer to unsubscribe", strings.Replace(w.path(id, "o@x.example", ""), "bounce+", "unsubscribe+", 1),
			"From: o@x.example\r\n\r\nstop\r\n", nil, feedback.ByReturnPath, feedback.ProofReturnPath, "o@x.example", "rule 3",
			false},
		{"one of somebody else", strings.Replace(w.path(id, "q@x.example", ""), "bounce+", "unsubscribe+", 1),
			"From: o@x.example\r\n\r\nstop\r\n", nil, feedback.ByReturnPath, "", "", "not in the send log", true},
		{"to the address in the header of the mail", w.off(id, "s@x.example"), "From: s@x.example\r\n\r\nstop\r\n", nil,
			feedback.ByReturnPath, feedback.ProofReturnPath, "s@x.example", "rule 3", false},
		{"a bounce with the token of that header", strings.Replace(w.off(id, "r@x.example"), "unsubscribe+", "bounce+", 1),
			bounce("r@x.example", "5.1.1", ""), nil, feedback.ByCopy, "", "r@x.example", "no signed return path", true},
		{"a vacation", w.path(id, "p@x.example", ""), "From: p@x.example\r\nSubject: away\r\n\r\nBack soon.\r\n", nil,
			feedback.ByReturnPath, "", "", "not in the send log", true},
	} {
		before := len(w.values())
		r := w.one(c.to, c.mail, c.checks...)
		require.Equal(t, c.joined, r.Joined, c.name)
		require.Equal(t, c.proof, r.Proof, c.name)
		require.Equal(t, c.who, r.Recipient, c.name)
		require.Contains(t, r.Why, c.why, c.name)
		require.Equal(t, c.unknown, r.Suppressed == "", c.name)
		if !c.unknown {
			require.Equal(t, strings.ToLower(c.who), w.values()[before], c.name)
		}
		require.Len(t, w.Records(feedback.Query{}), i+1)
	}
}

// TestExpiredAndRepeated has old return paths count for nothing, and one mail count once.
func TestExpiredAndRepeated(t *testing.T) {
	w := newWorld(t, func(w *world) { w.policy.Rules[0].Threshold = 2 })
	path := w.path(id, ann, "")
	require.Equal(t, "rule 1: 1 of 2 mails within 30 days", w.one(path, bounce(ann, "5.1.1", "")).Why)
	for range 5 {
		require.Equal(t, "the same was reported of this message before", w.one(path, bounce(ann, "5.1.1", "")).Why)
	}
	w.do(func() { w.now = noon.Add(32 * 24 * time.Hour) })
	r := w.one(w.path("1-other0000000000000", ann, ""), bounce(ann, "5.1.1", ""))
	require.Equal(t, "rule 1: 1 of 2 mails within 30 days", r.Why, "the first was too long ago")
	r = w.one(path, bounce(ann, "5.1.1", ""))
	require.Equal(t, "the return path has expired", r.Why)
	require.Equal(t, id, r.MessageID, "it is known all the same")
	require.True(t, r.Unproven())
	require.Empty(t, w.values())
	r = w.one(w.path("1-third000000000000000", "ANN@receiver.example", ""), bounce(ann, "5.1.1", ""))
	require.Equal(t, "rule 1: 2 mails", r.Why)
	require.Equal(t, []string{ann}, w.values())
}

// TestRules has rules for tags, for a while, and with hashes.
func TestRules(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.policy.Rules = []feedback.Rule{
			{ID: 4, Kind: "bounce", Tag: "news", For: 90 * 24 * time.Hour, Hashed: true},
			{ID: 5, Kind: "bounce", Threshold: 2, Within: 24 * time.Hour},
		}
		w.policy.Hash = func(address string) string { return "hash of " + address }
	})
	mail := func(n int) string { return fmt.Sprintf("1-%020d", n) }
	r := w.one(w.path(mail(1), "a@x.example", "news"), bounce("a@x.example", "5.1.1", ""))
	require.Equal(t, []string{"news"}, r.Tags, "the token has it")
	require.Equal(t, "hash of a@x.example", r.Suppressed)
	require.Equal(t, []feedback.Suppression{{Value: r.Suppressed, Hashed: true, Status: "5.1.1",
		Description: "mail to this address came back (feedback rule 4, 2026-11-30)", Expire: noon.Add(90 * 24 * time.Hour)}},
		w.suppressed)
	require.Equal(t, "rule 5: 1 of 2 mails within 1 days", w.one(w.path(mail(2), "b@x.example", "other"),
		bounce("b@x.example", "5.1.1", "")).Why)
	require.Equal(t, "no rule is for it", w.one("fbl@sender.example",
		complaint("loop@receiver.example", "Original-Rcpt-To: b@x.example\n", ""), dkims).Why)
	require.Equal(t, "rule 5: 2 mails", w.one(w.path(mail(3), "b@x.example", ""), bounce("b@x.example", "5.1.2", "")).Why)
	w.do(func() { w.policy = feedback.Policy{} })
	require.Equal(t, "no rule is for it", w.one(w.path(mail(4), "c@x.example", ""),
		bounce("c@x.example", "5.1.1", "")).Why)
}

// TestThousandsOfForgedReports has nothing come of them, and little memory and few look-ups go to them.
func TestThousandsOfForgedReports(t *testing.T) {
	const many = 5000
	dir := t.TempDir()
	w := newWorld(t, func(w *world) { w.Dir = dir })
	require.NotEmpty(t, w.one(w.path(id, ann, ""), bounce(ann, "5.1.1", "")).Suppressed)
	for i := range many {
		to := fmt.Sprintf("victim%d@x.example", i)
		received := fmt.Sprintf("Received: from x by y\n\tid 1-%020d;\n\tMon, 30 Nov 2026 10:00:00 +0000", i)
		if i%2 == 0 {
			w.send("postmaster@sender.example", bounce(to, "5.1.1", received))
		} else {
			w.send("postmaster@sender.example", complaint("x@evil.example", "Original-Rcpt-To: "+to+"\n", received), dkims)
		}
	}
	for range many {
		select {
		case <-w.came:
		case <-time.After(patience):
			t.Fatal("they do not all come to the queue of reports")
		}
	}
	require.Equal(t, []string{ann}, w.values())
	w.do(func() { require.LessOrEqual(t, w.lookUps, 31, "of the log") })
	counts := w.Counts(noon)
	require.EqualValues(t, many, counts.Unproven)
	require.EqualValues(t, 1, counts.Kinds[feedback.HardBounce])
	acted := true
	require.Len(t, w.Records(feedback.Query{Acted: &acted}), 1, "they displace no record of a proved report")
	sizes := int64(0)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	for _, name := range files {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
		sizes += info.Size()
	}
	require.Less(t, sizes, int64(5<<20))
}

// TestOneReturnPathManyTimes has somebody who got one mail report of it again and again: that displaces nothing, and
// another run still counts what was reported before.
func TestOneReturnPathManyTimes(t *testing.T) {
	const many = 5000
	dir := t.TempDir()
	set := func(w *world) { w.Dir, w.policy.Rules[0].Threshold = dir, 2 }
	const mallory = "mallory@receiver.example"
	t.Run("", func(t *testing.T) {
		w := newWorld(t, set)
		w.one(w.path(id, ann, ""), bounce(ann, "5.1.1", ""))
		path := w.path("1-mallory0000000000000", mallory, "")
		for i := range many {
			w.send(path, bounce(mallory, []string{"5.1.1", "4.2.2"}[i%2], strings.Repeat("x", 900)))
		}
		for range many {
			<-w.came
		}
		require.EqualValues(t, many/2+1, w.Counts(noon).Kinds[feedback.HardBounce], "each is counted")
		require.NotEmpty(t, w.Records(feedback.Query{Recipient: ann}), "it is shown still")
	})
	info, err := os.Stat(filepath.Join(dir, "feedback.jsonl"))
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(4<<10))
	w := newWorld(t, set)
	require.Equal(t, "rule 1: 2 mails", w.one(w.path("1-another0000000000000", ann, ""), bounce(ann, "5.1.1", "")).Why)
}

// TestRestart has another run know what was counted.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	set := func(w *world) { w.Dir, w.policy.Rules[0].Threshold = dir, 2 }
	t.Run("", func(t *testing.T) {
		w := newWorld(t, set)
		w.one(w.path(id, ann, ""), bounce(ann, "5.1.1", ""))
		w.one("postmaster@sender.example", bounce(ann, "5.1.1", ""))
	})
	f, err := os.OpenFile(filepath.Join(dir, "feedback.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"id":"half of a li`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	w := newWorld(t, set)
	require.Len(t, w.Records(feedback.Query{}), 2)
	require.EqualValues(t, 1, w.Counts(noon).Kinds[feedback.HardBounce])
	require.EqualValues(t, 1, w.Counts(noon).Unproven)
	require.Equal(t, "the same was reported of this message before",
		w.one(w.path(id, ann, ""), bounce(ann, "5.1.1", "")).Why)
	require.Equal(t, "rule 1: 2 mails", w.one(w.path("1-another", ann, ""), bounce(ann, "5.1.1", "")).Why)
	require.Len(t, w.Records(feedback.Query{}), 4)
}

// TestSettingsAway has suppressions wait for a database that is down; nothing is lost and nothing counted twice.
func TestSettingsAway(t *testing.T) {
	w := newWorld(t, func(w *world) { w.away = errors.New("down") })
	w.send(w.path(id, ann, ""), bounce(ann, "5.1.1", ""))
	require.Never(t, func() bool { return len(w.came) > 0 }, 100*time.Millisecond, 20*time.Millisecond)
	require.Empty(t, w.Records(feedback.Query{}), "nothing is said to be done before it is")
	w.do(func() { w.away = nil })
	select {
	case <-w.came:
	case <-time.After(patience):
		t.Fatal("the report does not go on")
	}
	require.Equal(t, []string{ann}, w.values())
}

// TestRefusedWhileSent has a mail that a server refuses count like a bounce, once.
func TestRefusedWhileSent(t *testing.T) {
	w := newWorld(t, nil)
	refuse := func(status string, state queue.ResultState) {
		w.Desk.Observe(&monitor.Event{Kind: monitor.Failed,
			Message: &queue.Message{ID: id, Recipient: ann, Tags: []string{"news"}},
			Result: &queue.Result{State: state, Result: queue.Error, Code: 550, Status: status, MTA: "mx.x.example",
				Description: "no such user"}})
	}
	refuse("5.7.1", queue.StateRcptTo)
	refuse("5.1.1", queue.StateSuppression)
	refuse("5.1.1", queue.StateRcptTo)
	e := <-w.events
	require.Equal(t, "hard-bounce 5.1.1 no such user", e.Text)
	require.Equal(t, "the same was reported of this message before",
		w.one(w.path(id, ann, ""), bounce(ann, "5.1.1", "")).Why)
	all := w.Records(feedback.Query{})
	require.Len(t, all, 2)
	require.Equal(t, []string{ann}, w.values())
	w.do(func() { w.policy = feedback.Policy{} })
	refuse("5.1.1", queue.StateRcptTo)
	w.one("x@sender.example", bounce(ann, "5.1.1", ""))
	require.Len(t, w.Records(feedback.Query{}), 3, "without rules such mail is of no interest here")
}

// TestClass has the class of what a server said tell what is a hard bounce, whatever its status.
func TestClass(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.Class = func(r *queue.Result, mx string) queue.Class {
			switch {
			case r.Status == "5.0.0" && strings.Contains(r.Description, "no such user"):
				return queue.ClassAddressUnknown
			case r.Status == "5.2.1":
				return queue.ClassMailboxDisabled
			}
			return queue.ClassPolicy
		}
	})
	for status, want := range map[string]feedback.Kind{"5.0.0": feedback.HardBounce, "5.2.1": feedback.HardBounce,
		"5.1.1": feedback.SoftBounce} {
		require.Equal(t, want, w.one(w.path("1-"+status, ann, ""), bounce(ann, status, "")).Kind, status)
	}
}

// TestQuery picks records.
func TestQuery(t *testing.T) {
	w := newWorld(t, nil)
	w.one(w.path(id, ann, "news"), bounce(ann, "5.1.1", ""))
	w.do(func() { w.now = noon.Add(time.Hour); w.policy.Rules = nil })
	w.one(w.path("1-x", "bob@x.example", ""), bounce("bob@x.example", "5.2.2", ""))
	w.do(func() { w.now = noon.Add(2 * time.Hour) })
	w.one("x@sender.example", bounce("carl@x.example", "5.1.1", ""))
	yes, no := true, false
	for i, c := range []struct {
		q    feedback.Query
		want []string
	}{
		{feedback.Query{}, []string{"carl@x.example", "bob@x.example", ann}},
		{feedback.Query{Limit: 2}, []string{"carl@x.example", "bob@x.example"}},
		{feedback.Query{Before: noon.Add(2 * time.Hour)}, []string{"bob@x.example", ann}},
		{feedback.Query{Kind: feedback.SoftBounce}, []string{"bob@x.example"}},
		{feedback.Query{Recipient: "ANN@"}, []string{ann}},
		{feedback.Query{MessageID: "1-x"}, []string{"bob@x.example"}},
		{feedback.Query{Tag: "news"}, nil},
		{feedback.Query{Acted: &yes}, []string{ann}},
		{feedback.Query{Acted: &no, Unproven: &no}, []string{"bob@x.example"}},
		{feedback.Query{Unproven: &yes}, []string{"carl@x.example"}},
	} {
		var got []string
		for _, r := range w.Records(c.q) {
			got = append(got, r.Recipient)
		}
		require.Equal(t, c.want, got, i)
	}
	w.Forged()
	counts := w.Counts(noon.Add(2 * time.Hour))
	require.EqualValues(t, 1, counts.Forged)
	require.EqualValues(t, 1, counts.Unproven)
	require.Empty(t, counts.Kinds[feedback.HardBounce], "that was an hour before")
}

// TestReportsOfAllKinds compares what becomes of each report in the testdata of package report with a file.
func TestReportsOfAllKinds(t *testing.T) {
	w := newWorld(t, nil)
	names, err := filepath.Glob("../checks/report/testdata/*.eml")
	require.NoError(t, err)
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		mail, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, r := range w.report("postmaster@sender.example", string(mail)) {
			fmt.Fprintln(&b,
				strings.Join(strings.Fields(fmt.Sprint(strings.TrimSuffix(filepath.Base(name), ".eml"), " ", r.Kind, " ",
					r.Recipient, " ", r.Status, " ", r.Domain, " ", counted(r))), " "))
			require.Empty(t, r.Proof, name)
			require.Empty(t, r.Suppressed, name)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("testdata/records.txt", []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/records.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "run: go test ./feedback -run AllKinds -update")
}

func counted(r feedback.Record) string {
	if r.Messages == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", r.Failed, r.Messages)
}

// BenchmarkReport is one report from the queue to the next.
func BenchmarkReport(b *testing.B) {
	mail, err := os.ReadFile("../checks/report/testdata/dsn-postfix.eml")
	require.NoError(b, err)
	q := memory.New()
	defer q.Close()
	d := &feedback.Desk{Queue: q, Incoming: "feedback", Reports: "reports", Paths: new(verp.Paths), Dir: b.TempDir(),
		Logger: slog.New(slog.DiscardHandler)}
	d.Paths.SetKeys([]verp.Key{{ID: 1, Secret: []byte("sixteen bytes or more")}})
	tpl, _ := verp.ParseTemplate("bounces.sender.example")
	to, _, _ := d.Paths.Make(&tpl, verp.Mail{ID: id, Recipient: "anna@postfix.example"}, time.Now())
	require.NoError(b, d.Open())
	ctx, stop := context.WithCancel(context.Background())
	done, ended := make(chan struct{}, 1000), make(chan struct{}, 2)
	go func() { _ = d.Run(ctx); ended <- struct{}{} }()
	go func() {
		_ = q.Consume(ctx, "reports", queue.ConsumeOptions{},
			func(m *queue.Delivery) { _ = m.Settle(ctx); done <- struct{}{} })
		ended <- struct{}{}
	}()
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, q.Publish(ctx, queue.Item{Queue: "feedback",
			Message: &queue.Message{ID: "r", Recipient: to, Body: queue.Bytes(mail)}}))
		<-done
	}
	stop()
	<-ended
	<-ended
	require.NoError(b, d.Close())
}
