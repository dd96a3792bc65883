package settling_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/queue"
)

// driver is a queue that writes down what it was asked for, and answers as it is told.
type driver struct {
	queue.Queue
	// answer is called, outside of any lock, with what was asked for, and how often for this message before.
	answer func(ctx context.Context, asked string, times int) error

	mu    sync.Mutex
	log   []string
	times map[string]int
}

// do notes a call like "settle one: results, outbox", and answers it.
func (d *driver) do(ctx context.Context, verb string, of *queue.Delivery, names ...string) error {
	asked := verb + " " + of.Message.ID
	d.mu.Lock()
	times := d.times[asked]
	d.times[asked]++
	d.mu.Unlock()
	if d.answer != nil {
		if err := d.answer(ctx, asked, times); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		asked += ": " + strings.Join(names, ", ")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, asked)
	return nil
}

// said returns what was done.
func (d *driver) said() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.log)
}

// asked returns how often something was asked for.
func (d *driver) asked(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.times[what]
}

func (d *driver) Settle(ctx context.Context, of *queue.Delivery, successors []queue.Item) error {
	var names []string
	for _, item := range successors {
		name := item.Queue
		if item.Message.Body != nil {
			name += " with its mail"
		}
		if item.Given {
			name += " as it is"
			also := func(o queue.Item) bool { return o.Queue != item.Queue && o.Message == item.Message }
			if slices.ContainsFunc(successors, also) {
				name += ", although others have it"
			}
		}
		names = append(names, name)
	}
	return d.do(ctx, "settle", of, names...)
}

func (d *driver) Release(ctx context.Context, of *queue.Delivery) error {
	return d.do(ctx, "release", of)
}

// parking is a driver that can park.
type parking struct {
	*driver
	queue.Parker
}

func (p parking) Park(ctx context.Context, of *queue.Delivery, key string) error {
	return of.Finish(func() error { return p.do(ctx, "park", of, key) })
}

// world is a settler with a queue, and what it said.
type world struct {
	*settling.Settler
	queue    *driver
	breakOff context.CancelFunc
	left     []string // memory, in order
	said     strings.Builder
}

// inBubble runs a test in synthetic time.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{queue: &driver{times: map[string]int{}}}
		broken, cancel := context.WithCancel(context.Background())
		w.breakOff = cancel
		w.Settler = &settling.Settler{Queue: parking{driver: w.queue}, Logger: slog.New(slog.NewTextHandler(&w.said, nil)),
			Names: settling.Names{Outbox: "outbox", Results: "results", Success: "success", Failure: "failure", Retry: "retry"},
			Ended: func(x *settling.Ending) {
				w.queue.mu.Lock()
				defer w.queue.mu.Unlock()
				w.left = append(w.left, x.Message.ID)
			}}
		w.Start(broken)
		test(t, w)
		w.Stop()
		cancel()
		require.Zero(t, w.Backlog())
	})
}

// ended returns which messages left memory, in order.
func (w *world) ended() []string {
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	return slices.Clone(w.left)
}

// ending is a message that leaves memory.
func (w *world) ending(id string) *settling.Ending {
	m := &queue.Message{ID: id, Body: queue.Bytes("Subject: x\r\n\r\nx\r\n")}
	d := queue.NewDelivery(w.queue)
	d.Message = m
	return &settling.Ending{Delivery: d, Message: m}
}

