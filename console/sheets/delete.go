package sheets

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// goneData is what rowgone.html gets: it asks whether a row is really to be deleted.
type goneData struct {
	Sheet         *sheetWords
	Name, Version string
	Action, Back  string
	Facts         []fact
	Below         []string // rows that go with it
	Touch         string
	Button        string
	Problem       string
	Down          string
}

// ask shows what would be deleted.
func (s *sheet) ask(v *visit) error {
	id, err := rowID(v)
	if err != nil {
		return err
	}
	row, down, err := s.get(v, id)
	if err != nil {
		return err
	}
	return s.confirm(v, &row, down, "", http.StatusOK)
}

func (s *sheet) confirm(v *visit, row *admin.Row, down, problem string, status int) error {
	d := &goneData{Sheet: s.words(), Name: s.name(row.Values), Version: row.Version, Action: s.rowPath(row.ID) + "/delete",
		Back: s.rowPath(row.ID), Down: down, Problem: problem}
	d.Facts = s.facts(v, row)
	d.Button = s.removeWords(row.Values)
	for i := range s.subs {
		sub := &s.subs[i]
		list, _, err := rows(v.R.Context(), v.c.Admin, sub.table,
			admin.Query{Where: admin.Values{sub.parent: sub.key(&rowData{ID: row.ID, row: row.Values})}, Limit: 1})
		if err == nil && list.Total > 0 {
			d.Below = append(d.Below, several(list.Total, sub.one))
		}
	}
	if s.touches != nil {
		t := s.touches(row.Values)
		if n, known := v.countMessages(t.filter); known && !t.none {
			d.Touch = human.Capital(human.Plural(n, "message")) + " that " + human.Pick(n, "waits", "wait") + " now " +
				human.Pick(n, "is", "are") + " concerned."
			if t.more {
				d.Touch = "At most " + human.Plural(n, "message") + " that " + human.Pick(n, "waits", "wait") + " now " +
					human.Pick(n, "is", "are") + " concerned."
			}
		}
	}
	v.Title = d.Button
	return v.RenderStatus(status, "rowgone", d)
}

func (s *sheet) removeWords(values admin.Values) string {
	if s.remove != nil {
		return s.remove(values)
	}
	return "Delete " + s.called(values)
}

// facts tell a row by what is set in it.
func (s *sheet) facts(v *visit, row *admin.Row) []fact {
	t := s.describe(v)
	var all []fact
	for _, column := range s.columnsOf() {
		field := t.Field(column)
		if field == nil || field.Secret {
			continue
		}
		value := hideSecret(row.Values, column)
		if value == field.Default {
			continue
		}
		if said := plainValue(field, value); said != "not set" {
			w := wordsOf(s.table, column)
			if w.unit != "" && field.Type != admin.Time {
				said += " " + w.unit
			}
			all = append(all, fact{w.label, said})
		}
	}
	return all
}

// erase deletes a row.
func (s *sheet) erase(v *visit) error {
	id, err := rowID(v)
	if err != nil {
		return err
	}
	row, down, err := s.get(v, id)
	if err != nil {
		return err
	}
	if down != "" {
		return s.confirm(v, &row, down, "", http.StatusServiceUnavailable)
	}
	if version := v.R.PostForm.Get("version"); version != row.Version {
		return s.confirm(v, &row, "",
			"Somebody has changed it in the meantime, and nothing was deleted. Look at it again: this is how it is now.",
			http.StatusConflict)
	}
	if s.drop != nil {
		err = s.drop(v, &row)
	} else {
		err = v.c.Admin.Delete(v.R.Context(), s.table, id, row.Version)
	}
	if other, ok := errors.AsType[*admin.Conflict](err); ok {
		return s.confirm(v, &row, "", "Nothing was deleted: "+other.Reason+".", http.StatusConflict)
	}
	if err != nil {
		return err
	}
	return v.Redirect(s.path, fmt.Sprintf("%s is deleted.", human.Capital(s.called(row.Values))))
}
