package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// slow has every mail take d.
func slow(d time.Duration) func(context.Context, *conn, *delivery.Transaction) {
	return func(ctx context.Context, c *conn, tx *delivery.Transaction) {
		if c.sleep(ctx, tx, d) {
			c.accept(tx)
		}
	}
}

// oncePublished has a connection stand when all that was published waits for it: a moment later, in synthetic time.
func oncePublished(context.Context, *delivery.Hop, int) error {
	time.Sleep(time.Millisecond)
	return nil
}

func TestShutdownFinishesMailsInFlightAndReleasesTheRest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.sender.mail = slow(10 * time.Second)
		w.start()
		w.publishMany(5, "example.com")
		w.sleep(time.Second)
		begun := time.Now()
		w.shutDown()
		// The mail on its way, and the one that was begun behind it.
		require.Equal(t, 19*time.Second, time.Since(begun))
		require.Equal(t, 2, w.stats("success").Ready)
		require.Equal(t, 3, w.stats("outbox").Ready, "released")
		require.Zero(t, w.sender.alive.Load(), "connections left")
		l.closed(t)
		require.NoError(t, w.Shutdown(context.Background()), "once more")
		require.NoError(t, w.Close(), "after it")
	})
}

func TestShutdownEndsIdleConnectionsAtOnce(t *testing.T) {
	for _, idle := range []time.Duration{100 * time.Millisecond, 3 * time.Second} { // waiting, watching the remote
		inBubble(t, func(t *testing.T, w *world) {
			w.start()
			w.publish(mail("someone@example.com"))
			w.sleep(idle)
			begun := time.Now()
			w.shutDown()
			require.Zero(t, time.Since(begun))
		})
	}
}

func TestShutdownBreaksOffConnecting(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.open = func(ctx context.Context, _ *delivery.Hop, _ int) error {
			<-ctx.Done()
			return failure(queue.StateConnect, queue.Lost, 0)
		}
		w.start()
		w.publish(mail("someone@example.com"))
		w.sleep(time.Second)
		begun := time.Now()
		w.shutDown()
		require.Zero(t, time.Since(begun))
		require.Equal(t, 1, w.stats("outbox").Ready)
		require.Empty(t, w.one("outbox").Results, "no attempt is counted")
	})
}

func TestShutdownBreaksOffLookingUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Lookups = 1
		w.router.chill("a.test", "b.test")
		w.router.lookUp = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		w.start()
		w.publish(mail("someone@a.test"), mail("someone@b.test"))
		w.settled()
		w.shutDown()
		require.Equal(t, 2, w.stats("outbox").Ready)
		require.EqualValues(t, 1, w.router.asked.Load())
	})
}

func TestShutdownThatTakesTooLongBreaksOff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.sender.mail = slow(time.Hour)
		w.start()
		w.publishMany(3, "example.com")
		w.sleep(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		begun := time.Now()
		require.ErrorIs(t, w.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(begun))
		require.NoError(t, <-w.ended)
		w.ended <- nil
		require.Equal(t, 3, w.stats("outbox").Ready)
		for _, m := range w.take("outbox") {
			require.Empty(t, m.Results)
		}
		w.events.balance(t)
		l.closed(t)
	})
}

func TestCloseAndContextBreakOff(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"close":   func(w *world) { require.NoError(w.t, w.Close()) },
		"context": func(w *world) { w.cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.withLedger()
				w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
					c.sleep(ctx, tx, time.Hour)
					tx.Unsent = c.n%2 == 0 // the remote may have got all of it, but that is not known
				}
				w.router.chill("cold.test")
				w.router.lookUp = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
				w.start()
				w.publishMany(40, "example.com")
				w.publish(mail("someone@cold.test"))
				w.sleep(time.Second)
				begun := time.Now()
				end(w)
				require.NoError(t, <-w.ended)
				w.ended <- nil
				require.Zero(t, time.Since(begun))
				require.Equal(t, 41, w.stats("outbox").Ready)
				for _, m := range w.take("outbox") {
					require.Empty(t, m.Results, "no attempt is counted")
				}
				w.events.balance(t)
				l.closed(t)
			})
		})
	}
}

func TestEndBeforeRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.publish(mail("someone@example.com"))
		require.NoError(t, w.Shutdown(context.Background()))
		require.NoError(t, w.Run(context.Background()))
		require.Zero(t, w.sender.count())
	})
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Close())
		require.NoError(t, w.Run(context.Background()))
		require.ErrorIs(t, w.Run(context.Background()), delivery.ErrRunning)
	})
	inBubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(t, w.Run(ctx))
	})
}

func TestRunNeedsItsParts(t *testing.T) {
	require.Error(t, new(delivery.Engine).Run(context.Background()))
}

func TestClosedQueueEndsRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(3, "example.com")
		w.settled()
		require.NoError(t, w.queue.Close())
		require.ErrorIs(t, <-w.ended, queue.ErrClosed)
		w.ended <- nil
		w.events.balance(t)
	})
}

func TestUnavailableOutboxIsAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		tries := 0
		l.failWith(func(call, _ string) error {
			if call == "consume" {
				if tries++; tries < 4 {
					return queue.ErrUnavailable
				}
			}
			return nil
		})
		w.publish(mail("someone@example.com"))
		w.start()
		w.sleep(time.Minute)
		require.Equal(t, 4, tries)
		require.Equal(t, 1, w.sender.count())
		w.shutDown()
	})
}

