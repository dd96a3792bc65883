package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// looked counts how often paths look at themselves: each time they ask for their limits.
type looked struct {
	pacer
	n atomic.Int64
}

func (l *looked) Limits(p throttle.Path) *throttle.Limits {
	l.n.Add(1)
	return l.pacer.Limits(p)
}

// An engine that reaches nothing does little: what it does in hours is counted, whatever that costs here. A message
// comes out of the queue for an attempt, and else no more often than the queue gives it back by itself.
func TestNothingIsReachable(t *testing.T) {
	const (
		messages, domains = 4000, 400
		span              = 3 * time.Hour
	)
	away := map[string]func(w *world){
		"connections time out": func(w *world) {
			w.sender.open = func(context.Context, *delivery.Hop, int) error {
				time.Sleep(30 * time.Second)
				return failure(queue.StateConnect, queue.Timeout, 0)
			}
		},
		"connections are refused": func(w *world) {
			w.sender.open = func(context.Context, *delivery.Hop,
				int) error {
				return failure(queue.StateConnect, queue.Error, 0)
			}
		},
		"look-ups time out": func(w *world) {
			w.router.lookUp = func(ctx context.Context, _ string) error {
				select {
				case <-time.After(30 * time.Second):
				case <-ctx.Done():
				}
				return errors.New("no answer")
			}
		},
		"look-ups fail": func(w *world) {
			w.router.lookUp = func(context.Context, string) error { return errors.New("refused") }
		},
	}
	for name, setUp := range away {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Names, w.Prefetch = delivery.QueueNames{}, 400
				looks := &looked{}
				w.Throttle = looks
				setUp(w)
				if w.router.lookUp != nil {
					for i := range domains {
						w.router.chill(fmt.Sprintf("d%d.test", i))
					}
				}
				for i := range messages {
					w.publish(mail(fmt.Sprintf("r%d@d%d.test", i, i%domains)))
				}
				w.start()
				w.sleep(span)
				attempts, picked := w.events.count(monitor.Attempted), w.events.count(monitor.Picked)
				t.Log(attempts, "attempts,", picked, "messages read,", w.router.asked.Load(), "look-ups,", looks.n.Load(),
					"looks at paths")
				require.LessOrEqual(t, picked, 2*attempts+messages*(2+int(span/queue.MaxParked)))
				require.LessOrEqual(t, int(w.router.asked.Load()), attempts)
				require.LessOrEqual(t, int(looks.n.Load()), 20*picked+domains*int(span/time.Second)/2)
				w.shutDown()
			})
		})
	}
}
