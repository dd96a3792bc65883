package queuetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var inspecting = []rule{
	{name: "counters", run: counters, needs: hasInspector,
		text: "Queues counts every message in its state, exactly, and its bytes"},
	{name: "counters of parked mail", run: countersParked, needs: parkerAndList,
		text: "Queues counts what is parked as Parked"},
	{name: "list", run: list, needs: hasInspector,
		text: "List gives an entry of each message, oldest first, with what is known about it"},
	{name: "list in pages", run: listPages, needs: hasInspector,
		text: "List gives up to limit entries, and a cursor with which the next call continues behind them, until it is empty"},
	{name: "pages while mail flows", run: pagesUnderChange, needs: hasInspector,
		text: "a cursor stays usable when messages come and go: what was there all the time is listed once"},
	{name: "filters", run: filters, needs: hasInspector,
		text: "every field of a Filter that is set must match; the zero Filter matches everything"},
	{name: "ages", run: ages, needs: hasInspector, skip: shared, bubble: true,
		text: "OlderThan and NewerThan are strict: what is just that old is neither older nor newer"},
	{name: "states in lists", run: listStates, needs: hasInspector,
		text: "entries tell the state, and when a delayed message is due; filters select by it"},
	{name: "peek", run: peek, needs: hasInspector,
		text: "Peek returns a message in full and takes nothing; ErrNotFound when there is none with that id"},
	{name: "move", run: move, needs: hasInspector,
		text: "Move brings what matches, and is not out, into another queue unchanged, and says how many"},
	{name: "purge", run: purge, needs: hasInspector,
		text: "Purge removes what matches, and is not out, and says how many"},
	{name: "hidden queues", run: hidden, needs: hasInspector, skip: shared,
		text: "what is in a queue whose name begins with a dot is neither counted, listed nor purged unless the Filter names it"},
	{name: "international domains", run: internationalDomains, needs: hasInspector,
		text: "a domain is selected by either of its forms, whichever the recipient has"},
	{name: "retry now", run: retryNow, needs: hasInspector,
		text: "RetryNow makes delayed messages that match due at once"},
	{name: "retry parked now", run: retryParkedNow, needs: parkerAndList,
		text: "RetryNow makes parked messages that match due at once"},
}

// stats waits until the counters of a queue are as wanted; those of a queue that is gone are zero.
func (e *exam) stats(want queue.Stats) {
	e.Helper()
	var got queue.Stats
	e.eventually(func() bool {
		all, err := e.inspector.Queues(e.ctx())
		require.NoError(e, err, "Queues")
		got = queue.Stats{Queue: want.Queue}
		for i, s := range all {
			require.False(e, i > 0 && all[i-1].Queue >= s.Queue, "Queues are sorted by name, each once")
			if s.Queue == want.Queue {
				got = s
			}
		}
		return got == want
	}, func() string { return fmt.Sprintf("counters should come to be %+v, are %+v", want, got) })
}

// find lists everything that matches and demands these ids, in order.
func (e *exam) find(why string, f queue.Filter, want ...string) []queue.Entry {
	e.Helper()
	var found []queue.Entry
	got := []string{}
	e.eventually(func() bool {
		var next string
		var err error
		found, next, err = e.inspector.List(e.ctx(), f, "", 0)
		require.NoError(e, err, "List")
		got = got[:0]
		for _, entry := range found {
			got = append(got, entry.ID)
		}
		return next == "" && strings.Join(got, " ") == strings.Join(want, " ")
	}, func() string { return fmt.Sprintf("%s: List should come to give %v, gives %v", why, want, got) })
	return found
}

