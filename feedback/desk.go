package feedback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// Desk deals with reports. Queue must be set; fields must not change once Open was called. Its methods are
// safe for concurrent use.
type Desk struct {
	Queue    queue.Queue
	Incoming string // queue in which reports wait; "": there is none, and only mail that is refused counts
	Reports  string // queue that they go to with what was found; "": they are done with

	// Fetch returns the mail of a message that came with a key instead. Nil: there is no message store.
	Fetch func(ctx context.Context, key string) (queue.Body, error)
	// Paths reads signed return paths. Nil: there are none.
	Paths *verp.Paths
	// Find finds messages in the send log, the newest first. Nil: there is none.
	Find func(ctx context.Context, what LookUp) ([]Sent, error)
	// Class says why a mail was refused; mx is the host that did, "" when that is not known. Nil: the enhanced status code
	// alone tells what is a hard bounce.
	Class func(r *queue.Result, mx string) queue.Class
	// Policy returns what reports lead to now; it must not block. Nil: nothing.
	Policy func() *Policy
	// Suppress has recipients get no more mail. An error means that none were suppressed for now: it is called again.
	// Nil: nobody is suppressed.
	Suppress func(ctx context.Context, all []Suppression) error

	// Dir keeps the journals. "": they are kept in memory only.
	Dir     string
	Monitor monitor.Monitor  // hears of each record; nil: nobody does
	Logger  *slog.Logger     // nil: slog.Default
	Now     func() time.Time // nil: time.Now

	// Records of reports that prove something, and of others: forged ones, and repetitions, displace each other alone.
	proved, others journal
	counts         counter
	tally, heard   *tally    // Run's alone: of kinds that act, and of others
	last           time.Time // Run's alone: of a record
	searches       allowance // Run's alone
	refusals       chan Record
}

// Limits of the journals.
const (
	provedInMemory = 20_000
	provedOnDisk   = 16 << 20 // bytes of a file, of which there are two
	othersInMemory = 2_000
	othersOnDisk   = 2 << 20
	maxSearches    = 30 // of the log in a minute, for reports that prove nothing
)

// batch is how many reports are dealt with at once, at most: their suppressions are one change.
const batch = 200

// Open reads the journals. It must be called first, and Close last.
func (d *Desk) Open() error {
	d.proved = journal{size: provedOnDisk, most: provedInMemory, log: d.log()}
	d.others = journal{size: othersOnDisk, most: othersInMemory, log: d.log()}
	if d.Dir != "" {
		d.proved.path = filepath.Join(d.Dir, "feedback.jsonl")
		d.others.path = filepath.Join(d.Dir, "feedback-unproven.jsonl")
	}
	d.tally, d.heard, d.searches.most = newTally(), newTally(), maxSearches
	d.refusals = make(chan Record, batch)
	for _, j := range []*journal{&d.proved, &d.others} {
		if err := j.open(d.remember); err != nil {
			return fmt.Errorf("reports of earlier runs: %w", err)
		}
	}
	return nil
}

// remember takes up what an earlier run counted.
func (d *Desk) remember(r *Record) {
	d.counts.record(r)
	if r.Proof != "" && r.Recipient != "" {
		d.count(r)
	}
}

// count notes the mail that a record is about; false: the same was noted of it before.
func (d *Desk) count(r *Record) bool {
	if r.Kind.Acts() {
		return d.tally.count(r)
	}
	return d.heard.count(r)
}

// Close ends what Open began.
func (d *Desk) Close() error { return errors.Join(d.proved.close(), d.others.close()) }

// Run deals with reports until ctx ends, and returns nil then; or the error of a queue that was closed.
func (d *Desk) Run(ctx context.Context) error {
	waiting := make(chan *queue.Delivery, batch)
	var working sync.WaitGroup
	working.Go(func() { d.work(ctx, waiting) })
	err := d.consume(ctx, waiting)
	close(waiting)
	working.Wait()
	return err
}

// consume reads the queue; one that is unavailable is asked again.
func (d *Desk) consume(ctx context.Context, to chan<- *queue.Delivery) error {
	const again = 5 * time.Second
	if d.Incoming == "" {
		<-ctx.Done()
		return nil
	}
	said := ""
	for {
		err := d.Queue.Consume(ctx, d.Incoming, queue.ConsumeOptions{Prefetch: batch},
			func(m *queue.Delivery) { to <- m }) // as many fit as can be out
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, queue.ErrClosed):
			return err
		case fmt.Sprint(err) != said:
			said = fmt.Sprint(err)
			d.log().Warn("reading the queue of reports failed; trying again", "queue", d.Incoming, "error", err)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil
		}
	}
}

