package snapshot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery/rules"
)

// steering compiles what else is decided about mail while it flows.
func (w *work) steering() {
	before, now := w.before.Rows, w.rows
	if w.taken(steeringPart, all(
		w.s.Suppressions == w.before.Suppressions, slices.Equal(w.s.started, w.before.started),
		equal(before.Pools, &now.Pools), equal(before.PoolIPs, &now.PoolIPs),
		equal(before.Errors, &now.Errors), equal(before.Pauses, &now.Pauses), equal(before.Delegates, &now.Delegates),
		equal(before.ResponsePatterns, &now.ResponsePatterns), equal(before.ResponseActions, &now.ResponseActions),
		equal(before.ResponseLinks, &now.ResponseLinks), equal(before.RewriteTriggers, &now.RewriteTriggers),
		equal(before.RewriteConditions, &now.RewriteConditions), equal(before.RewriteActions, &now.RewriteActions))) {
		w.s.Steering = w.before.Steering
		return
	}
	config := rules.Config{
		Instance:     w.Instance,
		DefaultIPs:   w.DefaultIPs,
		Suppressions: w.s.Suppressions,
		Errors:       w.errors(),
		Pauses:       w.pauses(),
		Started:      w.s.started,
		Redirects:    w.redirects(),
		RewriteRules: w.rewrites(),
		Counters:     w.Counters,
	}
	config.Pools, config.PoolIPs = w.pools()
	config.ResponsePatterns, config.SpareActions = w.responses()
	set, problems := rules.Compile(config)
	for _, p := range problems {
		w.check(steeringPart, settings.TableName(p.Table), p.ID, p.Err)
	}
	w.s.Steering = set
}

// pools leaves out pools that are switched off, and their members.
func (w *work) pools() (pools []rules.Pool, members []rules.PoolIP) {
	off := make(map[string]bool)
	for _, r := range w.rows.Pools {
		if name := strings.ToLower(strings.TrimSpace(r.Name)); r.Enabled {
			pools = append(pools, rules.Pool{ID: r.ID, Name: r.Name})
			off[name] = false
		} else if _, known := off[name]; !known {
			off[name] = true
		}
	}
	for _, r := range w.rows.PoolIPs {
		if !off[strings.ToLower(strings.TrimSpace(r.Pool))] {
			members = append(members, rules.PoolIP{ID: r.ID, Pool: r.Pool, IP: r.IP})
		}
	}
	return pools, members
}

func (w *work) errors() (list []rules.ForcedError) {
	for _, r := range w.rows.Errors {
		if r.Enabled {
			list = append(list, rules.ForcedError{ID: r.ID, LocalIP: r.LocalIP, Pool: r.Pool, Domain: r.Domain, IP: r.IP,
				Tag:  r.Tag,
				Code: r.Code, Extended: r.Extended, Description: r.Description, Cluster: r.Cluster, Instance: r.Instance})
		}
	}
	return list
}

func (w *work) pauses() (list []rules.Pause) {
	for _, r := range w.rows.Pauses {
		if !r.Enabled {
			continue
		}
		if expire, ok := w.moment(settings.TablePaused, r.ID, "expire", r.Expire); ok {
			list = append(list, rules.Pause{ID: r.ID, LocalIP: r.LocalIP, Pool: r.Pool, Target: r.Target, Tag: r.Tag,
				Cluster: r.Cluster, Instance: r.Instance, Expire: expire})
		}
	}
	return list
}

func (w *work) redirects() (list []rules.Redirect) {
	for _, r := range w.rows.Delegates {
		if !r.Enabled {
			continue
		}
		if expire, ok := w.moment(settings.TableDelegates, r.ID, "expire", r.Expire); ok {
			list = append(list, rules.Redirect{ID: r.ID, LocalIP: r.LocalIP, Domain: r.Domain, NewIP: r.NewIP, Expire: expire})
		}
	}
	return list
}

// moment reads a time.
func (w *work) moment(table settings.TableName, id int64, column, text string) (time.Time, bool) {
	t, err := settings.ParseTime(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", column, err)
	}
	return t, w.check(steeringPart, table, id, err)
}

