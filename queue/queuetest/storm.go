package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var storming = []rule{
	{name: "storm", run: stormy,
		text: "with many publishers and consumers that settle, retry, release and park at random, nothing is lost and nothing is out twice"},
}

const (
	stormPublishers = 4
	stormConsumers  = 3
	stormBatches    = 40 // of three messages each, per publisher
)

// storm is the ledger of what goes on.
type storm struct {
	*exam
	mu       sync.Mutex
	out      map[string]bool
	finished map[string]int
	faults   []string
	total    int
	once     sync.Once
	done     chan struct{} // closed when all are finished
}

func stormy(e *exam) {
	s := &storm{exam: e, out: make(map[string]bool), finished: make(map[string]int),
		total: stormPublishers * stormBatches * 3, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var consumers, workers sync.WaitGroup
	for i := range stormConsumers {
		work := make(chan *queue.Delivery, 50)
		consumers.Go(func() {
			defer close(work)
			if err := e.q.Consume(ctx, "storm", queue.ConsumeOptions{Prefetch: 50},
				func(d *queue.Delivery) { work <- d }); err != nil {
				s.fault("Consume: %v", err)
			}
		})
		for k := range 2 {
			workers.Go(func() { s.work(work, rand.New(rand.NewPCG(uint64(i), uint64(k)))) })
		}
	}
	if e.parker != nil {
		workers.Go(func() { s.unparkAll(ctx) })
	}
	var publishers sync.WaitGroup
	for i := range stormPublishers {
		publishers.Go(func() { s.publish(i) })
	}
	publishers.Wait()
	select {
	case <-s.done:
	case <-time.After(2 * e.opts.Patience):
		s.fault("messages were lost")
	}
	cancel()
	consumers.Wait()
	workers.Wait()
	s.check()
}

// check reads the ledger.
func (s *storm) check() {
	s.Helper()
	s.mu.Lock()
	faults, finished := s.faults, len(s.finished)
	s.mu.Unlock()
	require.Empty(s, faults)
	require.Equal(s, s.total, finished, "messages that were finished")
	results := s.consume("storm-results", 0)
	seen := make(map[string]bool)
	for range s.total {
		d := results.next()
		require.False(s, seen[d.Message.ID], "the result of %s came twice", d.Message.ID)
		seen[d.Message.ID] = true
		s.settle(d)
	}
	results.none("every message has one result")
	s.consume("storm", 0).none("every message was finished")
	if s.inspector != nil {
		s.stats(queue.Stats{Queue: "storm"})
	}
}

func (s *storm) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < 10 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

// publish publishes batches whose messages share a mail that tells its batch.
func (s *storm) publish(publisher int) {
	for batch := range stormBatches {
		seed := uint64(publisher*1000 + batch)
		body := queue.Bytes(noise(seed, 10+int(seed*7919%20_000)))
		var list []queue.Item
		for i := range 3 {
			m := mail(fmt.Sprintf("%d-%d", seed, i), fmt.Sprintf("a@d%d.example.com", (batch+i)%5))
			m.Body, m.Priority = body, batch%3
			list = append(list, queue.Item{Queue: "storm", Message: m})
		}
		if err := s.q.Publish(context.Background(), list...); err != nil {
			s.fault("Publish: %v", err)
		}
	}
}

func (s *storm) work(deliveries <-chan *queue.Delivery, source *rand.Rand) {
	for d := range deliveries {
		s.begin(d)
		if err := s.finish(d, source.IntN(10)); err != nil {
			s.fault("finishing %s: %v", d.Message.ID, err)
		}
	}
}

// begin enters a delivery into the ledger.
func (s *storm) begin(d *queue.Delivery) {
	id := d.Message.ID
	var seed uint64
	_, _ = fmt.Sscanf(id, "%d-", &seed)
	if data, err := queue.ReadBody(d.Message.Body); err != nil ||
		!bytes.Equal(data, noise(seed, 10+int(seed*7919%20_000))) {
		s.fault("the mail of %s was changed (error: %v)", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out[id] || s.finished[id] > 0 {
		s.faults = append(s.faults, id+" came although it is out or finished")
	}
	s.out[id] = true
}

// finish does one of the things that may be done with a delivery. The ledger is written first: the message may come
// again before the call returns.
func (s *storm) finish(d *queue.Delivery, choice int) error {
	ctx := context.Background()
	id := d.Message.ID
	s.mu.Lock()
	delete(s.out, id)
	retry := *d.Message
	tries := len(retry.Results)
	last := choice >= 6 || tries > 4
	if last {
		s.finished[id]++
	}
	s.mu.Unlock()
	switch {
	case last:
		err := d.Settle(ctx, queue.Item{Queue: "storm-results", Message: &retry})
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.finished) == s.total {
			s.once.Do(func() { close(s.done) })
		}
		return err
	case choice < 2:
		return d.Release(ctx)
	case choice < 4 && s.parker != nil:
		return s.parker.Park(ctx, d, retry.Domain())
	default:
		retry.Results = append(retry.Results[:tries:tries], queue.Result{State: queue.StateData, Code: 451})
		return d.Settle(ctx, queue.Item{Queue: "storm", Message: &retry})
	}
}

// unparkAll lets go whatever is parked, a few at a time, until ctx ends.
func (s *storm) unparkAll(ctx context.Context) {
	for ctx.Err() == nil {
		counts, err := s.parker.Parked(context.Background(), "storm")
		if err != nil {
			s.fault("Parked: %v", err)
		}
		for key := range counts {
			if _, err := s.parker.Unpark(context.Background(), "storm", key, 3); err != nil {
				s.fault("Unpark: %v", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}
