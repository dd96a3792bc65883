package delivery

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// pausing remembers what was parked because of which pause, and fetches it again when that is over: one goroutine of
// the engine (run) looks after it, whenever steering changed or a pause ends by itself.
//
// What a pause holds that names neither tags nor sources is parked by recipient domain, beside what paths park there;
// while it lasts, paths leave that domain alone (covers). What one holds that names a tag is parked under "tag:" and
// the tag, and that of all others under "pause:" and the number of the pause, so that it is in no other message's way.
// For each key some samples are kept of what is parked there; when one of them is free again (review), all of the key
// is fetched, piece by piece as there is room (release), and what is still paused is parked once more. A path that gets
// the first messages of a domain fetches the rest as it does with what it parked itself (adopts).
//
// What is forgotten for want of room comes back by itself, after queue.MaxParked.
type pausing struct {
	e       *core
	wake    chan struct{} // one place
	active  atomic.Int64  // holdings
	flowing atomic.Int64  // of these being released

	mu       sync.Mutex // comes after any path.mu and routing.mu
	keys     map[string]*pausedKey
	changed  bool      // go through what waits in memory
	recheck  bool      // go through the samples
	overflow bool      // there were more keys than are remembered
	end      time.Time // of the first pause that ends by itself
	barred   time.Time // no Unpark before; of run alone
}

// pausedKey is what is parked under one key because of pauses.
type pausedKey struct {
	pause   Pause // the last one
	since   time.Time
	whole   bool // all that is parked under the domain is paused
	samples map[string]*sample
	left    int // to be fetched; zero: it is not being released
}

// sample stands for messages that are parked.
type sample struct {
	letter
	epoch uint64 // of the rules that were asked
	pause Pause
	// targets are the addresses that are all paused for it; none: it is not about them.
	targets []Selection
	free    bool
}

// pauseNote is why a job is parked that is paused.
type pauseNote struct {
	key    string
	id     string // of the sample
	sample *sample
}

const (
	maxPausedKeys = 50000
	maxSamples    = 100
)

func (p *pausing) init(e *core) {
	p.e = e
	p.wake = make(chan struct{}, 1)
	p.keys = make(map[string]*pausedKey)
}

// parkPaused parks a job that is paused, because of these targets if there are any.
func (e *core) parkPaused(j *job, pause *Pause, targets []Selection) {
	j.pauseNote = newPauseNote(j, pause, targets)
	e.park(j, "paused by "+pause.Rule)
}

func newPauseNote(j *job, pause *Pause, targets []Selection) *pauseNote {
	h := &pauseNote{key: j.domain}
	m := &queue.Message{}
	switch {
	case pause.Source || pause.Target || len(targets) > 0:
		h.key = "pause:" + strconv.FormatInt(pause.ID, 10)
		m.IPs, m.Pool, m.Tags, m.Results = j.m.IPs, j.m.Pool, j.m.Tags, j.m.Results
		h.id = strings.Join([]string{j.domain, j.m.Pool, strings.Join(m.IPs, " "), strings.Join(m.Tags, " ")}, "|")
	case pause.Tag != "":
		h.key = "tag:" + pause.Tag
		m.Tags = []string{pause.Tag}
		h.id = j.domain
	}
	h.sample = &sample{pause: *pause, targets: targets,
		epoch: j.epoch, letter: letter{m: m, domain: j.domain, unfit: j.unfit}}
	return h
}

// paused reports whether, and by what, what a sample stands for is still held.
func (e *core) paused(sm *sample) (Pause, bool) {
	s := e.steering()
	if s == nil {
		return Pause{}, false
	}
	now := time.Now()
	if len(sm.targets) > 0 {
		var first Pause
		for i := range sm.targets {
			pause, ok := s.Paused(&sm.targets[i], now)
			if !ok {
				return Pause{}, false
			}
			if i == 0 || sooner(pause.Until, first.Until) {
				first = pause
			}
		}
		return first, true
	}
	if !sm.pause.Source && !sm.pause.Target {
		return s.Paused(sm.selection(netip.Addr{}, netip.Addr{}), now)
	}
	if _, v := e.planner.plan(s, &sm.letter, nil); v.pause != nil {
		return *v.pause, true
	}
	return Pause{}, false
}

