package queuetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var settling = []rule{
	{name: "settle removes", run: settleRemoves,
		text: "a settled message is gone: neither this consumer nor a later one gets it again"},
	{name: "successors", run: successors,
		text: "Settle stores its successors, each in the queue that its item names, the message's own included"},
	{name: "delayed successor", run: delayedSuccessor,
		text: "a successor with a NextAttempt in the future is not handed out before"},
	{name: "invalid successor", run: invalidSuccessor,
		text: "after a Settle that failed the delivery is still out, none of its successors is stored, and Settle may be called again"},
	{name: "finished once", run: finishedOnce,
		text: "a delivery that was settled or released cannot be settled or released again: ErrSettled"},
	{name: "finished once, concurrently", run: finishedOnceConcurrently,
		text: "of several concurrent calls that finish one delivery exactly one succeeds"},
	{name: "release", run: release,
		text: "a released message is handed out again, unchanged, marked as Redelivered, with no attempt counted"},
	{name: "release goes to the front", run: releaseFirst, skip: unordered,
		text: "a released message goes before those of its kind that wait"},
	{name: "settle from another goroutine", run: settleElsewhere,
		text: "Settle may be called from any goroutine, for many deliveries at a time and in any order"},
}

func settleRemoves(e *exam) {
	e.publish("outbox", mails("m", 3)...)
	r := e.consume("outbox", 0)
	for range 3 {
		e.settle(r.next())
	}
	r.none("everything was settled")
	r.stop()
	e.consume("outbox", 0).none("everything was settled")
}

func successors(e *exam) {
	e.publish("outbox", Full())
	r := e.consume("outbox", 0)
	d := r.next()
	retry := *d.Message
	retry.Results = append(retry.Results[:len(retry.Results):len(retry.Results)],
		queue.Result{State: queue.StateData, Result: queue.Error, Code: 451, Description: "later"})
	result := retry
	result.Body = nil
	bounce := mail("bounce", retry.Envelope)
	e.settle(d, queue.Item{Queue: "outbox", Message: &retry}, queue.Item{Queue: "results", Message: &result},
		queue.Item{Queue: "dsn", Message: bounce})

	want := Full()
	want.Results = retry.Results
	again := r.next()
	e.same(want, again.Message)
	want.Body = nil
	e.same(want, e.consume("results", 0).next().Message)
	e.same(bounce, e.consume("dsn", 0).next().Message)
	e.settle(again)
	r.none("the message was settled twice over, its retry was the last")
}

func delayedSuccessor(e *exam) {
	e.publish("outbox", mail("m", "a@example.com"))
	r := e.consume("outbox", 0)
	d := r.next()
	retry := *d.Message
	retry.NextAttempt = soon()
	e.settle(d, queue.Item{Queue: "outbox", Message: &retry})
	again := r.next()
	require.False(e, time.Now().Before(retry.NextAttempt), "it came %v early", time.Until(retry.NextAttempt))
	e.same(&retry, again.Message)
}

func invalidSuccessor(e *exam) {
	e.publish("outbox", mail("m", "a@example.com"))
	r := e.consume("outbox", 0)
	d := r.next()
	good := queue.Item{Queue: "results", Message: mail("beside-invalid", "a@example.com")}
	require.Error(e, d.Settle(e.ctx(), good, queue.Item{Queue: "results"}), "Settle with a successor without a message")
	require.Error(e, d.Settle(e.ctx(), good, queue.Item{Message: good.Message}), "Settle with a successor for no queue")
	r.none("the message is still out")
	results := e.consume("results", 0)
	results.none("its Settle failed")
	require.NotEmpty(e, e.content(d.Message.Body), "the mail is readable while the delivery is out")
	e.settle(d, queue.Item{Queue: "results", Message: mail("good", "a@example.com")})
	require.Equal(e, "good", results.next().Message.ID)
}

func finishedOnce(e *exam) {
	e.publish("outbox", mails("m", 2)...)
	r := e.consume("outbox", 2)
	out := r.take(2)
	e.settle(out[0])
	require.ErrorIs(e, out[0].Settle(e.ctx()), queue.ErrSettled, "second Settle")
	require.ErrorIs(e, out[0].Release(e.ctx()), queue.ErrSettled, "Release after Settle")
	e.release(out[1])
	require.ErrorIs(e, out[1].Release(e.ctx()), queue.ErrSettled, "second Release")
	require.ErrorIs(e, out[1].Settle(e.ctx()), queue.ErrSettled, "Settle after Release")
	require.Equal(e, out[1].Message.ID, r.next().Message.ID, "it was released, so a later Settle must not have removed it")
}

func finishedOnceConcurrently(e *exam) {
	e.publish("outbox", mail("m", "a@example.com"))
	d := e.consume("outbox", 0).next()
	var wins atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			copied := *d.Message
			copied.ID = fmt.Sprint("successor-", i)
			if d.Settle(e.ctx(), queue.Item{Queue: "results", Message: &copied}) == nil {
				wins.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(e, 1, wins.Load(), "calls of Settle that succeeded")
	results := e.consume("results", 0)
	results.next()
	results.none("one Settle succeeded, so there is one successor")
}

func release(e *exam) {
	want := Full()
	e.publish("outbox", want)
	r := e.consume("outbox", 0)
	for range 3 {
		e.release(r.next())
	}
	d := r.next()
	e.same(want, d.Message)
	require.True(e, d.Redelivered, "Redelivered of a message that was released")
	e.settle(d)
	r.none("it was settled")
}

func releaseFirst(e *exam) {
	e.publish("outbox", mails("m", 4)...)
	r := e.consume("outbox", 1)
	d := r.next()
	require.Equal(e, "m-00", d.Message.ID)
	e.release(d)
	require.Equal(e, "m-00", r.next().Message.ID)
}

func settleElsewhere(e *exam) {
	const n = 200
	list := make([]*queue.Message, n)
	for i := range list {
		list[i] = mail(fmt.Sprintf("m-%03d", i), fmt.Sprintf("a@d%d.example.com", i%7))
	}
	e.publish("outbox", list...)
	r := e.consume("outbox", n)
	out := r.take(n)
	errs := make(chan error, n)
	for i := range out {
		d := out[(i*37)%n]
		go func() { errs <- d.Settle(e.ctx(), queue.Item{Queue: "results", Message: d.Message}) }()
	}
	for range n {
		require.NoError(e, <-errs)
	}
	require.ElementsMatch(e, names(list), ids(e.consume("results", n).take(n)))
	r.none("everything was settled")
}

// soon is a time in the near future that no engine need round.
func soon() time.Time {
	return time.Now().Add(1200 * time.Millisecond).Truncate(time.Second).Add(time.Second).UTC()
}
