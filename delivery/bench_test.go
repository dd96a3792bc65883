package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// instant accepts every mail at once.
type instant struct{}

func (instant) Open(context.Context, *delivery.Hop) (delivery.Connection, error) {
	return instant{}, nil
}

func (instant) Deliver(_ context.Context, tx, _ *delivery.Transaction) {
	tx.Result = queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250}
}

func (instant) Usable() bool                  { return true }
func (instant) Idle(ctx context.Context) bool { <-ctx.Done(); return true }
func (instant) Close() error                  { return nil }

// supply hands out the same message n times, as a queue would that costs nothing.
type supply struct {
	queue.Queue
	n        int
	prefetch chan struct{}
	settled  atomic.Int64
	done     chan struct{}
	domains  []string
}

func (s *supply) Consume(ctx context.Context, _ string, opts queue.ConsumeOptions, handle func(*queue.Delivery)) error {
	s.prefetch = make(chan struct{}, opts.Prefetch)
	body := queue.Bytes("Subject: x\r\n\r\nx\r\n")
	for i := range s.n {
		s.prefetch <- struct{}{}
		d := queue.NewDelivery(s)
		d.Message = &queue.Message{Envelope: "a@b.test", Recipient: s.domains[i%len(s.domains)], Body: body}
		handle(d)
	}
	<-ctx.Done()
	return nil
}

func (s *supply) Settle(context.Context, *queue.Delivery, []queue.Item) error {
	<-s.prefetch
	if s.settled.Add(1) == int64(s.n) {
		close(s.done)
	}
	return nil
}

func (s *supply) Release(context.Context, *queue.Delivery) error { panic("released") }

// BenchmarkEngine measures what the engine itself costs for a message: the queue and the remote cost nothing.
func BenchmarkEngine(b *testing.B) {
	for _, domains := range []int{1, 100} {
		for name, watch := range map[string]monitor.Monitor{"": nil, ", watched": counter{}} {
			b.Run(fmt.Sprintf("%d domains%s", domains, name), func(b *testing.B) {
				s := &supply{n: b.N, done: make(chan struct{})}
				for i := range domains {
					s.domains = append(s.domains, fmt.Sprintf("someone@d%d.test", i))
				}
				e := &delivery.Engine{Queue: s, Router: newRouter(), Sender: instant{}, Monitor: watch, Prefetch: 400,
					Logger: slog.New(slog.DiscardHandler)}
				b.ReportAllocs()
				ended := make(chan error)
				go func() { ended <- e.Run(context.Background()) }()
				<-s.done
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
				require.NoError(b, e.Close())
				require.NoError(b, <-ended)
			})
		}
	}
}

// BenchmarkSteered measures what steering costs that has nothing against anything.
func BenchmarkSteered(b *testing.B) {
	s := &supply{n: b.N, done: make(chan struct{}), domains: []string{"someone@example.com"}}
	h := &rules{}
	e := &delivery.Engine{Queue: s, Router: newRouter(), Sender: instant{}, Prefetch: 400,
		Logger:   slog.New(slog.DiscardHandler),
		Steering: func() delivery.Steering { return h }}
	b.ReportAllocs()
	ended := make(chan error)
	go func() { ended <- e.Run(context.Background()) }()
	<-s.done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	require.NoError(b, e.Close())
	require.NoError(b, <-ended)
}

// BenchmarkNotRendered measures what messages pay for mails that are rendered when their own is not: nothing.
func BenchmarkNotRendered(b *testing.B) {
	for name, render := range map[string]func(context.Context, *queue.Message, queue.Body) (queue.Body, error){
		"without a renderer": nil,
		"with one": func(context.Context, *queue.Message, queue.Body) (queue.Body, error) {
			panic("there is nothing to render")
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := &supply{n: b.N, done: make(chan struct{}), domains: []string{"someone@example.com"}}
			e := &delivery.Engine{Queue: s, Router: newRouter(), Sender: instant{}, Prefetch: 400, Render: render,
				Logger: slog.New(slog.DiscardHandler)}
			b.ReportAllocs()
			ended := make(chan error)
			go func() { ended <- e.Run(context.Background()) }()
			<-s.done
			b.StopTimer()
			require.NoError(b, e.Close())
			require.NoError(b, <-ended)
		})
	}
}

// counter is a monitor that only makes the engine tell.
type counter struct{}

func (counter) Observe(*monitor.Event) {}
func (counter) Tap(s monitor.Session) monitor.Transcript {
	return monitor.Discard.Tap(s)
}