func (p *pausing) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pausing) steeringChanged() {
	p.mu.Lock()
	p.changed, p.recheck = true, true
	p.mu.Unlock()
	p.signal()
}

// note remembers that a job is parked now.
func (p *pausing) note(j *job) {
	if _, ok := p.e.queue.(queue.Parker); !ok {
		return // it comes back by itself
	}
	p.add(j.pauseNote, j.pauseNote.key == j.domain)
}

// owe remembers that messages to a domain which a path had parked are paused now.
func (p *pausing) owe(source netip.Addr, domain string, pause *Pause) {
	m := &queue.Message{}
	if source.IsValid() && pause.Source {
		m.IPs = []string{source.String()}
	}
	h := newPauseNote(&job{letter: letter{m: m, domain: domain}, epoch: p.e.epoch.Load()}, pause, nil)
	whole := h.key == domain
	h.key, h.id = domain, strings.Join(m.IPs, "")
	p.add(h, whole)
}

// add remembers a sample of what is parked under its key.
func (p *pausing) add(h *pauseNote, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := p.keys[h.key]
	if held == nil {
		if len(p.keys) >= maxPausedKeys {
			p.overflow = true
			return
		}
		held = &pausedKey{since: time.Now(), samples: make(map[string]*sample)}
		p.keys[h.key] = held
		p.active.Add(1)
	}
	known := held.samples[h.id]
	stale := h.sample.epoch != p.e.epoch.Load() // what was decided meanwhile did not see it
	if known == nil && len(held.samples) >= maxSamples && !stale {
		return
	}
	held.pause, held.whole = h.sample.pause, held.whole || whole
	held.samples[h.id] = h.sample
	if held.left > 0 && !held.free() {
		p.begins(held, 0)
	}
	ends := sooner(h.sample.pause.Until, p.end)
	if ends {
		p.end = h.sample.pause.Until
	}
	if stale || ends {
		p.recheck = p.recheck || stale
		p.signal()
	}
}

// free reports whether some of what is parked may go.
func (h *pausedKey) free() bool {
	for _, s := range h.samples {
		if s.free {
			return true
		}
	}
	return false
}

// begins has n messages of a holding fetched; zero: no more of them. p.mu is held.
func (p *pausing) begins(h *pausedKey, n int) {
	if h.left == 0 && n > 0 {
		p.flowing.Add(1)
	} else if h.left > 0 && n == 0 {
		p.flowing.Add(-1)
	}
	h.left = n
}

// covers reports whether all messages to a domain are paused, so that fetching them is of no use.
func (p *pausing) covers(domain string) bool {
	if p.active.Load() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.keys[domain]
	return h != nil && h.whole && h.left == 0
}

// adopts reports whether the caller, who got a message to a domain, is to fetch the others that were parked with it.
func (p *pausing) adopts(domain string) bool {
	if p.flowing.Load() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.keys[domain]
	if h == nil || h.left == 0 {
		return false
	}
	p.over(domain, h)
	return true
}

// over forgets what was fetched; samples of what is still paused stay. p.mu is held.
func (p *pausing) over(key string, h *pausedKey) {
	p.begins(h, 0)
	for id, s := range h.samples {
		if s.free {
			delete(h.samples, id)
		}
	}
	if len(h.samples) == 0 {
		delete(p.keys, key)
		p.active.Add(-1)
	}
}

// run looks after pauses until the engine stops.
func (p *pausing) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if at := p.round(); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		select {
		case <-p.wake:
		case <-timer.C:
		case <-p.e.consume.Done():
			return
		}
	}
}

// pace is the time between two pieces of what is fetched.
const pace = 50 * time.Millisecond

// round does what is due, and returns when there will be more to do; zero: when somebody says so.
func (p *pausing) round() time.Time {
	p.mu.Lock()
	changed := p.changed
	p.changed = false
	p.mu.Unlock()
	if changed {
		p.e.reexamine()
	}
	now := time.Now()
	p.mu.Lock()
	recheck := p.recheck || !p.end.IsZero() && !now.Before(p.end)
	p.recheck = false
	p.mu.Unlock()
	if recheck {
		p.review()
	}
	p.mu.Lock()
	end := p.end
	p.mu.Unlock()
	if p.flowing.Load() > 0 {
		p.release()
		next := now.Add(pace)
		if p.barred.After(next) {
			next = p.barred
		}
		if end.IsZero() || next.Before(end) {
			end = next
		}
	}
	return end
}

