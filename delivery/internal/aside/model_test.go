package aside

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/queue"
)

// message is a message of the model: the key that it is parked under, and the rule that may hold it.
type message struct{ key, rule string }

// model is what a registry is held against: a queue, the rules, and two owners of shelves, all without a thought for
// speed.
type model struct {
	*rapid.T
	*Registry
	shelves [2]Shelf

	lots     map[string][]message // parked, by key
	coming   []message            // fetched, not arrived yet
	held     map[string]bool      // rules that hold messages now
	reviewed map[string]bool      // of these, as the registry knows them
	version  int                  // of the rules
	broken   bool                 // the queue cannot be asked
	room     int                  // for what was held
	late     *message             // parked while the queue is asked the next time
	clock    time.Time
}

// rules are the reasons for which messages may be held, each with the key that they are parked under then. Messages of
// rules with the same key as their domain are all held at once.
var rules = map[string]string{"a.test": "a.test", "b.test": "b.test", "x from 1": "tag:x", "x from 2": "tag:x"}

// unowned is a key of messages that no rule holds, and nothing but Free has come back.
const unowned = "ips:unknown"

// reason is a rule as a message was told of it.
type reason struct {
	m       *model
	rule    string
	version int
}

func (r *reason) Holds() (time.Time, bool) { return time.Time{}, r.m.held[r.rule] }
func (r *reason) Stale() bool              { return r.version != r.m.version }

// list is the owner of a shelf of the model.
type list struct {
	m *model
	i int
}

func (l list) Served()        {}
func (l list) String() string { return fmt.Sprint("list ", l.i) }

// Park implements queue.Parker.
func (m *model) Park(context.Context, *queue.Delivery, string) error {
	panic("the registry parks nothing")
}

// Parked implements queue.Parker.
func (m *model) Parked(context.Context, string) (map[string]int, error) {
	if m.broken {
		return nil, queue.ErrUnavailable
	}
	counts := make(map[string]int)
	for key, lot := range m.lots {
		counts[key] = len(lot)
	}
	return counts, nil
}

// Unpark implements queue.Parker. It finds requests for what is held, all of it, and for more than there is room for.
func (m *model) Unpark(_ context.Context, _, key string, n int) (int, error) {
	require.Positive(m, n)
	require.False(m, m.allHeld(key), "%s is held, and fetched", key)
	if m.broken {
		return 0, queue.ErrUnavailable
	}
	n = min(n, len(m.lots[key]))
	m.coming = append(m.coming, m.lots[key][:n]...)
	m.lots[key] = m.lots[key][n:]
	if late := m.late; late != nil {
		m.late = nil
		m.park(*late, 0, false)
	}
	return n, nil
}

// allHeld reports whether nothing that is parked under a key may go, as far as the registry can know.
func (m *model) allHeld(key string) bool {
	free := key == "c.test" || key == unowned
	for rule, of := range rules {
		free = free || of == key && !m.reviewed[rule]
	}
	return !free
}

// park parks a message as an engine does: because its rule holds it, or because a list is full.
func (m *model) park(msg message, shelf int, fetched bool) {
	n := &Note{Key: rules[msg.rule], ID: msg.rule, Reason: &reason{m, msg.rule, m.version}}
	n.Whole = n.Key == msg.rule
	held := m.held[msg.rule]
	if held {
		msg.key = n.Key
	} else {
		m.shelves[shelf].Put(msg.key, fetched)
	}
	m.lots[msg.key] = append(m.lots[msg.key], msg)
	if held {
		m.Hold(n)
	} else {
		m.shelves[shelf].Put(msg.key, false)
	}
}

// change has other rules, and has the shelves leave what is held now, as an engine does.
func (m *model) change(rule string, held bool) {
	m.held[rule] = held
	m.version++
	for i := range m.shelves {
		for _, key := range m.shelves[i].Keys() {
			if m.held[key] {
				m.Hold(&Note{Key: key, Reason: &reason{m, key, m.version}, Whole: true})
				m.shelves[i].Take(key)
			}
		}
	}
	m.Recheck()
}

// turn has the registry do what is due. It fetches no more than was ordered, and no more of the rest than there is room
// for.
func (m *model) turn() {
	most := max(m.room, 0)
	for _, o := range m.orders {
		most += o.n
		require.LessOrEqual(m, len(o.keys), o.n)
	}
	m.reviewed = maps.Clone(m.held)
	before := len(m.coming)
	m.round(context.Background())
	require.LessOrEqual(m, len(m.coming)-before, most)
}