func counters(e *exam) {
	list := mails("m", 5)
	for _, m := range list {
		m.Body = queue.Bytes(noise(1, 1000))
	}
	list[4].NextAttempt = time.Now().Add(time.Hour).UTC()
	e.publish("outbox", list...)
	e.stats(queue.Stats{Queue: "outbox", Ready: 4, Delayed: 1, Bytes: 5000})
	r := e.consume("outbox", 2)
	out := r.take(2)
	e.stats(queue.Stats{Queue: "outbox", Ready: 2, Delayed: 1, Out: 2, Bytes: 5000})
	r.stop()
	e.release(out[0])
	e.stats(queue.Stats{Queue: "outbox", Ready: 3, Delayed: 1, Out: 1, Bytes: 5000})
	result := *out[1].Message
	result.Body = queue.Bytes("12345")
	e.settle(out[1], queue.Item{Queue: "results", Message: &result})
	e.stats(queue.Stats{Queue: "outbox", Ready: 3, Delayed: 1, Bytes: 4000})
	e.stats(queue.Stats{Queue: "results", Ready: 1, Bytes: 5})
	r = e.consume("outbox", 0)
	for _, d := range r.take(3) {
		e.settle(d)
	}
	e.stats(queue.Stats{Queue: "outbox", Delayed: 1, Bytes: 1000})
}

func countersParked(e *exam) {
	e.publish("outbox", mails("m", 3)...)
	r := e.consume("outbox", 0)
	for _, d := range r.take(3) {
		d.Message.Body = nil
		e.park(d, "k")
	}
	size := mails("m", 1)[0].Body.Size()
	e.stats(queue.Stats{Queue: "outbox", Parked: 3, Bytes: 3 * size})
	for _, entry := range e.find("parked", queue.Filter{State: queue.Parked}, "m-00", "m-01", "m-02") {
		require.Equal(e, "k", entry.Parked, "Parked of an entry")
	}
	e.unpark("outbox", "k", 1, 1)
	d := r.next()
	e.stats(queue.Stats{Queue: "outbox", Parked: 2, Out: 1, Bytes: 3 * size})
	e.settle(d)
	e.stats(queue.Stats{Queue: "outbox", Parked: 2, Bytes: 2 * size})
}

func list(e *exam) {
	before := time.Now().Add(-time.Second)
	a := mail("a", "Jo@Example.com")
	a.Tags = []string{"spring", "news"}
	e.publish("outbox", a)
	b := mail("b", "x@example.net")
	b.Results = Full().Results
	b.Envelope = ""
	e.publish("results", b)
	found := e.find("everything", queue.Filter{}, "a", "b")
	for i := range found {
		require.False(e, found[i].Stored.Before(before) || found[i].Stored.After(time.Now().Add(time.Second)),
			"Stored is when the message was published: %v", found[i].Stored)
		found[i].Stored, found[i].Due = time.Time{}, time.Time{}
	}
	require.Equal(e, queue.Entry{ID: "a", Queue: "outbox", State: queue.Ready, Envelope: "sender@example.org",
		Recipient: "Jo@Example.com",
		Tags:      []string{"spring", "news"}, Size: a.Body.Size()}, found[0])
	require.Equal(e, queue.Entry{ID: "b", Queue: "results", State: queue.Ready, Recipient: "x@example.net",
		Size: b.Body.Size(), Attempts: len(b.Results)}, found[1])
}

// pages lists in pages and returns the ids.
func (e *exam) pages(f queue.Filter, limit int, between func(page int)) []string {
	e.Helper()
	var got []string
	cursor := ""
	for page := 0; ; page++ {
		entries, next, err := e.inspector.List(e.ctx(), f, cursor, limit)
		require.NoError(e, err, "List")
		require.LessOrEqual(e, len(entries), limit, "entries of one page")
		for _, entry := range entries {
			got = append(got, entry.ID)
		}
		if next == "" {
			return got
		}
		require.NotEqual(e, cursor, next, "the cursor moves on")
		cursor = next
		between(page)
	}
}

