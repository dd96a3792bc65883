package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
)

// TestVictim has a broker of its own, which is killed and set in other ways than the others want.
func TestVictim(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		test func(*testing.T)
	}{
		{"killed under load", killedUnderLoad},
		{"killed while delayed mail becomes due", killedWhileDelayed},
		{"asked while it is away", askedWhileAway},
		{"memory alarm", memoryAlarm},
		{"consumer timeout", consumerTimeout},
		{"messages larger than it takes", largerThanItTakes},
	} {
		t.Run(tc.name, tc.test)
	}
}

func killedUnderLoad(t *testing.T) {
	log := new(rabbittest.Notes)
	q := open(t, Options{Addresses: []string{victim.VHost(t)}, Logger: log.Logger()})
	l := rabbittest.StartLoad(t, q, 4)
	l.Await(500)
	victim.Remember(t)
	victim.Server(t).Kill()
	no := func() error {
		return q.Publish(t.Context(), rabbittest.Items("outbox", rabbittest.Mails("no", 1))...)
	}
	require.Eventually(t, func() bool { return errors.Is(no(), queue.ErrUnavailable) }, rabbittest.Patience,
		50*time.Millisecond)
	began := time.Now()
	require.ErrorIs(t, no(), queue.ErrUnavailable)
	require.Less(t, time.Since(began), time.Second, "a publish while the broker is away fails at once")
	require.NoError(t, victim.Server(t).Start())
	l.Await(500) // everything goes on by itself
	l.Finish()
	t.Log(l)
	require.Zero(t, l.Twice(), "messages that were handed out twice by one process")
	require.Less(t, len(log.Lines()), 20, "lines about one outage: %v", log)
}

// killedWhileDelayed kills the broker when a part of the delayed mail has come: the rest is on several steps of the
// ladder, and some of it on the way between two of them.
func killedWhileDelayed(t *testing.T) {
	q := open(t, Options{Addresses: []string{victim.VHost(t)}, Logger: new(rabbittest.Notes).Logger()})
	r := rabbittest.Consume(t, q, "outbox", 0)
	const n = 400
	list := rabbittest.Mails("m", n)
	for i, m := range list {
		m.NextAttempt = time.Now().Add(time.Duration(1200+15*i) * time.Millisecond)
	}
	require.NoError(t, q.Publish(t.Context(), rabbittest.Items("outbox", list)...))
	came, twice := make(map[string]bool), 0
	for len(came) < n {
		d := r.Next()
		require.False(t, time.Now().Before(d.Message.NextAttempt), "before its time")
		if came[d.Message.ID] {
			twice++
		}
		came[d.Message.ID] = true
		require.NoError(t, d.Settle(t.Context()))
		if len(came) == n/4 {
			victim.Remember(t)
			victim.Server(t).Kill()
			require.NoError(t, victim.Server(t).Start())
		}
	}
	r.None()
	require.LessOrEqual(t, twice, 2*maxBurst, "only what was on its way may come twice")
}

func memoryAlarm(t *testing.T) {
	q := open(t, Options{Addresses: []string{victim.VHost(t)}, ConfirmTimeout: 2 * time.Second,
		Logger: new(rabbittest.Notes).Logger()})
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 3)...)
	r := rabbittest.Consume(t, q, "outbox", 2)
	out := r.Take(2)
	watermark := func(fraction string) {
		_, err := victim.Server(t).Eval("vm_memory_monitor:set_vm_memory_high_watermark(" + fraction + ").")
		require.NoError(t, err)
	}
	watermark("0.000001")
	defer watermark("0.4")
	require.Eventually(t, func() bool {
		err := q.Publish(t.Context(), rabbittest.Items("outbox", rabbittest.Mails("x", 1))...)
		return errors.Is(err, queue.ErrUnavailable)
	}, rabbittest.Patience, 10*time.Millisecond)
	began := time.Now()
	err := q.Publish(t.Context(), rabbittest.Items("outbox", rabbittest.Mails("x", 1))...)
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.ErrorContains(t, err, "alarm")
	require.Less(t, time.Since(began), time.Second)
	require.Error(t, out[0].Settle(t.Context(), rabbittest.Items("results", rabbittest.Mails("result", 1))...),
		"nothing can be stored")
	require.NoError(t, out[1].Settle(t.Context()), "what needs nothing stored can be settled")
	require.Equal(t, "m-0002", r.Next().Message.ID, "reading goes on")
	watermark("0.4")
	require.Eventually(t, func() bool {
		return out[0].Settle(t.Context(), rabbittest.Items("results", rabbittest.Mails("result", 1))...) == nil
	}, rabbittest.Patience, 50*time.Millisecond)
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("later", 1)...)
}

