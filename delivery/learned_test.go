package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// takes has connections accept so many mails each, and answers those behind them 452; it counts these.
func (w *world) takes(most *atomic.Int64) (refused *atomic.Int64) {
	refused = new(atomic.Int64)
	w.PathConnections = 1
	w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
		if c.mails > int(most.Load()) {
			refused.Add(1)
			c.reply(tx, queue.StateMailFrom, 452, "4.5.3 too many messages on this connection")
			return
		}
		c.accept(tx)
	}
	return refused
}

func TestMailsOfAConnectionAreLearned(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var most atomic.Int64
		most.Store(3)
		refused := w.takes(&most)
		w.start()
		w.publishMany(30, "example.com")
		w.settled()
		require.Equal(t, 30, w.stats("success").Ready)
		require.EqualValues(t, 2, refused.Load(), "then it is known")
		require.EqualValues(t, 10, w.sender.opened.Load())
		mails, since := w.Learned("example.com")
		require.Equal(t, 3, mails)
		require.WithinDuration(t, time.Now(), since, time.Second)
		mails, _ = w.Learned("other.test")
		require.Zero(t, mails)

		w.sleep(25 * time.Hour)
		mails, _ = w.Learned("example.com")
		require.Zero(t, mails, "after a day it is forgotten")
		most.Store(100)
		w.publishMany(50, "example.com")
		w.settled()
		require.EqualValues(t, 11, w.sender.opened.Load(), "and more is tried")
		w.shutDown()
		for _, m := range w.take("success") {
			require.Len(t, m.Results, 1)
		}
	})
}

// What a remote announces is heeded from the first connection on.
func TestAnnouncedLimits(t *testing.T) {
	domains := []string{"a.test", "b.test", "c.test"}
	for _, said := range []delivery.Announced{{Mails: 2}, {Domains: 1}, {Domains: 2}, {Mails: 4, Domains: 2}, {}} {
		t.Run(fmt.Sprintf("%+v", said), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.PathConnections = 1
				w.sender.announced = said
				w.router.route("a.test", domains, "mx.test")
				over := map[int][]string{}
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					over[c.n] = append(over[c.n], tx.Message.Domain())
					c.accept(tx)
				}
				for _, d := range domains {
					w.publishMany(10, d)
				}
				w.start()
				w.settled()
				require.Equal(t, 30, w.stats("success").Ready)
				for _, list := range over {
					require.True(t, said.Mails == 0 || len(list) <= said.Mails, "%v", list)
					slices.Sort(list)
					require.True(t, said.Domains == 0 || len(slices.Compact(list)) <= said.Domains, "%v", list)
				}
				if said == (delivery.Announced{}) {
					require.Len(t, over, 1)
				}
				w.shutDown()
			})
		})
	}
}

func TestWhatTeachesNothing(t *testing.T) {
	tests := map[string]func(w *world){
		"connections that break together": func(w *world) {
			w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
				switch {
				case c.mails == 3 && c.n <= 4:
					c.sleep(ctx, tx, time.Minute)
					c.reply(tx, queue.StateMailFrom, 421, "the server goes down")
				case c.sleep(ctx, tx, time.Second):
					c.accept(tx)
				}
			}
		},
		"different numbers": func(w *world) {
			w.PathConnections = 1
			w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
				if c.mails > 1+c.n%5 {
					c.lose(tx, queue.StateMailFrom, queue.Lost, true)
					return
				}
				c.accept(tx)
			}
		},
		"a refused mail before": func(w *world) {
			w.PathConnections = 1
			w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
				switch {
				case c.mails == 3:
					c.lose(tx, queue.StateMailFrom, queue.Lost, true)
				case c.mails == 2:
					c.reply(tx, queue.StateRcptTo, 550, "no such user")
				default:
					c.accept(tx)
				}
			}
		},
	}
	for name, setUp := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				setUp(w)
				w.start()
				w.publishMany(60, "example.com")
				w.sleep(3 * time.Minute)
				require.Equal(t, 60, w.stats("success").Ready+w.stats("failure").Ready)
				mails, _ := w.Learned("example.com")
				require.Zero(t, mails)
				w.shutDown()
			})
		})
	}
	t.Run("it carries more after all", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.PathConnections = 2
			w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
				if c.n != 1 && c.mails == 2 {
					c.reply(tx, queue.StateMailFrom, 421, "bye")
				} else if c.sleep(ctx, tx, time.Second) {
					c.accept(tx)
				}
			}
			w.start()
			w.publishMany(40, "example.com")
			w.sleep(10 * time.Second)
			mails, _ := w.Learned("example.com")
			require.Equal(t, 1, mails)
			w.sleep(time.Minute)
			require.Equal(t, 40, w.stats("success").Ready)
			mails, _ = w.Learned("example.com")
			require.Zero(t, mails)
			w.shutDown()
		})
	})
}