func listPages(e *exam) {
	want := mails("m", 23)
	e.publish("outbox", want[:15]...)
	e.publish("results", want[15:]...)
	e.find("everything", queue.Filter{}, names(want)...)
	nothing := func(int) {}
	require.Equal(e, names(want), e.pages(queue.Filter{}, 5, nothing))
	require.Equal(e, names(want), e.pages(queue.Filter{}, 23, nothing))
	require.Equal(e, names(want[15:]), e.pages(queue.Filter{Queue: "results"}, 3, nothing))
	many := make([]*queue.Message, 101)
	for i := range many {
		many[i] = mail(fmt.Sprintf("m-%03d", i), "a@example.com")
	}
	e.publish("many", many...)
	e.eventually(func() bool {
		entries, next, err := e.inspector.List(e.ctx(), queue.Filter{Queue: "many"}, "", 0)
		return err == nil && len(entries) == 100 && next != ""
	}, func() string { return "a limit of zero means 100" })
}

func pagesUnderChange(e *exam) {
	e.publish("outbox", mails("m", 20)...)
	e.find("everything", queue.Filter{}, names(mails("m", 20))...)
	seen := make(map[string]int)
	for _, id := range e.pages(queue.Filter{}, 4, func(page int) {
		if page == 1 {
			_, err := e.inspector.Purge(e.ctx(), queue.Filter{ID: "m-07"})
			require.NoError(e, err)
			_, err = e.inspector.Purge(e.ctx(), queue.Filter{ID: "m-12"})
			require.NoError(e, err)
			e.publish("outbox", mails("new", 3)...)
		}
	}) {
		seen[id]++
	}
	for _, id := range names(mails("m", 20)) {
		if id != "m-12" {
			require.Equal(e, 1, seen[id], "how often %s was listed", id)
		}
	}
}

func filters(e *exam) {
	a, b, c := mail("id-a", "Jo@Example.COM"), mail("id-b", "jo@example.net"), mail("id-c", "al@sub.example.com")
	a.Tags, b.Tags = []string{"news", "Spring"}, []string{"newsletter"}
	c.Envelope = "Bounce@Example.org"
	e.publish("outbox", a, b)
	e.publish("inbox", c)
	for _, tc := range []struct {
		name string
		f    queue.Filter
		want []string
	}{
		{"everything", queue.Filter{}, []string{"id-a", "id-b", "id-c"}},
		{"queue", queue.Filter{Queue: "outbox"}, []string{"id-a", "id-b"}},
		{"queue that does not exist", queue.Filter{Queue: "out"}, nil},
		{"id", queue.Filter{ID: "id-b"}, []string{"id-b"}},
		{"id is exact", queue.Filter{ID: "ID-B"}, nil},
		{"domain in any case, without subdomains", queue.Filter{Domain: "eXample.com"}, []string{"id-a"}},
		{"envelope in any case", queue.Filter{Envelope: "bounce@example.ORG"}, []string{"id-c"}},
		{"recipient in any case", queue.Filter{Recipient: "JO@example.com"}, []string{"id-a"}},
		{"recipient is exact", queue.Filter{Recipient: "jo@example"}, nil},
		{"tag is exact", queue.Filter{Tag: "news"}, []string{"id-a"}},
		{"text in a recipient", queue.Filter{Text: "AL@SUB"}, []string{"id-c"}},
		{"text in an envelope", queue.Filter{Text: "bounce"}, []string{"id-c"}},
		{"text in an id", queue.Filter{Text: "D-B"}, []string{"id-b"}},
		{"text in a tag", queue.Filter{Text: "sprin"}, []string{"id-a"}},
		{"text elsewhere", queue.Filter{Text: "hello"}, nil},
		{"young enough", queue.Filter{NewerThan: time.Hour}, []string{"id-a", "id-b", "id-c"}},
		{"too young", queue.Filter{OlderThan: time.Hour}, nil},
		{"old enough", queue.Filter{OlderThan: time.Nanosecond}, []string{"id-a", "id-b", "id-c"}},
		{"several", queue.Filter{Queue: "outbox", Text: "jo", Tag: "newsletter"}, []string{"id-b"}},
		{"several, none", queue.Filter{Queue: "inbox", Tag: "newsletter"}, nil},
	} {
		e.find(tc.name, tc.f, tc.want...)
	}
}

