package local

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// Explainer are rules that can add to an explanation what they know: floods and schedules.
type Explainer interface {
	Explain(*throttle.Explanation)
}

// Explain tells what governs a path, and what holds it back now; see throttle.Explainer. Of the limits of target
// addresses, those of targets are looked at.
func (t *Throttler) Explain(path throttle.Path, targets ...netip.Addr) throttle.Explanation {
	table := t.table.Load()
	limits := table.limits(path)
	e := throttle.Explanation{Path: path, Values: values(limits), Binding: t.binding(path, targets, limits)}
	if rules, ok := table.Rules.(Explainer); ok {
		rules.Explain(&e)
	}
	return e
}

// values lists what is set.
func values(limits *throttle.Limits) []throttle.Value {
	var all []throttle.Value
	for _, f := range throttle.Fields() {
		rule, set := limits.Origin[f.Name]
		v := f.Get(limits)
		if !set && (v == 0 || f.Name == "security" && limits.Connection.Security == "") {
			continue
		}
		if !set {
			rule = configuration
		}
		all = append(all, throttle.Value{Limit: f.Name, Value: v, Unit: f.Unit, Rule: rule})
	}
	return all
}

// binding lists what holds mail back.
func (t *Throttler) binding(path throttle.Path, targets []netip.Addr, limits *throttle.Limits) []throttle.Binding {
	var all []throttle.Binding
	add := func(h hold, prefix string) {
		if h.wait <= 0 {
			return
		}
		b := throttle.Binding{Limit: prefix + h.limit, Rule: origin(limits, prefix+h.limit)}
		if h.wait != untilClosed {
			b.Until = time.Now().Add(h.wait)
		}
		all = append(all, b)
	}
	if wait := paused(limits); !wait.Zero() {
		all = append(all, throttle.Binding{Limit: wait.Limit, Rule: wait.Rule, Until: limits.PausedUntil})
	}
	now := t.now()
	for _, h := range t.paths.holds(path, &limits.Domain, now) {
		add(h, "")
	}
	for _, target := range targets {
		for _, h := range t.targets.holds(target.Unmap().WithZone(""), &limits.Target, now) {
			add(h, "ip_")
		}
	}
	slices.SortStableFunc(all, func(a, b throttle.Binding) int {
		if a.Until.IsZero() != b.Until.IsZero() {
			return cmp.Compare(b2i(b.Until.IsZero()), b2i(a.Until.IsZero()))
		}
		return b.Until.Compare(a.Until)
	})
	return all
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// holds returns what would hold up a small mail or a connection now, without counting or remembering anything.
func (s *accounts[K]) holds(key K, limits *throttle.Rates, now int64) []hold {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	a := shard.accounts[key]
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	holds := []hold{
		{a.messages.left(limits.Messages, now), "maxmessages"},
		{a.bytes.left(limits.Bytes, now), "maxbytes"},
		{a.connects.left(limits.Connects, now), "maxconnects"},
	}
	if limits.Bytes > 0 {
		holds[1].wait = max(holds[1].wait, a.log.wait(1, limits.Bytes, now))
	}
	if limits.Connections > 0 && a.connections >= limits.Connections {
		holds = append(holds, hold{untilClosed, "maxconnections"})
	}
	if limits.Starting > 0 && a.starting >= limits.Starting {
		holds = append(holds, hold{untilClosed, "maxstarting"})
	}
	return holds
}

// left is the wait of a rate, if it is in use.
func (rs rates) left(perMinute, now int64) time.Duration {
	for _, r := range rs {
		if r.perMinute == perMinute {
			return r.wait(now)
		}
	}
	return 0
}