// work deals with all that waits, a batch at a time.
func (d *Desk) work(ctx context.Context, waiting <-chan *queue.Delivery) {
	for {
		var all []*queue.Delivery
		var records []Record
		select {
		case m, ok := <-waiting:
			if !ok {
				return
			}
			all = append(all, m)
		case r := <-d.refusals:
			records = append(records, r)
		}
		for more := true; more && len(all)+len(records) < batch; {
			select {
			case m, ok := <-waiting:
				if more = ok; ok {
					all = append(all, m)
				}
			case r := <-d.refusals:
				records = append(records, r)
			default:
				more = false
			}
		}
		d.deal(ctx, all, records)
	}
}

// dealt is a report with its records.
type dealt struct {
	m     *queue.Delivery
	found []Record
	new   bool
}

// deal deals with a batch: reports, and mails that were refused. When ctx ends it gives back what is not done.
func (d *Desk) deal(ctx context.Context, reports []*queue.Delivery, records []Record) {
	all := make([]dealt, len(reports))
	var suppressions []Suppression
	suppress := func(r *Record) {
		if s := d.act(r); s != nil {
			suppressions = append(suppressions, *s)
		}
	}
	for i := range records {
		records[i].Time = d.stamp()
		suppress(&records[i])
	}
	for i, m := range reports {
		all[i] = dealt{m: m}
		if ctx.Err() == nil {
			all[i].found, all[i].new = d.examine(ctx, m)
		}
		if all[i].new {
			for k := range all[i].found {
				suppress(&all[i].found[k])
			}
		}
	}
	if !d.suppress(ctx, suppressions) {
		for i := range all {
			_ = all[i].m.Release(context.WithoutCancel(ctx))
		}
		return
	}
	for i := range all {
		if all[i].new {
			records = append(records, all[i].found...)
		}
	}
	d.note(records)
	for i := range all {
		d.settle(ctx, &all[i])
	}
}

// examine reads a report and joins it; isNew is false for one that was dealt with before a crash.
func (d *Desk) examine(ctx context.Context, m *queue.Delivery) (found []Record, isNew bool) {
	now := d.now()
	if m.Message == nil {
		return nil, false
	}
	id := m.Message.ID
	if m.Redelivered {
		if known := append(d.proved.of(id), d.others.of(id)...); len(known) > 0 {
			return known, false
		}
	}
	found = d.read(ctx, m.Message, now)
	for i := range found {
		found[i].ID = fmt.Sprintf("%s/%d", id, i)
		found[i].Time = d.stamp()
	}
	return found, true
}

// stamp returns the time of another record: no two have the same, so that lists can go on from one.
func (d *Desk) stamp() time.Time {
	at := d.now().UTC().Truncate(time.Microsecond)
	if !at.After(d.last) {
		at = d.last.Add(time.Microsecond)
	}
	d.last = at
	return at
}

// read reads and joins a report.
func (d *Desk) read(ctx context.Context, m *queue.Message, now time.Time) []Record {
	body, err := d.body(ctx, m)
	if err != nil {
		return []Record{unread(err)}
	}
	var c clues
	found := []Record{{Kind: Reply}}
	r, err := report.Parse(body, body.Size())
	if err != nil {
		found[0] = unread(err)
	} else {
		found, c = d.classify(r)
	}
	if asksToStop(m.Recipient) {
		found = []Record{{Kind: Unsubscribe}}
		c.add(m.Envelope)
		if header, err := mailbody.Header(body, maxHeader); err == nil {
			c.add(fromAddress(header))
		}
	}
	if len(found) == 0 || found[0].Kind == DMARC || found[0].Kind == TLS {
		return found
	}
	found = d.join(ctx, m.Recipient, &c, found, now)
	d.prove(m, body, found)
	return found
}

// asksToStop reports whether an address is for those who want no more mail (RFC 2369 §3.2).
func asksToStop(address string) bool {
	return len(address) > len(unsubscribeLocal) && strings.EqualFold(address[:len(unsubscribeLocal)], unsubscribeLocal)
}

const unsubscribeLocal = "unsubscribe"

// maxHeader is how much of a report's header is read.
const maxHeader = 256 << 10

