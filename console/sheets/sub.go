package sheets

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// subsheet describes rows that are edited on the page of the row that they belong to.
type subsheet struct {
	table        settings.TableName
	parent       string // parent is the column that names the row above: by its id, or by its name
	byName       bool
	title, one   string
	about, empty string
	asks         string // what to do next after the row above was made: "where it holds"
	columns      []string
	moves        bool // adding a row that is elsewhere takes it from there
	waiting      bool // how much mail waits for what a row selects is told
}

// subData is a table of such rows.
type subData struct {
	Table                            settings.TableName
	Title, One, About, Empty, Action string
	Heads                            []string
	Rows                             []subRow
	New                              *subRow
	Waiting                          bool
	More                             int // rows that are not shown
	Link                             *option
}

type subRow struct {
	ID                    int64 // 0: the row that is being added
	Form, Version, Action string
	Inputs                []*input
	Broken, Problem       string
	Waiting               string
}

const maxSubRows = 300

// key is what the rows below a row name it by.
func (sub *subsheet) key(d *rowData) any {
	if sub.byName {
		return text(d.row, "name")
	}
	return d.ID
}

// presentSubs lists what belongs to a row. What was typed into one of them and refused is in its place already.
func (s *sheet) presentSubs(v *visit, d *rowData) error {
	typed := d.Subs
	d.Subs = nil
	for i := range s.subs {
		made, err := s.presentSub(v, d, &s.subs[i])
		if err != nil {
			return err
		}
		for _, t := range typed {
			if t.Table == made.Table {
				made.put(t.Rows[0])
			}
		}
		d.Subs = append(d.Subs, *made)
	}
	return nil
}

// put replaces a row by what was typed into it.
func (d *subData) put(row subRow) {
	if row.ID == 0 {
		d.New = &row
	}
	for i := range d.Rows {
		if d.Rows[i].ID == row.ID && row.ID != 0 {
			d.Rows[i] = row
		}
	}
}

func (s *sheet) presentSub(v *visit, d *rowData, sub *subsheet) (*subData, error) {
	made := &subData{Table: sub.table, Title: sub.title, One: sub.one, About: sub.about, Empty: sub.empty,
		Action: s.rowPath(d.ID) + "/" + string(sub.table), Waiting: sub.waiting}
	list, _, err := rows(v.R.Context(), v.c.Admin, sub.table,
		admin.Query{Where: admin.Values{sub.parent: sub.key(d)}, Limit: maxSubRows})
	if err != nil {
		return nil, err
	}
	made.More = list.Total - len(list.Rows)
	for _, column := range sub.columns {
		made.Heads = append(made.Heads, wordsOf(sub.table, column).label)
	}
	for i := range list.Rows {
		r := &list.Rows[i]
		row := s.subRow(v, d, sub, r.ID, r.Values, nil)
		row.Version, row.Broken = r.Version, r.Broken
		if sub.waiting && i < 50 {
			row.Waiting = v.waiting(touchSelection(r.Values))
		}
		made.Rows = append(made.Rows, row)
	}
	if d.Writable {
		row := s.subRow(v, d, sub, 0, nil, nil)
		made.New = &row
	}
	if sub.table == settings.TableResponseLinks {
		made.Link = &option{"/response-actions/new?for=" + strconv.FormatInt(d.ID, 10),
			"Make another action for this pattern", false}
	}
	return made, nil
}

// subRow makes the fields of one row.
func (s *sheet) subRow(v *visit, d *rowData, sub *subsheet, id int64, values admin.Values, typed *rowForm) subRow {
	name := strconv.FormatInt(id, 10)
	if id == 0 {
		name = "new"
	}
	row := subRow{ID: id, Form: "s-" + string(sub.table) + "-" + name, Action: s.rowPath(d.ID) + "/" + string(sub.table) + "/" + name}
	f := &former{v: v, table: describe(v, sub.table), row: values, typed: typed, form: row.Form, id: row.Form + "-"}
	for _, column := range sub.columns {
		in := f.input(column)
		in.ReadOnly = !d.Writable
		row.Inputs = append(row.Inputs, in)
	}
	return row
}

// storeSub saves or removes a row that belongs to another.
func (s *sheet) storeSub(sub *subsheet) view {
	return func(v *visit) error {
		d, err := s.load(v)
		if err != nil {
			return err
		}
		id := int64(0)
		if name := v.R.PathValue("row"); name != "new" {
			if id, err = strconv.ParseInt(name, 10, 64); err != nil || id < 1 {
				return frame.Missing("There is no such row.")
			}
			if err := s.belongs(v, d, sub, id); err != nil {
				return err
			}
		}
		if v.R.PostForm.Get("do") == "remove" && id != 0 {
			if err := v.c.Admin.Delete(v.R.Context(), sub.table, id, v.R.PostForm.Get("version")); err != nil {
				return err
			}
			return v.Redirect(s.rowPath(d.ID)+"#"+string(sub.table), "The "+sub.one+" is removed.")
		}
		return s.saveSub(v, d, sub, id)
	}
}

