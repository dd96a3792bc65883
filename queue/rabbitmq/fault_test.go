package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

func TestConnectionCutWithUnsettledDeliveries(t *testing.T) {
	address := vhost(t)
	p := newProxy(t, broker(t).Address)
	log := new(notes)
	q := open(t, Options{Addresses: []string{p.through(address)}, Logger: log.logger()})
	require.NoError(t, q.Publish(t.Context(), items("outbox", ids("m", 1000))...))
	r := consume(t, q, "outbox", 1000)
	out := r.take(1000)

	// The acknowledgements of the first 300 never arrive, and those of the next 200 are due while there is no connection.
	p.setDeaf(true)
	for _, d := range out[:300] {
		require.NoError(t, d.Settle(t.Context()))
	}
	p.cut()
	p.setDeaf(false)
	for _, d := range out[300:500] {
		require.NoError(t, d.Settle(t.Context()))
	}
	// One that was given back meanwhile comes again, and one that is parked stays away.
	require.NoError(t, out[500].Release(t.Context()))
	d := r.next()
	require.Equal(t, out[500].Message.ID, d.Message.ID)
	require.True(t, d.Redelivered)
	require.NoError(t, d.Settle(t.Context()))
	require.Eventually(t, func() bool { return q.Park(t.Context(), out[501], "example.com") == nil }, patience, 50*time.Millisecond)
	for _, d := range out[502:] {
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "results", Message: d.Message}))
	}
	r.none()
	n, err := q.Unpark(t.Context(), "outbox", "example.com", 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, r.next().Settle(t.Context()))
	r.stop()
	require.NoError(t, q.Close())

	ch := stranger(t, address)
	require.Eventually(t, func() bool { return waiting(t, ch, "outbox") == 0 }, patience, 50*time.Millisecond)
	require.Equal(t, 498, waiting(t, ch, "results"))
	require.LessOrEqual(t, len(log.lines()), 6, "lines about one cut: %v", log.lines())
	again := open(t, Options{Addresses: []string{address}})
	consume(t, again, "outbox", 0).none()
}

func TestConnectionCutInTheMiddleOfAFrame(t *testing.T) {
	address := vhost(t)
	p := newProxy(t, broker(t).Address)
	q := open(t, Options{Addresses: []string{p.through(address)}, Logger: new(notes).logger()})
	r := consume(t, q, "outbox", 0)
	stored := make(map[string]bool)
	for i := range 20 {
		m := mail(fmt.Sprint("m", i))
		m.Body = queue.Bytes(strings.Repeat("0123456789\r\n", 5000))
		p.mu.Lock()
		p.after = 30_000
		p.mu.Unlock()
		err := q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m})
		require.True(t, err == nil || errors.Is(err, queue.ErrUnknown) || errors.Is(err, queue.ErrUnavailable), "%v", err)
		p.mu.Lock()
		p.after = 0
		p.mu.Unlock()
		require.Eventually(t, func() bool { // the caller tries again, as SMTP clients do
			if err == nil {
				return true
			}
			err = q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m})
			return false
		}, patience, 10*time.Millisecond)
	}
	for len(stored) < 20 {
		d := r.next()
		require.NoError(t, d.Err)
		stored[d.Message.ID] = true
		require.NoError(t, d.Settle(t.Context()))
	}
}

// load publishes, delays, retries and settles until it is told to stop.
type load struct {
	t  *testing.T
	q  *Queue
	mu sync.Mutex

	stored  map[string]bool
	results map[string]int
	handed  map[string]int
	refused int
	last    error // why
}

func (l *load) publish(ctx context.Context, who int) {
	for i := 0; ctx.Err() == nil; i++ {
		m := mail(fmt.Sprintf("%d-%06d", who, i))
		if i%10 == 0 {
			m.NextAttempt = time.Now().Add(1500 * time.Millisecond)
		}
		err := l.q.Publish(context.WithoutCancel(ctx), queue.Item{Queue: "outbox", Message: m})
		l.mu.Lock()
		if err == nil {
			l.stored[m.ID] = true
		} else {
			l.refused++
			l.last = err
		}
		l.mu.Unlock()
		if err != nil {
			pause(ctx, 20*time.Millisecond)
		} else {
			pause(ctx, time.Millisecond)
		}
	}
}

// handle settles a message: the first attempt makes a retry of every seventh.
func (l *load) handle(d *queue.Delivery) {
	l.mu.Lock()
	l.handed[fmt.Sprint(d.Message.ID, "/", len(d.Message.Results))]++
	n := len(l.handed)
	l.mu.Unlock()
	next := queue.Item{Queue: "results", Message: d.Message}
	if len(d.Message.Results) == 0 && n%7 == 0 {
		next.Queue = "outbox"
		next.Message.NextAttempt = time.Now().Add(1200 * time.Millisecond)
	}
	next.Message.Results = append(next.Message.Results, queue.Result{Code: 250})
	go func() {
		for l.t.Context().Err() == nil {
			err := d.Settle(context.Background(), next)
			if err == nil || errors.Is(err, queue.ErrClosed) {
				return
			}
			pause(l.t.Context(), 100*time.Millisecond)
		}
	}()
}

