package queuetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var closing = []rule{
	{name: "close", run: closeEnds,
		text: "Close ends Consume with ErrClosed, every method returns ErrClosed from then on, and a second Close returns nil"},
	{name: "close with deliveries out", run: closeWithDeliveries,
		text: "deliveries that are out when the queue closes cannot be settled any more: ErrClosed"},
	{name: "close while busy", run: closeWhileBusy,
		text: "Close may be called while others publish and consume: each of their calls succeeds, or returns an error"},
}

func closeEnds(e *exam) {
	r := e.consume("outbox", 0)
	e.publish("outbox", mail("m", "a@example.com"))
	e.settle(r.next())
	r.none("everything was settled")
	require.NoError(e, e.q.Close(), "Close")
	r.finish()
	require.ErrorIs(e, r.err, queue.ErrClosed, "Consume when the queue was closed")
	require.ErrorIs(e, e.q.Publish(e.ctx(), items("outbox", mail("late", "a@example.com"))...), queue.ErrClosed,
		"Publish after Close")
	again := e.consume("outbox", 0)
	again.finish()
	require.ErrorIs(e, again.err, queue.ErrClosed, "Consume after Close")
	if e.inspector != nil {
		_, err := e.inspector.Queues(e.ctx())
		require.ErrorIs(e, err, queue.ErrClosed, "Queues after Close")
		_, _, err = e.inspector.List(e.ctx(), queue.Filter{}, "", 0)
		require.ErrorIs(e, err, queue.ErrClosed, "List after Close")
	}
	if e.parker != nil {
		_, err := e.parker.Unpark(e.ctx(), "outbox", "k", 1)
		require.ErrorIs(e, err, queue.ErrClosed, "Unpark after Close")
	}
	require.NoError(e, e.q.Close(), "second Close")
}

func closeWithDeliveries(e *exam) {
	e.publish("outbox", mails("m", 3)...)
	out := e.consume("outbox", 0).take(3)
	require.NoError(e, e.q.Close(), "Close")
	require.ErrorIs(e, out[0].Settle(e.ctx()), queue.ErrClosed, "Settle after Close")
	require.ErrorIs(e, out[1].Release(e.ctx()), queue.ErrClosed, "Release after Close")
	if e.parker != nil {
		require.ErrorIs(e, e.parker.Park(e.ctx(), out[2], "k"), queue.ErrClosed, "Park after Close")
	}
}

func closeWhileBusy(e *exam) {
	ended := make(chan error, 3)
	q := e.q
	for range 2 {
		go func() {
			for {
				if err := q.Publish(e.ctx(), items("outbox", mails("m", 3)...)...); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	r := e.consume("outbox", 10)
	go func() {
		for {
			select {
			case d := <-r.ch:
				if err := d.Settle(e.ctx()); err != nil {
					ended <- err
					return
				}
			case <-r.ended:
				ended <- r.err
				return
			}
		}
	}()
	<-time.After(e.opts.Quiet)
	require.NoError(e, q.Close(), "Close")
	for range 3 {
		select {
		case err := <-ended:
			require.ErrorIs(e, err, queue.ErrClosed)
		case <-time.After(e.opts.Patience):
			require.Fail(e, "somebody still waits after Close")
		}
	}
}