// prove looks whether complaints come from a listed sender.
func (d *Desk) prove(m *queue.Message, body queue.Body, found []Record) {
	for i := range found {
		r := &found[i]
		if r.Proof != "" || r.Why != "" || r.Kind.rule() == "" {
			continue
		}
		if r.Kind == HardBounce {
			r.Why = "it came to no signed return path"
			continue
		}
		header, err := mailbody.Header(body, maxHeader)
		if err != nil {
			continue
		}
		if r.Proof, r.Why = aligned(header, m.Checks, d.policy().listed); r.Proof != "" && r.Recipient == "" {
			r.Proof, r.Why = "", "it does not tell whose complaint it is"
		}
	}
}

// body returns the mail of a message.
func (d *Desk) body(ctx context.Context, m *queue.Message) (queue.Body, error) {
	switch {
	case m.Body != nil:
		return m.Body, nil
	case m.Key != "" && d.Fetch != nil:
		return d.Fetch(ctx, m.Key)
	}
	return nil, errors.New("the message has no mail")
}

// act applies the policy to a record.
func (d *Desk) act(r *Record) *Suppression {
	if r.Proof == "" || r.Recipient == "" {
		return nil
	}
	if r.again = !d.count(r); r.again {
		r.Why = "the same was reported of this message before"
		return nil
	}
	s := d.policy().judge(d.tally, r)
	if s == nil || d.Suppress == nil {
		return nil
	}
	r.Suppressed = s.Value
	return s
}

// suppress has recipients suppressed, however long the settings database is away; false: ctx ended before that.
func (d *Desk) suppress(ctx context.Context, all []Suppression) bool {
	const again = 2 * time.Second
	for said := false; len(all) > 0; {
		err := d.Suppress(ctx, all)
		if err == nil {
			return true
		}
		if !said {
			said = true
			d.log().Warn("recipients cannot be suppressed now; trying again", "recipients", len(all), "error", err)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// note writes records down, counts them, and tells the monitor.
func (d *Desk) note(records []Record) {
	var proved, others []Record
	for i := range records {
		r := &records[i]
		if r.Proof != "" && !r.again {
			proved = append(proved, *r)
		} else {
			others = append(others, *r)
		}
		d.counts.record(r)
		if d.Monitor != nil {
			d.Monitor.Observe(&monitor.Event{Kind: monitor.Reported, Time: r.Time, Domain: queue.DomainOf(r.Recipient),
				Tags: r.Tags, Code: r.Code, Text: r.text(), Message: &queue.Message{ID: r.MessageID, Recipient: r.Recipient,
					Tags: r.Tags}})
		}
	}
	d.proved.add(proved)
	d.others.add(others)
}

// text tells of a record in a line.
func (r *Record) text() string {
	return strings.TrimSpace(string(r.Kind) + " " + r.Status + " " + r.Diagnostic)
}

// property is the property of messages in the queue of reports that has their records.
const property = "feedback"

// settle has a report go on.
func (d *Desk) settle(ctx context.Context, r *dealt) {
	ctx = context.WithoutCancel(ctx) // what is written down must not come again if that can be helped
	var next []queue.Item
	if m := r.m.Message; m != nil && d.Reports != "" {
		if found, err := json.Marshal(r.found); err == nil && len(r.found) > 0 {
			if m.Extra = maps.Clone(m.Extra); m.Extra == nil {
				m.Extra = map[string]json.RawMessage{}
			}
			m.Extra[property] = found
		}
		next = append(next, queue.Item{Queue: d.Reports, Message: m})
	}
	if err := r.m.Settle(ctx, next...); err != nil {
		d.log().Warn("a report may come again", "error", err)
		_ = r.m.Release(ctx)
	}
}

// Forged counts a mail that was refused since it is for a return path that was not made here.
func (d *Desk) Forged() { d.counts.forged(d.now()) }

// Records returns records that match, the newest first.
func (d *Desk) Records(q Query) []Record {
	var all []Record
	for _, j := range []*journal{&d.proved, &d.others} {
		n := 0
		j.newest(&q, func(r *Record) bool {
			all, n = append(all, *r), n+1
			return n < q.limit()
		})
	}
	slices.SortStableFunc(all, func(a, b Record) int { return b.Time.Compare(a.Time) })
	return all[:min(len(all), q.limit())]
}

// Counts returns how many reports there were since a time, a month ago at most, in whole hours.
func (d *Desk) Counts(since time.Time) Counts { return d.counts.since(since) }

func (d *Desk) policy() *Policy {
	if d.Policy != nil {
		if p := d.Policy(); p != nil {
			return p
		}
	}
	return &Policy{}
}

func (d *Desk) log() *slog.Logger {
	if d.Logger == nil {
		return slog.Default()
	}
	return d.Logger
}

func (d *Desk) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}