func TestUnavailableQueueHoldsUpSettlingOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		l.failWith(func(call, _ string) error {
			if call == "settle" {
				return queue.ErrUnavailable
			}
			return nil
		})
		w.start()
		w.publishMany(500, "example.com")
		w.settled()
		require.Equal(t, 500, w.sender.count(), "connections do not wait for the queue")
		w.sleep(time.Hour)
		require.Equal(t, 500, w.sender.count())
		require.Equal(t, 500, w.stats("outbox").Out)
		l.failWith(nil)
		w.sleep(11 * time.Second)
		require.Equal(t, 500, w.stats("success").Ready)
		require.Equal(t, 500, w.sender.count(), "nothing was sent twice")
		w.shutDown()
		l.closed(t)
	})
}

func TestSettlementsThatFailHoldUpNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		l.failWith(func(call, recipient string) error {
			if call == "settle" && domainOf(recipient) == "poison.test" {
				return queue.ErrTooLarge
			}
			return nil
		})
		w.start()
		w.publishMany(200, "poison.test")
		w.settled()
		w.publishMany(200, "example.com")
		w.settled()
		require.Equal(t, 200, w.stats("success").Ready)
		l.failWith(nil)
		w.sleep(11 * time.Second)
		require.Equal(t, 400, w.stats("success").Ready)
		w.shutDown()
	})
}

func TestFailedSettlementsAreTriedInTheirOwnTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		left := map[string]int{"a@example.com": 4, "b@example.com": 1}
		l.failWith(func(call, recipient string) error {
			if call == "settle" && left[recipient] > 0 {
				left[recipient]--
				return queue.ErrUnavailable
			}
			return nil
		})
		w.start()
		w.publish(mail("a@example.com"))
		w.sleep(800 * time.Millisecond) // tried at 0, 100, 300 and 700 ms; next at 1500
		w.publish(mail("b@example.com"))
		w.sleep(200 * time.Millisecond)
		require.Equal(t, 1, w.stats("success").Ready)
		w.sleep(600 * time.Millisecond)
		require.Equal(t, 2, w.stats("success").Ready)
		w.shutDown()
	})
}

func TestEndWhileTheQueueIsUnavailable(t *testing.T) {
	for name, settle := range map[string]func(l *ledger){
		"errors": func(l *ledger) { l.failWith(func(string, string) error { return queue.ErrUnavailable }) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.withLedger()
				w.start()
				w.settled()
				settle(l)
				w.publishMany(100, "example.com")
				w.sleep(time.Minute)
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				begun := time.Now()
				require.ErrorIs(t, w.Shutdown(ctx), context.DeadlineExceeded)
				require.Equal(t, 20*time.Second, time.Since(begun))
				require.NoError(t, <-w.ended)
				w.ended <- nil
				w.events.balance(t)
				require.Equal(t, 100, w.stats("outbox").Out, "the messages stay in the queue")
			})
		})
	}
}

// hangingQueue has its deliveries wait for ever.
type hangingQueue struct{ *ledger }

func (h *hangingQueue) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	return h.ledger.Consume(ctx, name, opts, func(d *queue.Delivery) {
		hanging := queue.NewDelivery(hangingDriver{})
		hanging.Message = d.Message
		handle(hanging)
	})
}

type hangingDriver struct{}

func (hangingDriver) Settle(ctx context.Context, _ *queue.Delivery, _ []queue.Item) error {
	<-ctx.Done()
	return fmt.Errorf("%w: %w", queue.ErrUnknown, ctx.Err())
}
func (hangingDriver) Release(ctx context.Context, _ *queue.Delivery) error { return nil }

func TestEndWhileTheQueueHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.Queue = &hangingQueue{l}
		w.start()
		w.publishMany(200, "example.com")
		w.sleep(time.Minute)
		require.Equal(t, 200, w.sender.count())
		begun := time.Now()
		require.NoError(t, w.Close())
		require.Equal(t, 5*time.Second, time.Since(begun), "a while is left to a queue that may yet answer")
		require.NoError(t, <-w.ended)
		w.ended <- nil
		w.events.balance(t)
	})
}

// plain is a queue without add-ons.
type plain struct{ queue.Queue }

func TestQueueThatCannotPark(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Queue = plain{w.queue}
		w.PathQueue = 10
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(100, "example.com")
		w.sleep(10 * time.Minute)
		require.Equal(t, 100, w.stats("success").Ready)
		require.Positive(t, w.events.count(monitor.Parked))
		for _, m := range w.take("success") {
			require.Len(t, m.Results, 1, "waiting is no attempt")
		}
		w.shutDown()
	})
}

func TestShutdownAtEveryMoment(t *testing.T) {
	for step := range 60 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			l := w.withLedger()
			w.router.chill("b.test")
			w.router.lookUp = func(ctx context.Context, _ string) error { time.Sleep(3 * time.Millisecond); return nil }
			w.sender.open = func(context.Context, *delivery.Hop, int) error { time.Sleep(2 * time.Millisecond); return nil }
			w.sender.mail = slow(5 * time.Millisecond)
			w.publishMany(20, "a.test")
			w.publishMany(20, "b.test")
			w.start()
			w.sleep(time.Duration(step) * time.Millisecond)
			w.shutDown()
			w.cancel()
			l.closed(t)
			require.Equal(t, 40, w.stats("success").Ready+w.stats("outbox").Ready)
			require.NoError(t, w.queue.Close())
		})
	}
}
