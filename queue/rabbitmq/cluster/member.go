package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The delays between attempts to connect.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// Member is one instance. Join makes it. All methods are safe for concurrent use.
type Member struct {
	opts   Options
	self   func() Instance
	reload func()
	id     string
	tell   chan struct{} // one place: the others are to reload
	heed   chan struct{} // one place: we are
	stop   context.CancelFunc
	tasks  sync.WaitGroup

	connected atomic.Bool
	puzzled   bool                                  // something could not be read, which was said in the log
	owners    atomic.Pointer[map[netip.Addr]string] // outbox by address
	mu        sync.Mutex
	others    map[string]Instance
}

// Join connects in the background. self tells about this instance, but for its ID, whenever it announces itself; reload
// is called when the others say that the settings have changed, one call at a time.
func Join(o Options, self func() Instance, reload func()) *Member {
	ctx, stop := context.WithCancel(context.Background())
	m := &Member{opts: o.withDefaults(), self: self, reload: reload, id: rand.Text(), tell: make(chan struct{}, 1),
		heed: make(chan struct{}, 1), stop: stop, others: make(map[string]Instance)}
	m.owners.Store(&map[netip.Addr]string{})
	m.recall(time.Now())
	m.tasks.Go(func() { m.run(ctx) })
	m.tasks.Go(func() { m.reloads(ctx) })
	return m
}

// Close leaves, and waits until a reload that is under way has ended.
func (m *Member) Close() error {
	m.stop()
	m.tasks.Wait()
	return nil
}

// Changed tells the others that the settings have changed. It does not wait: when the broker is away they are told
// later.
func (m *Member) Changed() { poke(m.tell) }

// Connected reports whether the broker can be reached.
func (m *Member) Connected() bool { return m.connected.Load() }

// Others returns the other instances, sorted by host.
func (m *Member) Others() []Instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return sorted(m.others)
}

// Owner returns the outbox of another instance that has an address; false when there is none. It costs a look into a
// map.
func (m *Member) Owner(ip netip.Addr) (outbox string, ok bool) {
	outbox, ok = (*m.owners.Load())[ip]
	return outbox, ok
}

// poke fills a channel of one place.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run stays connected until ctx ends.
func (m *Member) run(ctx context.Context) {
	delay, away := firstRetry, false
	for ctx.Err() == nil {
		met, err := meet(ctx, m.opts)
		if err == nil {
			if away {
				m.opts.Logger.Info("the cluster can be reached again", "exchange", m.opts.Exchange)
			}
			delay, away = firstRetry, false
			m.connected.Store(true)
			err = m.attend(ctx, met)
			m.connected.Store(false)
			met.end()
		}
		if ctx.Err() != nil {
			return
		}
		if !away {
			away = true
			m.opts.Logger.Warn("the cluster cannot be reached; trying again", "exchange", m.opts.Exchange, "error", err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
		delay = min(2*delay, lastRetry)
	}
}

// attend talks until the connection breaks or ctx ends.
func (m *Member) attend(ctx context.Context, met *meeting) error {
	if err := met.say(message{From: m.id, Hello: true, Announce: m.announcement()}); err != nil {
		return err
	}
	tick := time.NewTicker(m.opts.Interval)
	defer tick.Stop()
	for {
		var err error
		select {
		case d, ok := <-met.heard:
			if !ok {
				if reason := <-met.closed; reason != nil {
					return reason
				}
				return context.Cause(ctx)
			}
			if m.hear(d.Body) {
				err = met.say(message{From: m.id, Announce: m.announcement()})
			}
		case <-m.tell:
			if err = met.say(message{From: m.id, Reload: true}); err != nil {
				m.Changed() // tell them later
			}
		case <-tick.C:
			m.forget(time.Now().Add(-3 * m.opts.Interval))
			m.save()
			err = met.say(message{From: m.id, Announce: m.announcement()})
		case <-ctx.Done():
			_ = met.say(message{From: m.id, Leave: m.id})
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (m *Member) announcement() *Instance {
	self := m.self()
	self.ID = m.id
	return &self
}

// hear heeds what somebody said, and reports whether an announcement is asked for.
func (m *Member) hear(data []byte) (answer bool) {
	said, err := parse(data)
	if err != nil {
		m.wonder(data, err)
		return false
	}
	if said.From == m.id {
		return false
	}
	if said.Reload {
		poke(m.heed)
	}
	if a := said.Announce; a != nil && a.ID != m.id {
		a.Seen = time.Now()
		if m.change(func() { m.others[a.ID] = *a }) {
			m.save()
		}
	}
	if said.Leave != "" && m.change(func() { delete(m.others, said.Leave) }) {
		m.save()
	}
	return said.Hello
}

// wonder says once that something could not be read: who publishes it would do so again and again.
func (m *Member) wonder(data []byte, err error) {
	if m.puzzled {
		return
	}
	m.puzzled = true
	m.opts.Logger.Warn("something on the exchange of the cluster cannot be read; it, and what else cannot, is ignored",
		"exchange", m.opts.Exchange, "text", fmt.Sprintf("%.200q", data), "error", err)
}

// forget drops who was last heard of before.
func (m *Member) forget(before time.Time) {
	m.change(func() {
		for id, i := range m.others {
			if i.Seen.Before(before) {
				delete(m.others, id)
			}
		}
	})
}

// maxOthers bounds what is remembered: anybody may announce anything.
const maxOthers = 1000

// change changes the list of the others, and reports whether addresses have other owners now.
func (m *Member) change(f func()) bool {
	before := *m.owners.Load()
	owners := m.changed(f)
	m.owners.Store(&owners)
	for ip := range owners {
		if _, known := before[ip]; !known && m.opts.Heard != nil {
			m.opts.Heard()
			break
		}
	}
	return !maps.Equal(before, owners)
}

// changed changes the list of the others and returns the outbox of each address.
func (m *Member) changed(f func()) map[netip.Addr]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	for id := range m.others {
		if len(m.others) <= maxOthers {
			break
		}
		delete(m.others, id)
	}
	owners := make(map[netip.Addr]string)
	for _, i := range slices.Backward(sorted(m.others)) { // the first one wins
		if i.Outbox == "" {
			continue
		}
		for _, ip := range i.IPs {
			if ip = ip.Unmap(); !ip.IsLoopback() {
				owners[ip] = i.Outbox
			}
		}
	}
	return owners
}

// reloads calls reload until ctx ends.
func (m *Member) reloads(ctx context.Context) {
	for {
		select {
		case <-m.heed:
			m.reload()
		case <-ctx.Done():
			return
		}
	}
}