// arrive has what was fetched reach its owners, which take part of it and have the rest parked again.
func (m *model) arrive(shelf int, take int) {
	for _, msg := range m.coming {
		if msg.key == unowned {
			continue
		}
		if m.held[msg.rule] {
			m.park(msg, shelf, false)
			continue
		}
		msg.key = domain(msg.rule)
		fetched := m.shelves[shelf].Arrived(msg.key)
		if take--; take < 0 {
			m.park(msg, shelf, fetched)
		}
	}
	m.coming = nil
}

// domain is what messages of a rule are parked under when nothing holds them.
func domain(rule string) string {
	if rules[rule] == rule {
		return rule
	}
	return "c.test"
}

func (m *model) sleep(d time.Duration) { m.clock = m.clock.Add(d) }

// consistent checks the numbers that are read without the lock.
func (m *model) consistent() {
	flowing := 0
	for key, h := range m.holds {
		if h.left > 0 {
			flowing++
		}
		require.True(m, h.left > 0 || len(h.samples) > 0, "nothing of %s is known", key)
	}
	require.EqualValues(m, flowing, m.flowing.Load())
	for i := range m.shelves {
		s := &m.shelves[i]
		require.Len(m, s.keys, s.Len())
		require.Equal(m, s.ordered || s.expected > 0, s.Awaits())
	}
}

// drained lets everything go, and finds out whether all of it comes back, in so many turns as it must.
func (m *model) drained() {
	for rule := range rules {
		if m.held[rule] { // or else what was held by rules that changed has to be found without
			m.change(rule, false)
		}
	}
	m.broken, m.room = false, 1000
	m.Free(unowned)
	parked := func() (n int) {
		for _, lot := range m.lots {
			n += len(lot)
		}
		return n
	}
	for range 20 {
		m.sleep(10 * time.Second) // longer than it leaves a queue alone that could not be asked
		m.turn()
		m.arrive(0, len(m.coming))
		for i := range m.shelves {
			m.shelves[i].Order(1000, nil)
		}
	}
	require.Zero(m, parked(), "%v is stuck", m.lots)
	require.Empty(m, m.holds)
	for i := range m.shelves {
		require.Empty(m, m.shelves[i].Keys())
	}
}

// Whatever is parked because of whatever, in whatever order rules change and queues fail: nothing comes back that is
// held, no more than there is room for, and all of it in the end.
func TestRegistryAgainstAModel(t *testing.T) {
	names := slices.Sorted(maps.Keys(rules))
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{T: rt, clock: time.Unix(1, 0), lots: map[string][]message{}, held: map[string]bool{}, reviewed: map[string]bool{}}
		m.Registry = &Registry{Queue: m, Logger: slog.New(slog.DiscardHandler), Room: func() int { return m.room }}
		m.Init()
		m.now = func() time.Time { return m.clock }
		for i := range m.shelves {
			m.shelves[i].Init(m.Registry, list{m, i})
		}
		shelf, rule := rapid.IntRange(0, len(m.shelves)-1), rapid.SampledFrom(names)
		rt.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { m.consistent() },
			"park": func(rt *rapid.T) {
				r := rule.Draw(rt, "rule")
				for range rapid.IntRange(1, 5).Draw(rt, "messages") {
					m.park(message{domain(r), r}, shelf.Draw(rt, "shelf"), false)
				}
			},
			"park by rules that changed": func(rt *rapid.T) {
				r := rule.Draw(rt, "rule")
				m.lots[rules[r]] = append(m.lots[rules[r]], message{rules[r], r})
				m.Hold(&Note{Key: rules[r], ID: r, Reason: &reason{m, r, m.version - 1}, Whole: rules[r] == r})
			},
			"park during an order": func(rt *rapid.T) {
				r := rule.Draw(rt, "rule")
				m.late = &message{domain(r), r}
			},
			"order": func(rt *rapid.T) {
				m.shelves[shelf.Draw(rt, "shelf")].Order(rapid.IntRange(1, 6).Draw(rt, "n"), nil)
			},
			"change":              func(rt *rapid.T) { m.change(rule.Draw(rt, "rule"), rapid.Bool().Draw(rt, "held")) },
			"park without a rule": func(*rapid.T) { m.lots[unowned] = append(m.lots[unowned], message{key: unowned}) },
			"free":                func(*rapid.T) { m.Free(unowned) },
			"turn":                func(*rapid.T) { m.turn() },
			"arrive": func(rt *rapid.T) {
				m.arrive(shelf.Draw(rt, "shelf"), rapid.IntRange(0, 5).Draw(rt, "take"))
			},
			"wait": func(rt *rapid.T) {
				m.sleep(time.Duration(rapid.IntRange(0, 6000).Draw(rt, "ms")) * time.Millisecond)
			},
			"break": func(rt *rapid.T) { m.broken = rapid.Bool().Draw(rt, "broken") },
			"room":  func(rt *rapid.T) { m.room = rapid.IntRange(-5, 20).Draw(rt, "room") },
		})
		m.drained()
	})
}
