package sheets

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// listColumn is a column of a list.
type listColumn struct {
	title string
	key   string // column of the table that it sorts by; "": it cannot be sorted by
	right bool
	cell  func(*Sheets, *admin.Row) cell // nil: the value of key
}

// cell is what stands in a column of a row.
type cell struct {
	Text, Whole string // Whole is shown on hover when Text was cut
	Code        string // a pattern or a name of the machine's, set apart
	Time        time.Time
	IsTime      bool
	Right       bool
}

// rowsData is what rows.html gets.
type rowsData struct {
	Sheet                      *sheetWords
	Search, Sort, Prev, Next   string
	Heads                      []head
	Rows                       []rowLine
	Total, From, To            int
	Count                      string // the total in words
	Export                     string // address of all rows that match, as comma separated values
	Down                       string // why nothing can be changed
	Broken                     []settings.Broken
	Ordered, Enabled, Writable bool
	Here                       string // address of the page, to come back to
	Floods                     []admin.Flood
	Days                       *admin.List
	Others                     []routeLine // routes of the file
	OthersFrom, OthersError    string
	More                       *option // a link beside the one that adds
}

// sheetWords are what templates may know of a sheet.
type sheetWords struct{ Path, Title, One, About, Empty, Add, End, UnderPath, UnderTitle string }

func (s *sheet) words() *sheetWords {
	w := &sheetWords{Path: s.path, Title: s.title, One: s.one, About: s.about, Empty: s.empty, Add: s.add,
		End: cmp.Or(s.end, "Delete")}
	if s.under != nil {
		w.UnderPath, w.UnderTitle = s.under.path, s.under.title
	}
	return w
}

type head struct {
	Title, Link, Direction string
	Right                  bool
}

type rowLine struct {
	ID         int64
	Link, Name string
	Whole      string
	Cells      []cell
	State      rowState
	On         bool
	Up, Down   bool
}

// rowState is whether a row is in force.
type rowState struct {
	Kind string // as of "kind" in templates
	Word string
	Why  string
}

const (
	listRows  = 50
	maxUnread = 20   // rows that cannot be read, of which is told
	sortable  = 5000 // rows that are sorted here, by whichever column; more come as the database has them
)

func (s *sheet) list(v *visit) error {
	q := v.R.URL.Query()
	search := strings.TrimSpace(human.Cut(q.Get("q"), 255))
	if q.Get("format") == "csv" {
		return s.export(v, search)
	}
	from, _ := strconv.Atoi(q.Get("from"))
	from = min(max(from, 0), 1<<31)
	list, sort, down, err := s.find(v, search, q.Get("sort"), from)
	if err != nil {
		return err
	}
	t := s.describe(v)
	d := &rowsData{Sheet: s.words(), Search: search, Sort: sort, Total: list.Total, From: from, To: from + len(list.Rows),
		Down: down, Broken: list.Broken[:min(len(list.Broken), maxUnread)],
		Enabled: t.Enabled && down == "", Writable: down == "", Here: v.R.URL.RequestURI()}
	d.Ordered = t.Ordered && down == "" && search == "" && sort == "" && list.Total > 1
	d.Count = several(d.Total, s.one)
	d.Export = s.path + "?" + url.Values{"format": {"csv"}, "q": {search}}.Encode()
	s.pageLinks(d)
	d.Heads = s.heads(d)
	parts := s.brokenParts(v)
	for i := range list.Rows {
		line := s.line(v, &list.Rows[i])
		if why := s.partOf(parts, &list.Rows[i]); why != "" && line.State.Kind == "fine" {
			line.State = rowState{"broken", "partly", why}
		}
		line.Up, line.Down = from+i > 0, from+i < list.Total-1
		d.Rows = append(d.Rows, line)
	}
	if s.with != nil {
		s.with(v, d)
	}
	if s.under != nil {
		v.Title = s.title
	}
	return v.Render("rows", d)
}

// find returns a page of rows. Small tables are sorted here by any column.
func (s *sheet) find(v *visit, search, sort string, from int) (list admin.List, sorted, down string, err error) {
	key := strings.TrimPrefix(sort, "-")
	known := slices.ContainsFunc(s.columns, func(c listColumn) bool { return c.key == key && key != "" })
	q := admin.Query{Search: search, Limit: listRows, Offset: from}
	if known {
		q.Limit, q.Offset = sortable, 0
	}
	if list, down, err = rows(v.R.Context(), v.c.Admin, s.table, q); err != nil || !known {
		return list, "", down, err
	}
	if list.Total > sortable { // too many: in the order of the database
		q.Limit, q.Offset = listRows, from
		list, down, err = rows(v.R.Context(), v.c.Admin, s.table, q)
		return list, "", down, err
	}
	slices.SortStableFunc(list.Rows, func(a, b admin.Row) int { return compareValues(a.Values[key], b.Values[key]) })
	if sort != key {
		slices.Reverse(list.Rows)
	}
	list.Rows = list.Rows[min(from, len(list.Rows)):]
	list.Rows = list.Rows[:min(listRows, len(list.Rows))]
	return list, sort, down, nil
}

func compareValues(a, b any) int {
	switch a := a.(type) {
	case int64:
		n, _ := b.(int64)
		return cmp.Compare(a, n)
	case string:
		s, _ := b.(string)
		return cmp.Compare(strings.ToLower(a), strings.ToLower(s))
	}
	return 0
}