// belongs refuses rows of others.
func (s *sheet) belongs(v *visit, d *rowData, sub *subsheet, id int64) error {
	row, err := v.c.Admin.Get(v.R.Context(), sub.table, id)
	if err != nil {
		return err
	}
	if row.Values[sub.parent] != sub.key(d) {
		return frame.Missing("It does not belong to " + s.called(d.row) + ".")
	}
	return nil
}

func (s *sheet) saveSub(v *visit, d *rowData, sub *subsheet, id int64) error {
	t := describe(v, sub.table)
	form := read(&t, sub.columns, v.R.PostForm, v.c.Now())
	notice := "The " + sub.one + " is saved and in force."
	var err error
	switch {
	case id != 0:
		err = s.changeSub(v, sub, id, &form)
	case sub.moves:
		form.values[sub.parent] = sub.key(d)
		notice, err = moveHere(v, sub, form.values)
	default:
		form.values[sub.parent] = sub.key(d)
		_, err = v.c.Admin.Create(v.R.Context(), sub.table, form.values)
	}
	if err == nil {
		return v.Redirect(s.rowPath(d.ID)+"#"+string(sub.table), notice)
	}
	return s.refusedSub(v, d, sub, id, &form, err)
}

func (s *sheet) changeSub(v *visit, sub *subsheet, id int64, form *rowForm) error {
	if given, ok := form.values["value"].(string); ok {
		old, err := v.c.Admin.Get(v.R.Context(), sub.table, id)
		if err != nil {
			return err
		}
		form.values["value"] = unmask(given, text(old.Values, "value"))
	}
	_, err := v.c.Admin.Update(v.R.Context(), sub.table, id, form.values, v.R.PostForm.Get("version"))
	return err
}

// moveHere adds a row that may be part of another, such as an address of another pool.
func moveHere(v *visit, sub *subsheet, values admin.Values) (string, error) {
	former := ""
	if given, ok := values["ip"].(string); ok {
		if ip, problem := (&admin.Field{Type: admin.IP}).Value(given); problem == nil {
			list, err := v.c.Admin.List(v.R.Context(), sub.table, admin.Query{Where: admin.Values{"ip": ip}, Limit: 1})
			if err != nil {
				return "", err
			}
			if len(list.Rows) > 0 {
				former = text(list.Rows[0].Values, sub.parent)
			}
		}
	}
	row, created, err := v.c.Admin.Put(v.R.Context(), sub.table, values)
	if err != nil {
		return "", err
	}
	if created || former == "" || former == values[sub.parent] {
		return fmt.Sprintf("%s is in the pool “%s” now.", row.Values["ip"], row.Values[sub.parent]), nil
	}
	return fmt.Sprintf("%s has moved here from the pool “%s”.", row.Values["ip"], human.Cut(former, 100)), nil
}

// refusedSub shows the page again, with what was typed in its place.
func (s *sheet) refusedSub(v *visit, d *rowData, sub *subsheet, id int64, form *rowForm, err error) error {
	t := describe(v, sub.table)
	status := http.StatusBadRequest
	row := subRow{}
	if wrong, ok := errors.AsType[*admin.Invalid](err); ok {
		problem := form.blame(&t, wrong, sub.columns)
		row = s.subRow(v, d, sub, id, nil, form)
		row.Problem = cmp.Or(problem, "Nothing was saved: a field needs another value.")
	} else if other, ok := errors.AsType[*admin.Conflict](err); ok {
		status = http.StatusConflict
		row = s.subRow(v, d, sub, id, nil, form)
		row.Problem = "Nothing was saved: " + other.Reason + "."
		if other.Current != nil {
			row.Version = other.Current.Version
			row.Problem += " Now it says: " + saying(&t, sub.columns, other.Current.Values) +
				". Save again to replace that by yours."
		}
	} else {
		return err
	}
	if row.Version == "" {
		row.Version = v.R.PostForm.Get("version")
	}
	d.Subs = []subData{{Table: sub.table, Rows: []subRow{row}}}
	return s.present(v, d, status)
}

// saying writes what is set in a row.
func saying(t *admin.Table, columns []string, values admin.Values) string {
	said := ""
	for _, column := range columns {
		value := plainValue(t.Field(column), hideSecret(values, column))
		if value == "not set" {
			continue
		}
		if said != "" {
			said += ", "
		}
		said += wordsOf(t.Name, column).label + ": " + value
	}
	return cmp.Or(said, "nothing")
}