// collect reads results until everything that was stored has one.
func (l *load) collect(results *reader) {
	l.t.Helper()
	l.mu.Lock()
	missing := len(l.stored)
	l.mu.Unlock()
	for missing > 0 {
		d := results.next()
		if l.results[d.Message.ID]++; l.results[d.Message.ID] == 1 && l.stored[d.Message.ID] {
			missing--
		}
		require.NoError(l.t, d.Settle(l.t.Context()))
	}
}

func TestBrokerKilledUnderLoad(t *testing.T) {
	log := new(notes)
	defer func() {
		if t.Failed() {
			t.Log(strings.Join(log.lines(), "\n"))
		}
	}()
	q := open(t, Options{Addresses: []string{vhost(t)}, Logger: log.logger()})
	l := &load{t: t, q: q, stored: make(map[string]bool), results: make(map[string]int), handed: make(map[string]int)}
	ctx, stop := context.WithCancel(t.Context())
	var publishers sync.WaitGroup
	for i := range 4 {
		publishers.Go(func() { l.publish(ctx, i) })
	}
	consumers := make(chan error, 1)
	consuming, end := context.WithCancel(t.Context())
	go func() { consumers <- q.Consume(consuming, "outbox", queue.ConsumeOptions{}, l.handle) }()
	settled := func(n int) func() bool {
		return func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.handed) >= n
		}
	}
	require.Eventually(t, settled(500), patience, 10*time.Millisecond)
	// A quorum queue that is younger than that when the power is cut gets no leader ever again: the broker has yet to
	// write down who takes part.
	pause(t.Context(), 6*time.Second)
	broker(t).Kill()
	require.Eventually(t, func() bool {
		return errors.Is(q.Publish(t.Context(), items("outbox", ids("no", 1))...), queue.ErrUnavailable)
	}, patience, 50*time.Millisecond)
	began := time.Now()
	require.ErrorIs(t, q.Publish(t.Context(), items("outbox", ids("no", 1))...), queue.ErrUnavailable)
	require.Less(t, time.Since(began), time.Second, "a publish while the broker is away fails at once")
	require.NoError(t, broker(t).Start())
	l.mu.Lock()
	before := len(l.handed)
	l.mu.Unlock()
	require.Eventually(t, settled(before+500), patience, 10*time.Millisecond, "everything goes on by itself")
	stop()
	publishers.Wait()

	l.collect(consume(t, q, "results", 0))
	end()
	require.NoError(t, <-consumers)
	twice := 0
	for id, n := range l.handed {
		// Of what is delayed there may be two, when it is not known whether the broker had stored the first.
		if n > 1 && !strings.HasSuffix(id, "0/0") && !strings.HasSuffix(id, "/1") {
			twice++
		}
	}
	t.Logf("%d stored, %d refused, %d handed out twice; log: %v", len(l.stored), l.refused, twice, log.lines())
	require.Zero(t, twice, "messages that were handed out twice by one process")
	require.Less(t, len(log.lines()), 20, "lines about one outage")
}

func TestMemoryAlarm(t *testing.T) {
	q := open(t, Options{Addresses: []string{vhost(t)}, ConfirmTimeout: 2 * time.Second, Logger: new(notes).logger()})
	publish(t, q, "outbox", ids("m", 3)...)
	r := consume(t, q, "outbox", 2)
	out := r.take(2)
	watermark := func(fraction string) {
		_, err := broker(t).Eval("vm_memory_monitor:set_vm_memory_high_watermark(" + fraction + ").")
		require.NoError(t, err)
	}
	watermark("0.000001")
	defer watermark("0.4")
	require.Eventually(t, func() bool {
		err := q.Publish(t.Context(), items("outbox", ids("x", 1))...)
		return errors.Is(err, queue.ErrUnavailable)
	}, patience, 10*time.Millisecond)
	began := time.Now()
	err := q.Publish(t.Context(), items("outbox", ids("x", 1))...)
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.ErrorContains(t, err, "alarm")
	require.Less(t, time.Since(began), time.Second)
	require.Error(t, out[0].Settle(t.Context(), items("results", ids("result", 1))...), "nothing can be stored")
	require.NoError(t, out[1].Settle(t.Context()), "what needs nothing stored can be settled")
	require.Equal(t, "m-0002", r.next().Message.ID, "reading goes on")
	watermark("0.4")
	require.Eventually(t, func() bool {
		return out[0].Settle(t.Context(), items("results", ids("result", 1))...) == nil
	}, patience, 50*time.Millisecond)
	publish(t, q, "outbox", ids("later", 1)...)
}