// ages runs while the clock stands still.
func ages(e *exam) {
	e.publish("outbox", mail("m", "a@example.com"))
	stored := e.find("all", queue.Filter{}, "m")[0].Stored
	time.Sleep(time.Hour - time.Since(stored))
	e.find("just so old is not older", queue.Filter{OlderThan: time.Hour})
	e.find("older", queue.Filter{OlderThan: time.Hour - 1}, "m")
	e.find("just so old is not newer", queue.Filter{NewerThan: time.Hour})
	e.find("newer", queue.Filter{NewerThan: time.Hour + 1}, "m")
	n, err := e.inspector.Purge(e.ctx(), queue.Filter{OlderThan: time.Hour})
	require.NoError(e, err, "Purge")
	require.Zero(e, n, "Purge selects as List does")
}

func listStates(e *exam) {
	late := mail("late", "a@example.com")
	late.NextAttempt = time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	e.publish("outbox", mail("out", "a@example.com"), late)
	e.consume("outbox", 1).next()
	e.publish("outbox", mail("ready", "a@example.com"))
	e.find("any", queue.Filter{}, "out", "late", "ready")
	require.Equal(e, queue.Out, e.find("out", queue.Filter{State: queue.Out}, "out")[0].State)
	require.Equal(e, queue.Ready, e.find("ready", queue.Filter{State: queue.Ready}, "ready")[0].State)
	entry := e.find("delayed", queue.Filter{State: queue.Delayed}, "late")[0]
	require.Equal(e, queue.Delayed, entry.State)
	require.WithinDuration(e, late.NextAttempt, entry.Due, time.Second, "Due of a delayed message")
}

func peek(e *exam) {
	e.publish("outbox", Full())
	e.find("everything", queue.Filter{}, Full().ID)
	for range 2 {
		m, err := e.inspector.Peek(e.ctx(), Full().ID)
		require.NoError(e, err, "Peek")
		e.same(Full(), m)
		m.Recipient, m.Tags[0] = "changed@example.net", "changed"
	}
	d := e.consume("outbox", 0).next()
	e.same(Full(), d.Message)
	e.settle(d)
	for _, id := range []string{Full().ID, "nobody", ""} {
		_, err := e.inspector.Peek(e.ctx(), id)
		require.ErrorIs(e, err, queue.ErrNotFound, "Peek of %q", id)
	}
}

func move(e *exam) {
	e.publish("outbox", Full())
	r := e.consume("outbox", 1)
	out := r.next()
	late := mail("late", "late@example.com")
	late.NextAttempt = soon()
	e.publish("outbox", append(mails("m", 3), late)...)
	e.find("everything", queue.Filter{}, Full().ID, "m-00", "m-01", "m-02", "late")
	n, err := e.inspector.Move(e.ctx(), queue.Filter{Queue: "outbox"}, "aside")
	require.NoError(e, err, "Move")
	require.Equal(e, 4, n, "messages moved: all but the one that is out")
	aside := e.consume("aside", 0)
	for _, d := range aside.take(3) {
		want := mails("m", 3)
		e.same(want[indexOf(want, d.Message.ID)], withReceived(d.Message, want))
		e.settle(d)
	}
	e.same(late, aside.next().Message)
	require.False(e, time.Now().Before(late.NextAttempt), "a delayed message stays delayed when it is moved")
	e.settle(out)
	r.none("everything was moved or settled")
	_, err = e.inspector.Move(e.ctx(), queue.Filter{}, "")
	require.Error(e, err, "Move to a queue without a name")
}

// withReceived gives m the time of the message that it is compared with, as that was made a moment later.
func withReceived(m *queue.Message, like []*queue.Message) *queue.Message {
	copied := *m
	copied.Received = like[0].Received
	return &copied
}

