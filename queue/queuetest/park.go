package queuetest

import (
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var parking = []rule{
	{name: "park", run: park, needs: hasParker,
		text: "a parked message is set aside under its key: it is not out, takes no room of Prefetch, comes to no consumer, and blocks nothing"},
	{name: "unpark", run: unpark, needs: hasParker,
		text: "Unpark lets up to n messages of its key come again, unchanged, and says how many"},
	{name: "unpark keeps order", run: unparkOrder, needs: hasParker, skip: unordered,
		text: "what was parked first comes first, and before what waits unparked"},
	{name: "unpark by priority", run: unparkPriorities, needs: hasParker, skip: noPriority,
		text: "of what is parked under a key that of a higher Priority comes back first, and, unless the engine is Shared, nothing that is unparked goes before what waits with a higher one"},
	{name: "park finishes a delivery", run: parkFinishes, needs: hasParker,
		text: "Park counts as settling: afterwards the delivery can neither be settled, released nor parked (ErrSettled), and before that it can be parked only once"},
	{name: "unparked is as any other", run: unparkedAsAny, needs: hasParker,
		text: "an unparked message can be released, parked again, and settled"},
	{name: "keys and queues are apart", run: keysApart, needs: hasParker,
		text: "Unpark and Parked look at the key and the queue that they are given"},
	{name: "unpark without a consumer", run: unparkUnconsumed, needs: hasParker,
		text: "what is unparked while nobody consumes waits for the next consumer"},
}

func park(e *exam) {
	e.publish("outbox", mails("m", 4)...)
	r := e.consume("outbox", 2)
	for _, d := range r.take(2) {
		e.park(d, "example.com")
	}
	rest := r.take(2)
	require.NotEqual(e, rest[0].Message.ID, rest[1].Message.ID)
	r.none("it is parked, or out")
	e.parked("outbox", map[string]int{"example.com": 2})
	r.stop()
	e.consume("outbox", 0).none("it is parked, or out")
}

func unparkPriorities(e *exam) {
	list := mails("m", 6)
	for i, p := range []int{0, 5, 0, 2, 5, 0} {
		list[i].Priority = p
	}
	e.publish("outbox", list...)
	r := e.consume("outbox", 0)
	for _, d := range r.take(6) {
		e.park(d, "example.com")
	}
	r.stop()
	e.unpark("outbox", "example.com", 3, 3)
	want := []int{5, 5, 2}
	if !e.opts.Shared { // from a broker it comes a moment later
		late := mails("late", 1)
		late[0].Priority = 4
		e.publish("outbox", late...)
		want = []int{5, 5, 4, 2}
	}
	r = e.consume("outbox", 1)
	var got []int
	for range want {
		d := r.take(1)[0]
		got = append(got, d.Message.Priority)
		e.settle(d)
	}
	require.Equal(e, want, got)
	e.parked("outbox", map[string]int{"example.com": 3})
	e.unpark("outbox", "example.com", 3, 3)
	for _, d := range r.take(1) {
		require.Zero(e, d.Message.Priority)
		e.settle(d)
	}
}

func unpark(e *exam) {
	want := Full()
	e.publish("outbox", want)
	e.publish("outbox", mails("m", 4)...)
	r := e.consume("outbox", 0)
	for _, d := range r.take(5) {
		d.Message.Recipient = "changed@example.net"
		d.Message.Results = append(d.Message.Results, queue.Result{Code: 421})
		e.park(d, "tag:spring")
	}
	e.unpark("outbox", "tag:spring", 2, 2)
	out := r.take(2)
	r.none("it is still parked")
	e.parked("outbox", map[string]int{"tag:spring": 3})
	e.unpark("outbox", "tag:spring", 100, 3)
	out = append(out, r.take(3)...)
	e.parked("outbox", map[string]int{})
	e.unpark("outbox", "tag:spring", 100, 0)
	require.ElementsMatch(e, append(names(mails("m", 4)), want.ID), ids(out))
	for _, d := range out {
		if d.Message.ID == want.ID {
			e.same(want, d.Message)
		}
		e.settle(d)
	}
	r.none("everything was settled")
}

func unparkOrder(e *exam) {
	e.publish("outbox", mails("m", 5)...)
	r := e.consume("outbox", 1)
	for range 3 {
		e.park(r.next(), "example.com")
	}
	out := r.next()
	require.Equal(e, "m-03", out.Message.ID)
	e.unpark("outbox", "example.com", 2, 2)
	e.unpark("outbox", "example.com", 2, 1)
	var got []string
	for range 4 {
		e.settle(out)
		out = r.next()
		got = append(got, out.Message.ID)
	}
	require.Contains(e, [][]string{
		{"m-00", "m-01", "m-02", "m-04"}, // later calls of Unpark queue up behind earlier ones
		{"m-02", "m-00", "m-01", "m-04"}, // or go ahead of what they find waiting
	}, got)
}

func parkFinishes(e *exam) {
	e.publish("outbox", mails("m", 2)...)
	r := e.consume("outbox", 0)
	out := r.take(2)
	e.park(out[0], "k")
	require.ErrorIs(e, out[0].Settle(e.ctx()), queue.ErrSettled, "Settle after Park")
	require.ErrorIs(e, out[0].Release(e.ctx()), queue.ErrSettled, "Release after Park")
	require.ErrorIs(e, e.parker.Park(e.ctx(), out[0], "k"), queue.ErrSettled, "second Park")
	e.settle(out[1])
	require.ErrorIs(e, e.parker.Park(e.ctx(), out[1], "k"), queue.ErrSettled, "Park after Settle")
	e.parked("outbox", map[string]int{"k": 1})
}

func unparkedAsAny(e *exam) {
	e.publish("outbox", mail("m", "a@example.com"))
	r := e.consume("outbox", 0)
	for range 2 {
		e.park(r.next(), "k")
		e.unpark("outbox", "k", 1, 1)
		e.release(r.next())
	}
	d := r.next()
	e.parked("outbox", map[string]int{})
	e.settle(d, queue.Item{Queue: "results", Message: d.Message})
	r.none("it was settled")
	require.Equal(e, "m", e.consume("results", 0).next().Message.ID)
}

func keysApart(e *exam) {
	e.publish("a", mails("a", 2)...)
	e.publish("b", mails("b", 1)...)
	a, b := e.consume("a", 0), e.consume("b", 0)
	out := a.take(2)
	e.park(out[0], "x")
	e.park(out[1], "Äpfel und Birnen/*.#")
	e.park(b.next(), "x")
	e.parked("a", map[string]int{"x": 1, "Äpfel und Birnen/*.#": 1})
	e.parked("b", map[string]int{"x": 1})
	e.parked("c", map[string]int{})
	e.unpark("c", "x", 5, 0)
	e.unpark("a", "z", 5, 0)
	e.unpark("a", "x", 5, 1)
	require.Equal(e, out[0].Message.ID, a.next().Message.ID)
	b.none("its queue was not named")
	e.unpark("a", "Äpfel und Birnen/*.#", 5, 1)
	require.Equal(e, out[1].Message.ID, a.next().Message.ID)
}

func unparkUnconsumed(e *exam) {
	e.publish("outbox", mails("m", 2)...)
	r := e.consume("outbox", 0)
	for _, d := range r.take(2) {
		e.park(d, "k")
	}
	r.stop()
	e.unpark("outbox", "k", 2, 2)
	require.ElementsMatch(e, []string{"m-00", "m-01"}, ids(e.consume("outbox", 0).take(2)))
}