func consumerTimeout(t *testing.T) {
	set := func(timeout, tick string) {
		_, err := victim.Server(t).Eval("application:set_env(rabbit, consumer_timeout, " + timeout +
			"), application:set_env(rabbit, channel_tick_interval, " + tick + ").")
		require.NoError(t, err)
	}
	set("1000", "500")
	defer set("1800000", "60000")
	address := victim.VHost(t)
	log := new(rabbittest.Notes)
	q := open(t, Options{Addresses: []string{address}, Logger: log.Logger()})
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 3)...)
	r := rabbittest.Consume(t, q, "outbox", 3)
	out := r.Take(3)
	require.Eventually(t, func() bool { return strings.Contains(strings.Join(log.Lines(), ""), "PRECONDITION_FAILED") },
		rabbittest.Patience, 50*time.Millisecond,
		"the broker closes the channel")
	for _, d := range out {
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "results", Message: d.Message}))
	}
	r.None()
	r.Stop()
	ch := rabbittest.Stranger(t, address)
	require.Eventually(t, func() bool { return rabbittest.Waiting(t, ch, "outbox") == 0 }, rabbittest.Patience,
		50*time.Millisecond)
	require.Equal(t, 3, rabbittest.Waiting(t, ch, "results"))
}

func largerThanItTakes(t *testing.T) {
	set := func(size string) {
		_, err := victim.Server(t).Eval("application:set_env(rabbit, max_message_size, " + size + ").")
		require.NoError(t, err)
	}
	set("1000000")
	defer set("134217728")
	q := open(t, Options{Addresses: []string{victim.VHost(t)}, Logger: new(rabbittest.Notes).Logger()})
	large := rabbittest.Mail("large")
	large.Body = queue.Bytes(strings.Repeat("0123456789abcd\r\n", 100_000))
	err := q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: large})
	require.ErrorIs(t, err, queue.ErrTooLarge)
	require.ErrorContains(t, err, "1000000")
	require.Less(t, q.MaxMail(), int64(1_000_000), "what is announced")
	began := time.Now()
	require.ErrorIs(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: large}), queue.ErrTooLarge)
	require.Less(t, time.Since(began), time.Second)
	require.Eventually(t, func() bool {
		return q.Publish(t.Context(), rabbittest.Items("outbox", rabbittest.Mails("m", 1))...) == nil
	}, rabbittest.Patience, 50*time.Millisecond)
}

// askedWhileAway looks into queues while the broker is dead, and while it does not answer.
func askedWhileAway(t *testing.T) {
	address := victim.VHost(t)
	p := rabbittest.NewProxy(t, victim.Server(t).Address)
	q := open(t, Options{Addresses: []string{p.Through(address)}, Logger: new(rabbittest.Notes).Logger()})
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 3)...)
	r := rabbittest.Consume(t, q, "outbox", 1)
	r.Next()
	calls := map[string]func(context.Context) error{
		"Queues": func(ctx context.Context) error { _, err := q.Queues(ctx); return err },
		"List":   func(ctx context.Context) error { _, _, err := q.List(ctx, queue.Filter{}, "", 0); return err },
		"Peek":   func(ctx context.Context) error { _, err := q.Peek(ctx, "nobody"); return err },
		"Move": func(ctx context.Context) error {
			_, err := q.Move(ctx, queue.Filter{ID: "nobody"}, "aside")
			return err
		},
		"Purge":     func(ctx context.Context) error { _, err := q.Purge(ctx, queue.Filter{ID: "nobody"}); return err },
		"RetryNow":  func(ctx context.Context) error { _, err := q.RetryNow(ctx, queue.Filter{ID: "nobody"}); return err },
		"Consumers": func(ctx context.Context) error { _, err := q.Consumers(ctx); return err },
	}
	p.SetDeaf(true)
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		require.ErrorIs(t, err, queue.ErrUnavailable, name)
		require.ErrorContains(t, err, "has not answered in time", name)
		require.Less(t, time.Since(began), 10*time.Second, name)
	}
	p.SetDeaf(false)
	p.Cut()
	victim.Remember(t)
	victim.Server(t).Kill()
	require.Eventually(t, func() bool { return q.dialer.outage() != nil }, rabbittest.Patience, 10*time.Millisecond)
	for name, call := range calls {
		began := time.Now()
		err := call(t.Context()) // which never ends by itself
		require.ErrorIs(t, err, queue.ErrUnavailable, name)
		require.ErrorContains(t, err, "(since 20", name)
		require.Less(t, time.Since(began), 10*time.Second, name)
	}
	require.NoError(t, victim.Server(t).Start())
	require.Eventually(t, func() bool { _, err := q.Queues(t.Context()); return err == nil }, rabbittest.Patience,
		50*time.Millisecond)
}