func TestHowMessagesLeaveMemory(t *testing.T) {
	name := func(s string) *string { return &s }
	for _, test := range []struct {
		name string
		do   func(w *world, x *settling.Ending)
		want string
	}{
		{"delivered", func(w *world, x *settling.Ending) { w.Finish(x, settling.Success) }, "settle one: results, success"},
		{"failed", func(w *world, x *settling.Ending) { w.Finish(x, settling.Failure) }, "settle one: results, failure"},
		{"failed, with its mail", func(w *world, x *settling.Ending) {
			x.Message.KeepMIME = true
			w.Finish(x, settling.Failure)
		}, "settle one: results with its mail, failure with its mail"},
		{"queues of its own", func(w *world, x *settling.Ending) {
			x.Message.Queues = &queue.Queues{Results: name(""), Success: name("mine")}
			w.Finish(x, settling.Success)
		}, "settle one: mine"},
		{"nobody wants to know", func(w *world, x *settling.Ending) {
			x.Message.Queues = &queue.Queues{Results: name(""), Failure: name("")}
			w.Finish(x, settling.Failure)
		}, "settle one"},
		{"tried again", func(w *world, x *settling.Ending) { w.Retry(x, x.Message) },
			"settle one: outbox with its mail, retry"},
		{"delivered, and hooks are told", func(w *world, x *settling.Ending) {
			w.Names.Hook, x.Message.KeepMIME = "hook", true
			x.Message.Queues = &queue.Queues{Results: name("")}
			w.Finish(x, settling.Success)
		}, "settle one: success with its mail, hook as it is"},
		{"only hooks are told", func(w *world, x *settling.Ending) {
			w.Names = settling.Names{Hook: "hook"}
			w.Finish(x, settling.Failure)
		}, "settle one: hook as it is"},
		{"tried again, and hooks are not told", func(w *world, x *settling.Ending) {
			w.Names.Hook = "hook"
			w.Retry(x, x.Message)
		}, "settle one: outbox with its mail, retry"},
		{"tried again, and hooks are told", func(w *world, x *settling.Ending) {
			w.Names = settling.Names{Outbox: "outbox", Hook: "hook", HookRetries: true}
			w.Retry(x, x.Message)
		}, "settle one: outbox with its mail, hook as it is"},
		{"given back", func(w *world, x *settling.Ending) { w.Release(x) }, "release one"},
		{"parked", func(w *world, x *settling.Ending) { w.Park(x, "tag:a", "because") }, "park one: tag:a"},
		{"parked where that cannot be", func(w *world, x *settling.Ending) {
			w.Settler.Queue = w.queue
			w.Park(x, "tag:a", "because")
		}, "settle one: outbox with its mail"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				test.do(w, w.ending("one"))
				synctest.Wait()
				require.Equal(t, []string{test.want}, w.queue.said())
				require.Equal(t, []string{"one"}, w.ended())
			})
		})
	}
}

// A queue that cannot do it now is asked again, less and less often, and told of once; others are not held up.
func TestQueueThatIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var asked []time.Duration
		begun := time.Now()
		w.queue.answer = func(_ context.Context, what string, times int) error {
			if what == "settle other" || times == 8 {
				return nil
			}
			asked = append(asked, time.Since(begun))
			return queue.ErrUnavailable
		}
		w.Finish(w.ending("one"), settling.Success)
		synctest.Wait()
		w.Finish(w.ending("other"), settling.Success)
		synctest.Wait()
		require.Equal(t, []string{"other"}, w.ended())
		require.Equal(t, 1, w.Backlog(), "it is still in memory")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"other", "one"}, w.ended())
		ms := time.Millisecond
		require.Equal(t, []time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3100 * ms, 6300 * ms, 12700 * ms}, asked)
		require.Equal(t, 1, strings.Count(w.said.String(), "settling a message failed"))
		require.Equal(t, 1, strings.Count(w.said.String(), "works again"))
	})
}

// Once the queue has done one job, what failed before waits for a second at most, however long the queue was away; what
// fails for a reason of its own is not asked for more often than that.
func TestQueueThatIsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var back atomic.Bool
		w.queue.answer = func(_ context.Context, what string, _ int) error {
			if !back.Load() || what == "settle broken" {
				return queue.ErrUnavailable
			}
			return nil
		}
		w.Finish(w.ending("broken"), settling.Success)
		for i := range 100 { // so that they are due at different times
			w.Finish(w.ending(fmt.Sprint(i)), settling.Success)
			time.Sleep(time.Second)
		}
		back.Store(true)
		for len(w.ended()) == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, w.ended(), 100)
		before := w.queue.asked("settle broken")
		for i := range 1000 {
			w.Finish(w.ending(fmt.Sprint("more", i)), settling.Success)
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, w.queue.asked("settle broken"), before+10)
		w.breakOff()
	})
}

// What the queue will not take is not tried again: it leaves memory, and stays in the queue.
func TestMessageThatStaysInTheQueue(t *testing.T) {
	for _, err := range []error{queue.ErrClosed, queue.ErrSettled} {
		t.Run(err.Error(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.queue.answer = func(context.Context, string, int) error { return err }
				w.Release(w.ending("one"))
				w.Release(w.ending("two"))
				time.Sleep(time.Minute)
				synctest.Wait()
				require.ElementsMatch(t, []string{"one", "two"}, w.ended())
				require.Equal(t, 1, strings.Count(w.said.String(), "stays in the queue"), "the rest is counted at the end")
			})
		})
	}
}

func TestMessageIsSettledOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := w.ending("one")
		again := &settling.Ending{Delivery: x.Delivery, Message: x.Message}
		w.Finish(x, settling.Success)
		synctest.Wait()
		w.Release(again)
		synctest.Wait()
		require.Equal(t, []string{"settle one: results, success"}, w.queue.said(), "the queue hears of it once")
		require.Equal(t, []string{"one", "one"}, w.ended(), "and nobody waits for the second")
		require.Contains(t, w.said.String(), "stays in the queue")
	})
}

// With a queue that answers one at a time, messages leave in the order in which they were handed over.
func TestOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ids := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
		for _, id := range ids {
			w.Release(w.ending(id))
			synctest.Wait()
		}
		require.Equal(t, ids, w.ended())
	})
}

