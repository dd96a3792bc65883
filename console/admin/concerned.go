package admin

import (
	"slices"

	"github.com/sluicemail/sluice/config/settings"
)

// concerned returns those rows that decide whether a row with an id and values makes sense: the one that it replaces,
// those that it refers to, and the rest of tables whose rows contradict each other. So a check costs the same however
// many rules there are. Rows that are referred to count as enabled: who prepares a rule that is switched off wants to
// hear of mistakes at once.
func concerned(all *settings.Rows, t entity, d *Table, id int64, values Values) (*settings.Rows, error) {
	rows := new(settings.Rows)
	t.Keep(rows, all, id)
	whole := together(t.name())
	for i := range d.Fields {
		f := &d.Fields[i]
		switch ref, isID := values[f.Name].(int64); {
		case f.Type == PoolName:
			whole = append(whole, settings.TablePools, settings.TablePoolIPs)
		case f.Type == Reference && isID && !slices.Contains(whole, f.Refers):
			other, err := tableNamed(f.Refers)
			if err != nil {
				return nil, err
			}
			other.Keep(rows, all, ref)
			other.Enable(rows)
		}
	}
	for _, name := range whole {
		other, err := tableNamed(name)
		if err != nil {
			return nil, err
		}
		other.KeepAll(rows, all)
	}
	return rows, nil
}

// together returns the tables whose rows only make sense, or none, beside each other.
func together(table settings.TableName) []settings.TableName {
	switch table {
	case settings.TableDelegates, settings.TableExternalMTAs:
		return []settings.TableName{table}
	case settings.TablePools, settings.TablePoolIPs:
		return []settings.TableName{settings.TablePools, settings.TablePoolIPs}
	case settings.TableSchedules, settings.TableScheduleSteps, settings.TableScheduleRules:
		return []settings.TableName{settings.TableSchedules, settings.TableScheduleSteps, settings.TableScheduleRules,
			settings.TableCapacity}
	}
	return nil
}
