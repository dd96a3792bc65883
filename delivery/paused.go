package delivery

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/aside"
	"github.com/sluicemail/sluice/queue"
)

// sample stands for messages that are parked because of a pause: what is read of one of them to decide about it. What
// is held by a pause that names neither tags nor sources is parked by recipient domain, beside what paths park there;
// by a pause that names a tag, under "tag:" and the tag; by any other pause, under "pause:" and its number.
type sample struct {
	letter
	e     *core
	epoch uint64 // of the rules that were asked
	pause Pause
	// targets are the addresses that are all paused for it; none: it is not about them.
	targets []Selection
}

// Stale implements aside.Reason.
func (sm *sample) Stale() bool { return sm.epoch != sm.e.epoch() }

// Holds implements aside.Reason.
func (sm *sample) Holds() (until time.Time, ok bool) {
	s := sm.e.steering()
	if s == nil {
		return time.Time{}, false
	}
	now := time.Now()
	if len(sm.targets) > 0 {
		pause, held := pausedForAll(s, sm.targets, now)
		return pause.Until, held
	}
	if !sm.pause.Source && !sm.pause.Target {
		pause, held := s.Paused(sm.selection(netip.Addr{}, netip.Addr{}), now)
		return pause.Until, held
	}
	if _, v := sm.e.planner.plan(s, &sm.letter, nil); v.pause != nil {
		return v.pause.Until, true
	}
	return time.Time{}, false
}

// pausedForAll returns, of the pauses of all these selections, the one that ends first; ok is false when a selection is
// not paused.
func pausedForAll(s Steering, sels []Selection, now time.Time) (first Pause, ok bool) {
	for i := range sels {
		pause, paused := s.Paused(&sels[i], now)
		if !paused {
			return Pause{}, false
		}
		if i == 0 || sooner(pause.Until, first.Until) {
			first = pause
		}
	}
	return first, len(sels) > 0
}

// parkPaused parks a job that is paused, because of these targets if there are any.
func (e *core) parkPaused(j *job, pause *Pause, targets []Selection) {
	j.note = e.pauseNote(&j.letter, j.asked(), pause, targets)
	e.park(j, "paused by "+pause.Rule)
}

func (e *core) pauseNote(l *letter, epoch uint64, pause *Pause, targets []Selection) *aside.Note {
	n := &aside.Note{Key: l.domain, Until: pause.Until}
	m := &queue.Message{}
	switch {
	case pause.Source || pause.Target || len(targets) > 0:
		n.Key = "pause:" + strconv.FormatInt(pause.ID, 10)
		m.IPs, m.Pool, m.Tags, m.Results = l.m.IPs, l.m.Pool, l.m.Tags, l.m.Results
		n.ID = strings.Join([]string{l.domain, l.m.Pool, strings.Join(m.IPs, " "), strings.Join(m.Tags, " ")}, "|")
	case pause.Tag != "":
		n.Key = "tag:" + pause.Tag
		m.Tags = []string{pause.Tag}
		n.ID = l.domain
	}
	n.Whole = n.Key == l.domain
	n.Reason = &sample{e: e, pause: *pause, targets: targets,
		epoch: epoch, letter: letter{m: m, domain: l.domain, unfit: l.unfit}}
	return n
}

// holdDomain notes that messages to a domain which a path had parked are paused now.
func (e *core) holdDomain(source netip.Addr, domain string, pause *Pause) {
	m := &queue.Message{}
	if source.IsValid() && pause.Source {
		m.IPs = []string{source.String()}
	}
	n := e.pauseNote(&letter{m: m, domain: domain}, e.epoch(), pause, nil)
	n.Key, n.ID = domain, strings.Join(m.IPs, "")
	e.aside.Hold(n)
}

// Held is what is parked under one key because of a pause.
type Held struct {
	Key      string // as it is parked in the queue: a recipient domain, "tag:" and a tag, "pause:" and a number
	Pause    Pause  // of several, that of the last message
	Since    time.Time
	Messages int  // parked under the key now
	Flowing  bool // it is over, and what is parked is being fetched
}

// Held returns what is parked because of pauses, sorted by key. An error is the queue's.
func (e *Engine) Held(ctx context.Context) ([]Held, error) {
	e.init()
	parker, ok := e.queue.(queue.Parker)
	if !ok {
		return nil, nil
	}
	counts, err := parker.Parked(ctx, e.outbox)
	if err != nil {
		return nil, err
	}
	list := []Held{}
	for _, key := range e.aside.Keys() {
		h := e.aside.Held(key)
		if sm, ok := h.Reason.(*sample); ok {
			list = append(list, Held{Key: key, Pause: sm.pause, Since: h.Since, Messages: counts[key], Flowing: h.Flowing})
		}
	}
	return list, nil
}

// pauseOf returns the pause that holds what is parked under a key.
func (e *Engine) pauseOf(key string) (Pause, bool) {
	h := e.aside.Held(key)
	sm, ok := h.Reason.(*sample)
	if !ok || h.Flowing {
		return Pause{}, false
	}
	return sm.pause, true
}
