package admin

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
)

// TestMistakes are told at once, also in rows that nothing uses yet.
func TestMistakes(t *testing.T) {
	a, _ := newAdmin(t)
	refused := func(table settings.TableName, field string, v Values) *Invalid {
		t.Helper()
		_, err := a.Create(t.Context(), table, v)
		var wrong *Invalid
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, field, wrong.Problems[0].Field, "%v", err)
		return wrong
	}
	refused("response_actions", "type", Values{"name": "a", "type": "nonsense"})
	refused("response_actions", "value", Values{"name": "a", "type": "retry", "value": "soon"})
	off, err := a.Create(t.Context(), "rewrite_triggers", Values{"name": "being prepared", "enabled": false})
	require.NoError(t, err)
	refused("rewrite_actions", "type", Values{"trigger": off.ID, "type": "nonsense"})

	_, err = a.Create(t.Context(), "delegates", Values{"localip": "192.0.2.1", "newip": "192.0.2.2"})
	require.NoError(t, err)
	wrong := refused("delegates", "", Values{"localip": "192.0.2.2", "newip": "192.0.2.1"})
	require.Contains(t, wrong.Error(), "192.0.2.1 → 192.0.2.2 → 192.0.2.1")
	require.NotContains(t, wrong.Error(), fmt.Sprint(int64(newRow)), "a row that is not there yet has no number")
}

// manyRules are so many of each kind that are looked at for each message.
func manyRules(n int64) *settings.Rows {
	rows := &settings.Rows{Capacities: []settings.Capacity{{ID: 1, Enabled: true}}}
	for i := range n {
		id, name := i+1, fmt.Sprintf("d%d.test", i)
		rows.Pauses = append(rows.Pauses, settings.Pause{ID: id, Target: name, Cluster: true, Enabled: true})
		rows.CapacityRules = append(rows.CapacityRules,
			settings.CapacityRule{ID: id, Capacity: 1, Domain: name, Enabled: true})
		rows.Suppressions = append(rows.Suppressions,
			settings.Suppression{ID: id, Value: name, Type: "domain", Code: 550, Enabled: true})
		rows.ResponsePatterns = append(rows.ResponsePatterns,
			settings.ResponsePattern{ID: id, Pattern: name, Type: settings.Contains, Enabled: true})
		rows.ResponseActions = append(rows.ResponseActions, settings.ResponseAction{ID: id, Type: "addtag", Value: "x"})
		rows.ResponseLinks = append(rows.ResponseLinks, settings.ResponseLink{ID: id, Pattern: id, Action: id})
	}
	return rows
}

// TestCheckLooksAtFewRows however many there are.
func TestCheckLooksAtFewRows(t *testing.T) {
	all := manyRules(100)
	for table, v := range map[settings.TableName]Values{"paused": {"pool": ""}, "suppressions": {},
		"capacity_rules":    {"capacity": int64(1)},
		"response_patterns": {}, "response_patterns_actions": {"pattern": int64(7), "action": int64(8)}} {
		e, err := tableNamed(table)
		require.NoError(t, err)
		rows, err := concerned(all, e, e.describe(), 5, v)
		require.NoError(t, err)
		n := len(rows.Pauses) + len(rows.CapacityRules) + len(rows.Suppressions) + len(rows.ResponsePatterns) +
			len(rows.ResponseActions) +
			len(rows.ResponseLinks) + len(rows.Capacities)
		require.LessOrEqual(t, n, 3, table)
		require.Positive(t, n, table)
	}
	require.True(t, all.Pauses[4].Enabled)
}

// BenchmarkCheck looks at a pause beside 10,000 rules of each kind.
func BenchmarkCheck(b *testing.B) {
	all := manyRules(10_000)
	e, err := tableNamed("paused")
	require.NoError(b, err)
	for b.Loop() {
		v := Values{"target": "new.test", "cluster": true, "enabled": true}
		rows, err := concerned(all, e, e.describe(), newRow, v)
		if err == nil {
			err = e.Place(rows, newRow, v)
		}
		require.NoError(b, err)
		require.Empty(b, snapshot.Check(rows, "paused", newRow))
	}
}