func purge(e *exam) {
	e.publish("outbox", mail("out", "a@example.com"))
	r := e.consume("outbox", 1)
	out := r.next()
	b := mail("b", "x@example.net")
	b.NextAttempt = time.Now().Add(time.Hour).UTC()
	e.publish("outbox", mail("a", "x@example.net"), b, mail("c", "x@example.com"))
	e.find("everything", queue.Filter{}, "out", "a", "b", "c")
	n, err := e.inspector.Purge(e.ctx(), queue.Filter{Domain: "example.net"})
	require.NoError(e, err, "Purge")
	require.Equal(e, 2, n, "messages purged")
	e.find("what is left", queue.Filter{}, "out", "c")
	n, err = e.inspector.Purge(e.ctx(), queue.Filter{})
	require.NoError(e, err, "Purge")
	require.Equal(e, 1, n, "messages purged: all but the one that is out")
	e.release(out)
	require.Equal(e, "out", r.next().Message.ID)
	e.stats(queue.Stats{Queue: "outbox", Out: 1, Bytes: out.Message.Body.Size()})
}

func internationalDomains(e *exam) {
	e.publish("outbox", mail("u", "u@Bücher.example"), mail("a", "u@xn--bcher-kva.example"),
		mail("other", "u@bucher.example"))
	for _, domain := range []string{"bücher.example", "BÜCHER.example", "xn--bcher-kva.example"} {
		e.find(domain, queue.Filter{Domain: domain}, "u", "a")
	}
	n, err := e.inspector.Move(e.ctx(), queue.Filter{Domain: "xn--bcher-kva.example"}, "aside")
	require.NoError(e, err, "Move")
	require.Equal(e, 2, n, "messages moved")
	n, err = e.inspector.Purge(e.ctx(), queue.Filter{Domain: "bücher.example"})
	require.NoError(e, err, "Purge")
	require.Equal(e, 2, n, "messages purged")
	e.find("what is left", queue.Filter{}, "other")
}

func retryNow(e *exam) {
	list := mails("m", 3)
	for _, m := range list {
		m.NextAttempt = time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	}
	e.publish("outbox", list...)
	e.find("everything", queue.Filter{}, names(list)...)
	r := e.consume("outbox", 0)
	n, err := e.inspector.RetryNow(e.ctx(), queue.Filter{ID: "m-01"})
	require.NoError(e, err, "RetryNow")
	require.Equal(e, 1, n, "messages made due")
	e.same(list[1], r.next().Message)
	r.none("it is still delayed")
	n, err = e.inspector.RetryNow(e.ctx(), queue.Filter{})
	require.NoError(e, err, "RetryNow")
	require.Equal(e, 2, n, "messages made due: one is out already")
	require.ElementsMatch(e, []string{"m-00", "m-02"}, ids(r.take(2)))
}

func retryParkedNow(e *exam) {
	e.publish("outbox", mails("m", 2)...)
	r := e.consume("outbox", 0)
	for _, d := range r.take(2) {
		e.park(d, "k")
	}
	e.find("parked", queue.Filter{State: queue.Parked}, "m-00", "m-01")
	n, err := e.inspector.RetryNow(e.ctx(), queue.Filter{ID: "m-00"})
	require.NoError(e, err, "RetryNow")
	require.Equal(e, 1, n, "messages made due")
	require.Equal(e, "m-00", r.next().Message.ID)
	e.parked("outbox", map[string]int{"k": 1})
}

func hidden(e *exam) {
	e.publish("outbox", mail("a", "x@example.net"))
	e.publish(".marks", mail("b", "x@example.net"))
	e.find("everything", queue.Filter{}, "a")
	e.find("by id", queue.Filter{ID: "b"})
	e.find("by name", queue.Filter{Queue: ".marks"}, "b")
	n, err := e.inspector.Purge(e.ctx(), queue.Filter{})
	require.NoError(e, err, "Purge")
	require.Equal(e, 1, n, "messages purged")
	e.find("what is left", queue.Filter{Queue: ".marks"}, "b")
	all, err := e.inspector.Queues(e.ctx())
	require.NoError(e, err, "Queues")
	for _, s := range all {
		require.NotEqual(e, ".marks", s.Queue, "a hidden queue is counted")
	}
	n, err = e.inspector.Purge(e.ctx(), queue.Filter{Queue: ".marks"})
	require.NoError(e, err, "Purge")
	require.Equal(e, 1, n, "messages purged")
}
