package monitor

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Live is the Monitor behind a console: it counts what happened in the last 60 seconds and lets SMTP sessions be
// watched. The zero Live is ready. Set its fields before use.
type Live struct {
	// MaxDomains, MaxMTAs and MaxTags are how many names of each kind are told apart; others are counted together. Zero
	// means 10,000 domains, 1,000 local addresses and 1,000 tags. There are 16 shards: each keeps its part of the
	// domains, divided by a hash, and up to that many addresses and tags, so that the limits are met about, not
	// exactly.
	MaxDomains, MaxMTAs, MaxTags int
	// MaxSessions is how many sessions are listed and can be watched; zero means 10,000.
	MaxSessions int
	// MaxWatchers is how many watchers there may be at a time; zero means 100.
	MaxWatchers int
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	shards   [shards]shard
	focused  focuses
	sessions sessions
}

const (
	shards  = 16 // a power of two
	maxName = 255
	maxTags = 32 // counted for one message

	maxClasses = 100 // far more than there are
)

// shard holds the figures of some domains, and of what happened for them to everything else.
type shard struct {
	mu      sync.Mutex
	total   figures
	domains table[string]
	tags    table[string]
	mtas    table[netip.Addr]
	classes table[string]
	_       [64]byte // keeps neighbours off the cache line
}

func (l *Live) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// Observe implements Monitor.
func (l *Live) Observe(e *Event) {
	ef := effectOf(e.Kind)
	if !ef.known {
		return
	}
	at := e.Time
	if at.IsZero() {
		at = l.now()
	}
	second := at.Unix()
	sh := l.shardFor(e)
	sh.mu.Lock()
	sh.count(l, e, &ef, second, at)
	sh.mu.Unlock()
	l.focused.observe(e, &ef, second)
}

// count counts an event everywhere in the shard. The shard is locked.
func (sh *shard) count(l *Live, e *Event, ef *effect, second int64, at time.Time) {
	if ef.counts != noCounter {
		sh.total.series.count(second, ef, e.Bytes)
	}
	sh.total.move(ef, &sh.total)
	if ef.mta {
		sh.mtas.observe(e.MTA, second, ef, e.Bytes, cmp.Or(l.MaxMTAs, 1000), ownAddr)
	}
	if e.Domain != "" {
		d := sh.domains.observe(clip(e.Domain), second, ef, e.Bytes, cmp.Or(l.MaxDomains, 10_000)/shards, strings.Clone)
		if d != nil && tellsWhy(e.Kind) && (e.Text != "" || e.Code != 0) {
			if d.answers == nil {
				d.answers = new(answers)
			}
			d.answers.note(e.Code, e.Text, at)
		}
	}
	if e.Class != "" {
		sh.classes.observe(clip(e.Class), second, ef, e.Bytes, maxClasses, strings.Clone)
	}
	for i, tag := range e.Tags[:min(len(e.Tags), maxTags)] {
		if !slices.Contains(e.Tags[:i], tag) {
			sh.tags.observe(clip(tag), second, ef, e.Bytes, cmp.Or(l.MaxTags, 1000), strings.Clone)
		}
	}
}

// shardFor returns the shard of the event's domain or, without one, of its remote end, so that clients spread as well.
func (l *Live) shardFor(e *Event) *shard {
	if e.Domain != "" {
		return l.shardOf(e.Domain)
	}
	return &l.shards[e.Remote.Port()%shards]
}

func (l *Live) shardOf(domain string) *shard {
	h := uint32(2166136261) // FNV-1a
	for i := range len(domain) {
		h = (h ^ uint32(domain[i])) * 16777619
	}
	return &l.shards[(h^h>>16)%shards]
}

func clip(name string) string { return name[:min(len(name), maxName)] }

func ownAddr(a netip.Addr) netip.Addr { return a }