func TestPublishHeedsItsContextDuringAnAlarm(t *testing.T) {
	p := newProxy(t, broker(t).Address)
	q := open(t, Options{Addresses: []string{p.through(vhost(t))}, Logger: new(notes).logger()})
	publish(t, q, "outbox", ids("m", 1)...)
	p.setDeaf(true) // the broker hears nothing, and so confirms nothing
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := q.Publish(ctx, items("outbox", ids("x", 1))...)
	require.ErrorIs(t, err, queue.ErrUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	p.cut()
}

func TestQueueDeletedUnderUs(t *testing.T) {
	address := vhost(t)
	q := open(t, Options{Addresses: []string{address}, Logger: new(notes).logger()})
	ch := stranger(t, address)
	publish(t, q, "outbox", ids("m", 2)...)
	r := consume(t, q, "outbox", 1)
	out := r.next()
	_, err := ch.QueueDelete("outbox", false, false, false)
	require.NoError(t, err)
	publish(t, q, "outbox", ids("n", 1)...)
	require.NoError(t, out.Settle(t.Context(), items("results", ids("result", 1))...), "what is out can be settled")
	require.Equal(t, "n-0000", r.next().Message.ID)
	_, err = ch.QueueDelete("results", false, false, false)
	require.NoError(t, err)
	publish(t, q, "results", ids("n", 1)...)
	require.Equal(t, 1, waiting(t, ch, "results"))

	// The queues for delayed mail, too.
	late := mail("late")
	late.NextAttempt = time.Now().Add(40 * time.Second)
	publish(t, q, "outbox", late)
	_, err = ch.QueueDelete("outbox.delay.30s", false, false, false)
	require.NoError(t, err)
	publish(t, q, "outbox", late)
}

func TestConsumerTimeout(t *testing.T) {
	set := func(timeout, tick string) {
		_, err := broker(t).Eval("application:set_env(rabbit, consumer_timeout, " + timeout + "), application:set_env(rabbit, channel_tick_interval, " + tick + ").")
		require.NoError(t, err)
	}
	set("1000", "500")
	defer set("1800000", "60000")
	address := vhost(t)
	log := new(notes)
	q := open(t, Options{Addresses: []string{address}, Logger: log.logger()})
	publish(t, q, "outbox", ids("m", 3)...)
	r := consume(t, q, "outbox", 3)
	out := r.take(3)
	require.Eventually(t, func() bool { return strings.Contains(strings.Join(log.lines(), ""), "PRECONDITION_FAILED") }, patience, 50*time.Millisecond,
		"the broker closes the channel")
	for _, d := range out {
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "results", Message: d.Message}))
	}
	r.none()
	r.stop()
	ch := stranger(t, address)
	require.Eventually(t, func() bool { return waiting(t, ch, "outbox") == 0 }, patience, 50*time.Millisecond)
	require.Equal(t, 3, waiting(t, ch, "results"))
}

func TestMessagesLargerThanTheBrokerTakes(t *testing.T) {
	set := func(size string) {
		_, err := broker(t).Eval("application:set_env(rabbit, max_message_size, " + size + ").")
		require.NoError(t, err)
	}
	set("1000000")
	defer set("134217728")
	q := open(t, Options{Addresses: []string{vhost(t)}, Logger: new(notes).logger()})
	large := mail("large")
	large.Body = queue.Bytes(strings.Repeat("0123456789abcd\r\n", 100_000))
	err := q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: large})
	require.ErrorIs(t, err, queue.ErrTooLarge)
	require.ErrorContains(t, err, "1000000")
	require.Less(t, q.MaxMail(), int64(1_000_000), "what is announced")
	began := time.Now()
	require.ErrorIs(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: large}), queue.ErrTooLarge)
	require.Less(t, time.Since(began), time.Second)
	require.Eventually(t, func() bool { return q.Publish(t.Context(), items("outbox", ids("m", 1))...) == nil }, patience, 50*time.Millisecond)
}

func TestDeclaredDifferently(t *testing.T) {
	address := vhost(t)
	ch := stranger(t, address)
	_, err := ch.QueueDeclare("outbox", true, false, false, false, amqp.Table{"x-max-priority": int32(7)})
	require.NoError(t, err)
	q := open(t, Options{Addresses: []string{address}})
	for what, err := range map[string]error{
		"declare": q.Declare(t.Context(), "results", "outbox"),
		"publish": q.Publish(t.Context(), items("outbox", ids("m", 1))...),
		"consume": q.Consume(t.Context(), "outbox", queue.ConsumeOptions{}, func(*queue.Delivery) {}),
	} {
		require.ErrorIs(t, err, queue.ErrUnavailable, what)
		require.ErrorContains(t, err, `queue "outbox" exists and was declared differently`, what)
		require.ErrorContains(t, err, "x-max-priority", what)
		require.ErrorContains(t, err, "rabbitmq-declare", what)
	}
	as := open(t, Options{Addresses: []string{address}, NoDeclare: true})
	publish(t, as, "outbox", ids("m", 1)...)
	require.NoError(t, consume(t, as, "outbox", 0).next().Settle(t.Context()))
	err = as.Publish(t.Context(), items("nowhere", ids("m", 1))...)
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.ErrorContains(t, err, `there is no queue "nowhere"`)
	err = as.Consume(t.Context(), "nowhere", queue.ConsumeOptions{}, func(*queue.Delivery) {})
	require.ErrorContains(t, err, `there is no queue "nowhere"`)
}
