package snapshot

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/throttle"
	limits "github.com/sluicemail/sluice/throttle/rules"
)

// throttles compiles limits, floods and warm-ups.
func (w *work) throttles() {
	before, now := w.before.Rows, w.rows
	if w.taken(throttlePart, all(
		equal(before.Capacities, &now.Capacities), equal(before.CapacityRules, &now.CapacityRules),
		equal(before.FloodResponses, &now.FloodResponses), equal(before.Schedules, &now.Schedules),
		equal(before.ScheduleSteps, &now.ScheduleSteps), equal(before.ScheduleRules, &now.ScheduleRules),
		equal(before.Pools, &now.Pools), equal(before.PoolIPs, &now.PoolIPs))) {
		w.s.Throttles = w.before.Throttles
		return
	}
	config := limits.Config{Pools: w.members()}
	values := make(map[int64]limits.Values, len(now.Capacities))
	for i := range now.Capacities {
		values[now.Capacities[i].ID] = limitValues(&now.Capacities[i])
	}
	config.Rules = w.capacities(values)
	config.Schedules = w.schedules(values)
	config.Floods = w.floods()
	set, problems := limits.Compile(config)
	for _, p := range problems {
		w.check(throttlePart, settings.TableName(p.Table), p.ID, p.Err)
	}
	w.s.Throttles = set
}

func all(same ...bool) bool {
	for _, s := range same {
		if !s {
			return false
		}
	}
	return true
}

// members tells which pool an address is in.
func (w *work) members() map[netip.Addr]string {
	members := make(map[netip.Addr]string, len(w.rows.PoolIPs))
	for _, p := range w.rows.Pools {
		for _, ip := range w.s.Steering.Pool(strings.TrimSpace(p.Name)) {
			members[ip] = p.Name
		}
	}
	return members
}

// limitValues returns the limit columns of a row, all of which bear the names that throttles know.
func limitValues[T settings.Entity[T]](row *T) limits.Values {
	columns := settings.Describe[T]().Columns
	values := make(limits.Values, len(columns))
	for i := range columns {
		c := &columns[i]
		if _, isLimit := throttle.FieldIndex(c.Name); !isLimit {
			continue
		}
		if v, err := settings.Value(row, c.Name); err == nil {
			if n, ok := v.(int64); ok && n >= 0 {
				values[c.Name] = c.Nearest(n)
			}
		}
	}
	return values
}

func (w *work) capacities(values map[int64]limits.Values) []limits.Rule {
	patterns := make(map[int64][]limits.Pattern)
	for _, r := range w.rows.CapacityRules {
		if !r.Enabled {
			continue
		}
		if values[r.Capacity] == nil {
			w.check(throttlePart, settings.TableCapacityRules, r.ID, missing("capacity", r.Capacity, "throttle"))
			continue
		}
		if source, err := anyAddress("localip", r.LocalIP); w.check(throttlePart, settings.TableCapacityRules, r.ID, err) {
			patterns[r.Capacity] = append(patterns[r.Capacity], pattern(r.ID, source, r.Pool, r.Domain))
		}
	}
	var rules []limits.Rule
	for _, r := range w.rows.Capacities {
		if r.Enabled {
			rules = append(rules, limits.Rule{ID: r.ID, Name: r.Name, Priority: r.Priority, Values: values[r.ID],
				Patterns: patterns[r.ID]})
		}
	}
	return rules
}

// pattern makes a pattern of a row, whose pool and domain may be "*".
func pattern(id int64, source netip.Addr, pool, domain string) limits.Pattern {
	if pool = strings.TrimSpace(pool); pool == "*" {
		pool = ""
	}
	return limits.Pattern{ID: id, Source: source, Pool: pool, Domain: strings.TrimSpace(domain)}
}

func (w *work) schedules(values map[int64]limits.Values) []limits.Schedule {
	var schedules []limits.Schedule
	place := make(map[int64]int)
	off := make(map[int64]bool)
	for _, r := range w.rows.Schedules {
		if off[r.ID] = !r.Enabled; r.Enabled {
			place[r.ID] = len(schedules)
			schedules = append(schedules, limits.Schedule{ID: r.ID, Name: r.Name})
		}
	}
	for _, r := range w.rows.ScheduleSteps {
		i, ok := place[r.Schedule]
		switch {
		case off[r.Schedule]:
		case !ok:
			w.check(throttlePart, settings.TableScheduleSteps, r.ID, missing("schedule", r.Schedule, "schedule"))
		case values[r.Capacity] == nil:
			w.check(throttlePart, settings.TableScheduleSteps, r.ID, missing("capacity", r.Capacity, "throttle"))
		default:
			step := limits.Step{ID: r.ID, Day: int(min(max(r.Day, 1), 1<<30)), Values: values[r.Capacity]}
			schedules[i].Steps = append(schedules[i].Steps, step)
		}
	}
	for _, r := range w.rows.ScheduleRules {
		i, ok := place[r.Schedule]
		switch {
		case !r.Enabled || off[r.Schedule]:
		case !ok:
			w.check(throttlePart, settings.TableScheduleRules, r.ID, missing("schedule", r.Schedule, "schedule"))
		default:
			if source, err := anyAddress("localip", r.LocalIP); w.check(throttlePart, settings.TableScheduleRules, r.ID, err) {
				schedules[i].Patterns = append(schedules[i].Patterns, pattern(r.ID, source, r.Pool, r.Domain))
			}
		}
	}
	return schedules
}

func (w *work) floods() []limits.Flood {
	var floods []limits.Flood
	for i := range w.rows.FloodResponses {
		r := &w.rows.FloodResponses[i]
		if !r.Enabled {
			continue
		}
		source, err := anyAddress("localip", r.LocalIP)
		if !w.check(throttlePart, settings.TableFloodResponses, r.ID, err) {
			continue
		}
		floods = append(floods, limits.Flood{ID: r.ID, Name: r.Name, Pattern: r.Pattern, Type: r.Type, Source: source,
			Domain: strings.TrimSpace(r.Domain), Pause: seconds(r.Pause), Duration: seconds(r.Duration), Values: limitValues(r)})
	}
	return floods
}

// seconds returns a column in seconds as a duration; beyond a hundred years nobody will see the difference.
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 100*366*24*60*60)) * time.Second
}
