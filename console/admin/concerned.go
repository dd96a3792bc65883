package admin

import (
	"slices"

	"github.com/sluicemail/sluice/config/settings"
)

// concerned returns the rows that decide whether a row with an id and values makes sense: the row that it replaces,
// rows that it refers to, and the rest of tables whose rows contradict each other. So a check costs the same however
// many rules there are. Rows that are referred to count as enabled: who prepares a rule that is switched off wants to
// hear of mistakes at once.
func concerned(all *settings.Rows, t entity, d *Table, id int64, values Values) (*settings.Rows, error) {
	rows := new(settings.Rows)
	if err := t.keep(rows, all, id, nil); err != nil {
		return nil, err
	}
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
			if err := other.keep(rows, all, ref, Values{"enabled": true}); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range whole {
		other, err := tableNamed(name)
		if err != nil {
			return nil, err
		}
		other.Take(rows, all)
	}
	return rows, nil
}

// keep puts the row with an id, if there is one, into rows, with values of columns that it has.
func (e entity) keep(rows, from *settings.Rows, id int64, values Values) error {
	i := e.Index(from, id)
	if i < 0 {
		return nil
	}
	row := e.At(from, i).Values
	for name, v := range values {
		if _, has := row[name]; has {
			row[name] = v
		}
	}
	return e.Place(rows, id, row)
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