// expiry is when the first pause ends by itself; zero: none does. p.mu is held.
func (p *pausing) expiry() (first time.Time) {
	for _, h := range p.keys {
		for _, s := range h.samples {
			if !s.free && sooner(s.pause.Until, first) {
				first = s.pause.Until
			}
		}
	}
	return first
}

// review asks for every sample whether it is still paused, and begins to fetch what is not.
func (p *pausing) review() {
	type entry struct {
		key string
		h   *pausedKey
		s   *sample
	}
	var entries []entry
	p.mu.Lock()
	for key, h := range p.keys {
		for _, s := range h.samples {
			entries = append(entries, entry{key, h, s})
		}
	}
	p.mu.Unlock()
	freed := make(map[*pausedKey]string)
	for _, en := range entries {
		pause, held := p.e.paused(en.s)
		p.mu.Lock()
		if !held && !en.s.free {
			freed[en.h] = en.key
		}
		if en.s.free = !held; held {
			en.s.pause.Until, en.s.pause.Rule = pause.Until, pause.Rule
		}
		p.mu.Unlock()
	}
	p.stopPaused()
	if len(freed) > 0 || p.overflowed() {
		p.begin(freed)
	}
}

// stopPaused fetches no more of what is paused again, all of it, and finds out when the next pause ends.
func (p *pausing) stopPaused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.keys {
		if h.left > 0 && !h.free() && len(h.samples) > 0 {
			p.begins(h, 0)
		}
	}
	p.end = p.expiry()
	if now := time.Now(); !p.end.IsZero() && !p.end.After(now) {
		p.end = now.Add(time.Second) // the rules go by another clock
	}
}

func (p *pausing) overflowed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.overflow
}

// begin has all be fetched that is parked under these keys now; when not all keys were remembered, under all keys
// that are not known.
func (p *pausing) begin(freed map[*pausedKey]string) {
	parker, ok := p.e.queue.(queue.Parker)
	if !ok {
		return
	}
	counts, err := parker.Parked(p.e.consume, p.e.outbox)
	p.mu.Lock()
	defer p.mu.Unlock()
	for h, key := range freed {
		if p.keys[key] != h {
			delete(freed, h) // a path has adopted it meanwhile
		}
	}
	if err != nil {
		for h := range freed {
			p.begins(h, p.e.prefetch) // to find out
		}
		return
	}
	for h, key := range freed {
		if n := counts[key]; n > 0 {
			p.begins(h, n)
		} else {
			p.over(key, h)
		}
	}
	if p.overflow {
		p.overflow = false
		for key, n := range counts {
			if p.keys[key] == nil && n > 0 {
				h := &pausedKey{since: time.Now(), samples: map[string]*sample{}}
				p.keys[key] = h
				p.active.Add(1)
				p.begins(h, n)
			}
		}
	}
}

// release fetches a piece of what is free, as much as there is room for.
func (p *pausing) release() {
	now := time.Now()
	room := p.e.prefetch*3/4 - p.e.load()
	if room <= 0 || now.Before(p.barred) {
		return
	}
	p.mu.Lock()
	left := make(map[string]int, p.flowing.Load())
	for key, h := range p.keys {
		if h.left > 0 {
			left[key] = h.left
		}
	}
	p.mu.Unlock()
	parker := p.e.queue.(queue.Parker)
	share := max(1, room/max(1, len(left)))
	for key, n := range left {
		n = min(n, share, room)
		if n <= 0 || p.e.stopping.Load() {
			return
		}
		got, err := parker.Unpark(p.e.consume, p.e.outbox, key, n)
		if err != nil {
			if p.e.consume.Err() == nil {
				p.e.log.Warn("fetching messages that were paused failed; trying again", "error", err, "in", askAgain)
			}
			p.barred = now.Add(askAgain)
			return
		}
		room -= got
		p.fetched(key, got, n)
	}
}

// fetched notes how many messages of a key came when n were asked for.
func (p *pausing) fetched(key string, got, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.keys[key]
	switch {
	case h == nil || h.left == 0:
	case got < n || h.left <= got:
		p.over(key, h)
	default:
		p.begins(h, h.left-got)
	}
}