func (w *work) rewrites() (list []rules.RewriteRule) {
	parents := newParents(len(w.rows.RewriteTriggers))
	for _, r := range w.rows.RewriteTriggers {
		if !r.Enabled {
			parents.off(r.ID)
			continue
		}
		starts, ok := w.moment(settings.TableRewriteTriggers, r.ID, "starts", r.Starts)
		ends, fine := w.moment(settings.TableRewriteTriggers, r.ID, "ends", r.Ends)
		if !ok || !fine {
			parents.off(r.ID)
			continue
		}
		parents.at(r.ID, len(list))
		list = append(list, rules.RewriteRule{ID: r.ID, Name: r.Name, LocalIP: r.LocalIP, Pool: r.Pool, Domain: r.Domain,
			Tag:      r.Tag,
			Priority: r.Priority, Final: r.Final, Starts: starts, Ends: ends})
	}
	for _, r := range w.rows.RewriteConditions {
		if i, ok := w.parent(parents, settings.TableRewriteConditions, r.ID, "trigger", r.Trigger, "rewrite rule"); ok {
			list[i].Conditions = append(list[i].Conditions, rules.Condition{ID: r.ID, Property: r.Property, Type: r.Type,
				Value: r.Value, Negate: r.Negate})
		}
	}
	for _, r := range w.rows.RewriteActions {
		if i, ok := w.parent(parents, settings.TableRewriteActions, r.ID, "trigger", r.Trigger, "rewrite rule"); ok {
			list[i].Actions = append(list[i].Actions, rules.Action{ID: r.ID, Type: r.Type, Property: r.Property, Value: r.Value})
		}
	}
	return list
}

// responses puts response patterns together with the actions that are linked to them. A pattern one of whose actions is
// not there is left out: half of it may do harm. Actions that no pattern has are spare.
func (w *work) responses() (list []rules.ResponsePattern, spare []rules.Action) {
	parents := newParents(len(w.rows.ResponsePatterns))
	for _, r := range w.rows.ResponsePatterns {
		if !r.Enabled {
			parents.off(r.ID)
			continue
		}
		parents.at(r.ID, len(list))
		list = append(list, rules.ResponsePattern{ID: r.ID, Name: r.Name, LocalIP: r.LocalIP, Pool: r.Pool, Domain: r.Domain,
			Tag:     r.Tag,
			Pattern: r.Pattern, Type: r.Type, Priority: r.Priority, Final: r.Final})
	}
	actions := make(map[int64]*settings.ResponseAction, len(w.rows.ResponseActions))
	for i := range w.rows.ResponseActions {
		actions[w.rows.ResponseActions[i].ID] = &w.rows.ResponseActions[i]
	}
	half, used := make(map[int64]bool), make(map[int64]bool, len(actions))
	for _, r := range w.rows.ResponseLinks {
		i, ok := w.parent(parents, settings.TableResponseLinks, r.ID, "pattern", r.Pattern, "response pattern")
		if !ok {
			continue
		}
		a := actions[r.Action]
		used[r.Action] = true
		if a == nil {
			err := fmt.Errorf("%w; response pattern %d is left out", missing("action", r.Action, "response action"), r.Pattern)
			w.check(steeringPart, settings.TableResponseLinks, r.ID, err)
			half[r.Pattern] = true
			continue
		}
		list[i].Actions = append(list[i].Actions, responseAction(a))
	}
	for i := range w.rows.ResponseActions {
		if a := &w.rows.ResponseActions[i]; !used[a.ID] {
			spare = append(spare, responseAction(a))
		}
	}
	return slices.DeleteFunc(list, func(p rules.ResponsePattern) bool { return half[p.ID] }), spare
}

func responseAction(a *settings.ResponseAction) rules.Action {
	return rules.Action{ID: a.ID, Type: a.Type, Property: a.Property, Value: a.Value}
}

// parents finds the rules that rows of other tables belong to.
type parents map[int64]int

func newParents(n int) parents { return make(parents, n) }

func (p parents) at(id int64, place int) { p[id] = place }

// off notes a rule that is there and not in force.
func (p parents) off(id int64) { p[id] = -1 }

// parent returns the place of the rule that a row belongs to; ok is false when it has none, or one that is not in
// force.
func (w *work) parent(p parents, table settings.TableName, id int64, column string, to int64, what string) (place int,
	ok bool) {
	place, known := p[to]
	if !known {
		w.check(steeringPart, table, id, missing(column, to, what))
	}
	return place, known && place >= 0
}