// A queue that takes its time is asked about many messages at once, but not about any number.
func TestManyAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		now, most := 0, 0
		w.queue.answer = func(context.Context, string, int) error {
			w.queue.mu.Lock()
			now++
			most = max(most, now)
			w.queue.mu.Unlock()
			time.Sleep(time.Second)
			w.queue.mu.Lock()
			now--
			w.queue.mu.Unlock()
			return nil
		}
		for range 1000 {
			w.Release(w.ending("one"))
		}
		synctest.Wait()
		require.Equal(t, 1000, w.Backlog())
		time.Sleep(17 * time.Second)
		synctest.Wait()
		require.Zero(t, w.Backlog())
		require.Equal(t, 64, most)
	})
}

// Calls come before messages, and neither waits for the other for long.
func TestCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		called := make(chan bool)
		w.queue.answer = func(context.Context, string, int) error {
			<-called // by the call, which another goroutine has
			return nil
		}
		w.Release(w.ending("one"))
		w.Call(func() { called <- true })
		synctest.Wait()
		require.Equal(t, []string{"one"}, w.ended())
	})
}

// What is done is settled at the end, even by a queue that is away just then; Stop waits for it.
func TestStopWaitsForTheQueue(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		begun := time.Now()
		w.queue.answer = func(context.Context, string, int) error {
			if time.Since(begun) < time.Minute {
				return queue.ErrUnavailable
			}
			return nil
		}
		w.Finish(w.ending("one"), settling.Success)
		w.Stop()
		require.Equal(t, []string{"settle one: results, success"}, w.queue.said())
		require.GreaterOrEqual(t, time.Since(begun), time.Minute)
	})
}

// When everything breaks off, what failed is tried once more, and a queue that answers nothing has a moment.
func TestStopThatBreaksOff(t *testing.T) {
	t.Run("away", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.queue.answer = func(context.Context, string, int) error { return queue.ErrUnavailable }
			w.Finish(w.ending("one"), settling.Success)
			time.Sleep(time.Hour)
			synctest.Wait()
			tries := w.queue.asked("settle one")
			w.breakOff()
			begun := time.Now()
			w.Stop()
			require.Zero(t, time.Since(begun), "at once")
			require.Equal(t, tries+1, w.queue.asked("settle one"))
			require.Equal(t, []string{"one"}, w.ended())
			require.Contains(t, w.said.String(), "stays in the queue")
		})
	})
	t.Run("silent", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.queue.answer = func(ctx context.Context, _ string, _ int) error {
				<-ctx.Done()
				return ctx.Err()
			}
			w.Finish(w.ending("one"), settling.Success)
			w.Finish(w.ending("two"), settling.Success)
			synctest.Wait()
			w.breakOff()
			begun := time.Now()
			w.Stop()
			require.Equal(t, 5*time.Second, time.Since(begun))
			require.ElementsMatch(t, []string{"one", "two"}, w.ended())
			require.Contains(t, w.said.String(), "messages could not be settled and stay in the queue")
		})
	})
}

// What the queue will never take as it is, is changed so that it does.
func TestSuccessorsThatCannotBeStored(t *testing.T) {
	own := "mine"
	refused := func(until int) func(context.Context, string, int) error {
		return func(_ context.Context, _ string, times int) error {
			if times < until {
				return errors.Join(queue.ErrRefused, errors.New("no such queue"))
			}
			return nil
		}
	}
	tooLarge := func(_ context.Context, _ string, times int) error {
		if times == 0 {
			return queue.ErrTooLarge
		}
		return nil
	}
	for _, test := range []struct {
		name   string
		answer func(context.Context, string, int) error
		do     func(w *world, x *settling.Ending)
		want   string
	}{
		{"a result that is too large", tooLarge, func(w *world, x *settling.Ending) {
			x.Message.KeepMIME = true
			w.Finish(x, settling.Success)
		}, "settle one: results, success"},
		{"a retry that is too large", tooLarge, func(w *world, x *settling.Ending) { w.Retry(x, x.Message) },
			"settle one: results, failure"},
		{"a queue of its own that is not there for a while", refused(5), func(w *world, x *settling.Ending) {
			x.Message.Queues = &queue.Queues{Success: &own}
			w.Finish(x, settling.Success)
		}, "settle one: results, mine"},
		{"a queue of its own that is not there at all", refused(13), func(w *world, x *settling.Ending) {
			x.Message.Queues = &queue.Queues{Success: &own}
			w.Finish(x, settling.Success)
		}, "settle one: results, success"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.queue.answer = test.answer
				test.do(w, w.ending("one"))
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.Equal(t, []string{test.want}, w.queue.said())
			})
		})
	}
}
