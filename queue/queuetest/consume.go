package queuetest

import (
	"context"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var consuming = []rule{
	{name: "prefetch", run: prefetch,
		text: "no more than Prefetch deliveries of a consumer are out at a time, and each that is finished makes room for another"},
	{name: "prefetch of zero", run: prefetchZero,
		text: "a Prefetch of zero means 1000"},
	{name: "handle is called serially", run: serial,
		text: "a consumer's handle is called once at a time"},
	{name: "consumer ends", run: consumerEnds,
		text: "Consume returns nil when its context ends, and calls handle no more"},
	{name: "deliveries outlive their consumer", run: outliveConsumer,
		text: "what was handed out stays settleable, and may be released, after Consume returned"},
	{name: "ended context", run: endedContext,
		text: "Consume with a context that has ended returns nil and hands out nothing that is lost"},
	{name: "consumers share", run: consumersShare,
		text: "several consumers of one queue share its messages: each message goes to one of them"},
	{name: "consumer changes its message", run: consumerOwnsMessage,
		text: "a delivered message is the consumer's own and may be changed; what is released comes again as it was stored"},
}

func prefetch(e *exam) {
	e.publish("outbox", mails("m", 10)...)
	r := e.consume("outbox", 3)
	out := r.take(3)
	r.none("three are out and Prefetch is 3")
	e.settle(out[1])
	out[1] = r.next()
	r.none("three are out and Prefetch is 3")
	e.release(out[0])
	out[0] = r.next()
	r.none("three are out and Prefetch is 3")
}

func prefetchZero(e *exam) {
	for range 21 {
		e.publish("outbox", mails("m", 48)...)
	}
	r := e.consume("outbox", 0)
	out := r.take(queue.DefaultPrefetch)
	r.none("1000 are out")
	for _, d := range out {
		e.settle(d)
	}
	r.take(21*48 - queue.DefaultPrefetch)
}

func serial(e *exam) {
	var running, overlaps atomic.Int32
	done := make(chan struct{}, 200)
	ctx, cancel := context.WithCancel(e.ctx())
	ended := make(chan error, 1)
	q := e.q
	go func() {
		ended <- q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
			if running.Add(1) > 1 {
				overlaps.Add(1)
			}
			go func() {
				_ = d.Settle(context.WithoutCancel(ctx))
				done <- struct{}{}
			}()
			running.Add(-1)
		})
	}()
	for range 4 {
		e.publish("outbox", mails("m", 50)...)
	}
	for range 200 {
		<-done
	}
	cancel()
	require.NoError(e, <-ended)
	require.Zero(e, overlaps.Load(), "calls of handle that began before another one had ended")
}

func consumerEnds(e *exam) {
	r := e.consume("outbox", 0)
	e.publish("outbox", mail("before", "a@example.com"))
	r.next()
	r.stop()
	e.publish("outbox", mail("after", "a@example.com"))
	r.none("its consumer has ended")
	require.Equal(e, "after", e.consume("outbox", 0).next().Message.ID)
}

func outliveConsumer(e *exam) {
	want := mails("m", 3)
	e.publish("outbox", want...)
	r := e.consume("outbox", 0)
	out := r.take(3)
	r.stop()
	for i, d := range out {
		require.Equal(e, e.content(want[indexOf(want, d.Message.ID)].Body), e.content(d.Message.Body),
			"mail %d after its consumer ended", i)
	}
	e.settle(out[0])
	e.settle(out[1], queue.Item{Queue: "results", Message: out[1].Message})
	last := out[2].Message.ID
	e.release(out[2])
	again := e.consume("outbox", 0)
	require.Equal(e, last, again.next().Message.ID)
	again.none("all others were settled")
	require.Equal(e, out[1].Message.ID, e.consume("results", 0).next().Message.ID)
}

func indexOf(list []*queue.Message, id string) int {
	for i, m := range list {
		if m.ID == id {
			return i
		}
	}
	return -1
}

func endedContext(e *exam) {
	e.publish("outbox", mail("m", "a@example.com"))
	ctx, cancel := context.WithCancel(e.ctx())
	cancel()
	var out []*queue.Delivery
	require.NoError(e, e.q.Consume(ctx, "outbox", queue.ConsumeOptions{},
		func(d *queue.Delivery) { out = append(out, d) }))
	for _, d := range out {
		e.release(d)
	}
	require.Equal(e, "m", e.consume("outbox", 0).next().Message.ID)
}

func consumersShare(e *exam) {
	a, b := e.consume("outbox", 1), e.consume("outbox", 1)
	e.publish("outbox", mails("m", 2)...)
	// Each has room for one, so that each must get one.
	x, y := a.next(), b.next()
	require.ElementsMatch(e, []string{"m-00", "m-01"}, []string{x.Message.ID, y.Message.ID})
	a.none("both are out")
	b.none("both are out")
	// What one leaves behind goes to the other.
	a.stop()
	e.release(x)
	e.settle(y)
	require.Equal(e, x.Message.ID, b.next().Message.ID)
}

func consumerOwnsMessage(e *exam) {
	want := Full()
	e.publish("outbox", want)
	r := e.consume("outbox", 0)
	d := r.next()
	d.Message.Recipient, d.Message.Tags[0], d.Message.Body = "other@example.net", "changed", nil
	d.Message.Results = append(d.Message.Results, queue.Result{Code: 250})
	d.Message.Extra["campaign"][0] = 'x'
	delete(d.Message.Extra, "serial")
	e.release(d)
	e.same(want, r.next().Message)
}