func (s *sheet) pageLinks(d *rowsData) {
	if d.From > 0 {
		d.Prev = s.address(d.Search, d.Sort, max(d.From-listRows, 0))
	}
	if d.To < d.Total {
		d.Next = s.address(d.Search, d.Sort, d.From+listRows)
	}
}

func (s *sheet) address(search, sort string, from int) string {
	q := url.Values{}
	if search != "" {
		q.Set("q", search)
	}
	if sort != "" {
		q.Set("sort", sort)
	}
	if from > 0 {
		q.Set("from", strconv.Itoa(from))
	}
	if len(q) == 0 {
		return s.path
	}
	return s.path + "?" + q.Encode()
}

// heads are the columns. A third click on one gives the table its own order back.
func (s *sheet) heads(d *rowsData) []head {
	var all []head
	for _, c := range s.columns {
		h := head{Title: c.title, Right: c.right, Direction: "none"}
		if c.key != "" && d.Total <= sortable {
			h.Link = s.address(d.Search, c.key, 0)
			switch d.Sort {
			case c.key:
				h.Direction, h.Link = "ascending", s.address(d.Search, "-"+c.key, 0)
			case "-" + c.key:
				h.Direction, h.Link = "descending", s.address(d.Search, "", 0)
			}
		}
		all = append(all, h)
	}
	return all
}

func (s *sheet) line(v *visit, r *admin.Row) rowLine {
	name := s.name(r.Values)
	if name == "" {
		name = s.one + " " + strconv.FormatInt(r.ID, 10)
	}
	line := rowLine{ID: r.ID, Link: s.rowPath(r.ID), Name: human.Middle(name, 60), State: s.state(v.c, r),
		On: r.Values["enabled"] != false}
	if line.Name != name {
		line.Whole = human.Cut(name, 300)
	}
	for _, c := range s.columns[1:] {
		made := c.of(v.c, r)
		made.Right = c.right
		line.Cells = append(line.Cells, made)
	}
	return line
}

// of makes the cell of a row.
func (c *listColumn) of(from *Sheets, r *admin.Row) cell {
	if c.cell != nil {
		return c.cell(from, r)
	}
	switch value := hideSecret(r.Values, c.key).(type) {
	case bool:
		return cell{Text: either(value, "yes", "–")}
	case int64:
		return cell{Text: human.Count(value)}
	case string:
		return textCell(value)
	}
	return cell{}
}

func textCell(s string) cell {
	made := cell{Text: human.Middle(s, 60)}
	if made.Text != s {
		made.Whole = human.Cut(s, 300)
	}
	return made
}

// several counts things, whatever they end in: "2 addresses", "3 entries".
func several(n int, one string) string {
	if n != 1 && strings.HasSuffix(one, "s") {
		return human.Count(n) + " " + one + "es"
	}
	if stem, ok := strings.CutSuffix(one, "y"); ok && n != 1 {
		return human.Count(n) + " " + stem + "ies"
	}
	return human.Plural(n, one)
}

func either(yes bool, one, other string) string {
	if yes {
		return one
	}
	return other
}

// state tells whether a row is in force, and why not.
func (s *sheet) state(c *Sheets, r *admin.Row) rowState {
	end := cmp.Or(text(r.Values, "expire"), text(r.Values, "ends"))
	if s.table == settings.TableDKIMKeys {
		end = ""
	}
	over, err := settings.ParseTime(end)
	starts, _ := settings.ParseTime(text(r.Values, "starts"))
	cluster, ofOne := r.Values["cluster"].(bool)
	switch {
	case r.Broken != "":
		return rowState{"broken", "broken", "Not in force: " + human.Cut(r.Broken, 300)}
	case r.Values["enabled"] == false:
		return rowState{"off", "off", "It is switched off and counts as absent."}
	case err == nil && !over.IsZero() && !over.After(c.Now()):
		return rowState{"off", "over", "It was in force until " + human.Clock(over) + "."}
	case starts.After(c.Now()):
		return rowState{"off", "to come", "It is in force from " + human.Clock(starts) + " on."}
	case ofOne && !cluster && number(r.Values, "instance") == 0:
		return rowState{"fine", "everywhere",
			"It names neither the cluster nor an instance, and is in force on every instance that reads it."}
	case ofOne && !cluster && number(r.Values, "instance") != c.Admin.Instance:
		return rowState{"off", "elsewhere", "It is in force on instance " +
			strconv.FormatInt(number(r.Values, "instance"), 10) + " only."}
	}
	return rowState{"fine", "in force", ""}
}

// brokenParts tells for each row, by what the rows below it name it with, why one of those is not in force.
func (s *sheet) brokenParts(v *visit) map[any]string {
	parts := map[any]string{}
	for i := range s.subs {
		sub := &s.subs[i]
		for _, b := range v.c.Settings.Current().Broken {
			if b.Table != sub.table || len(parts) >= maxReferences {
				continue
			}
			list, err := v.c.Admin.Remembered(v.R.Context(), sub.table, admin.Query{Where: admin.Values{"id": b.ID}, Limit: 1})
			if err == nil && len(list.Rows) == 1 {
				parts[list.Rows[0].Values[sub.parent]] = "A " + sub.one + " of it is not in force: " + human.Cut(b.Reason, 300)
			}
		}
	}
	return parts
}

// partOf returns what brokenParts says of a row.
func (s *sheet) partOf(parts map[any]string, r *admin.Row) string {
	if why := parts[r.ID]; why != "" {
		return why
	}
	return parts[r.Values["name"]]
}
