package sheets

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// sheet describes the pages of one table: its list, and the page of each row.
type sheet struct {
	path  string // of the list
	title string
	group frame.Group
	table settings.TableName
	one   string // "throttle"
	about string // a sentence on top of the list
	empty string // what an empty list says: what would be here, and what it is good for
	end   string // word of the link that leads to deleting a row; "": Delete
	add   string // words of the link that leads to an empty form; "": rows cannot be added here

	columns []listColumn
	groups  []fieldGroup
	subs    []subsheet
	fixed   string // column that cannot be changed once the row is there

	named  func(admin.Values) string // what a row is called; nil: its column "name"
	save   func(admin.Values) string // words of the button that saves; nil: made of the above
	remove func(admin.Values) string // words of the button that deletes
	count  func(*Sheets) int         // beside the side bar's entry

	touches func(admin.Values) touch       // the mail that a row concerns; nil: none
	preview bool                           // what it concerns is shown before it is saved
	try     *tryOut                        // a pattern can be tried
	fill    func(*visit, *rowData)         // adds what only this sheet has to the page of a row
	with    func(*visit, *rowsData)        // the same for the list
	accept  func(*visit, *rowForm) error   // changes what was typed before it is saved
	drop    func(*visit, *admin.Row) error // deletes, instead of Admin.Delete
	under   *sheet                         // whose page it belongs to in the side bar
}

// fieldGroup is a part of a form.
type fieldGroup struct {
	title, note string
	fields      []string
	folded      bool // shown on demand while nothing in it is set
}

// Pages are the pages of all settings.
func (c *Sheets) Pages() []frame.Page {
	var all []frame.Page
	for _, s := range append(steeringSheets(), setUpSheets()...) {
		all = append(all, s.page(c))
	}
	return append(all, c.namesPage(), c.tokensPage())
}

func (s *sheet) page(c *Sheets) frame.Page {
	views := map[string]view{}
	s.route(views)
	if s.table == settings.TableFloodResponses {
		views["POST /floods/resume"] = resumeFlood
	}
	// what these do has rows of its own, for which there is no entry in the side bar
	if s.table == settings.TableResponsePatterns {
		actions := responseActions()
		actions.under = s
		actions.route(views)
	}
	p := frame.Page{Path: s.path, Title: s.title, Group: s.group, Routes: c.routes(views)}
	if s.count != nil {
		p.Count = func() int { return s.count(c) }
	}
	return p
}

func (s *sheet) route(routes map[string]view) {
	routes["GET "+s.path] = s.list
	routes["GET "+s.path+"/{id}"] = s.show
	routes["POST "+s.path+"/{id}"] = s.store
	routes["POST "+s.path+"/{id}/part"] = s.part
	routes["GET "+s.path+"/{id}/delete"] = s.ask
	routes["POST "+s.path+"/{id}/delete"] = s.erase
	routes["POST "+s.path+"/{id}/enable"] = s.enable
	routes["POST "+s.path+"/{id}/move"] = s.move
	if s.table == settings.TableDKIMKeys {
		routes["POST "+s.path+"/{id}/successor"] = succeedKey
		routes["POST "+s.path+"/{id}/use"] = useKey
		routes["POST "+s.path+"/{id}/withdraw"] = withdrawKey
	}
	for i := range s.subs {
		routes["POST "+s.path+"/{id}/"+string(s.subs[i].table)+"/{row}"] = s.storeSub(&s.subs[i])
	}
}

// rowID is the row of the address; 0 for "new".
func rowID(v *visit) (int64, error) {
	text := v.R.PathValue("id")
	if text == "new" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, frame.Missing("There is no such row.")
	}
	return id, nil
}

func (s *sheet) name(values admin.Values) string {
	if s.named != nil {
		return s.named(values)
	}
	name, _ := values["name"].(string)
	return name
}

// called is "the throttle “Gmail warm”".
func (s *sheet) called(values admin.Values) string {
	name := s.name(values)
	if name == "" {
		return "this " + s.one
	}
	return "the " + s.one + " “" + human.Cut(name, 100) + "”"
}

func (s *sheet) rowPath(id int64) string { return s.path + "/" + strconv.FormatInt(id, 10) }

// describe returns what Admin knows of the table.
func (s *sheet) describe(v *visit) admin.Table { return describe(v, s.table) }

func describe(v *visit, table settings.TableName) admin.Table {
	t, err := v.c.Admin.Table(table)
	if err != nil { // the names of tables are written here
		panic(err)
	}
	return t
}

// one row, from the database, or from memory while that cannot be reached; down says so.
func (s *sheet) get(v *visit, id int64) (row admin.Row, down string, err error) {
	a := v.c.Admin
	row, err = a.Get(v.R.Context(), s.table, id)
	if !errors.Is(err, admin.ErrUnavailable) {
		return row, "", err
	}
	list, _ := a.Remembered(v.R.Context(), s.table, admin.Query{Where: admin.Values{"id": id}, Limit: 1})
	if len(list.Rows) == 0 {
		return row, "", err
	}
	return list.Rows[0], whyDown(err), nil
}

// rows is Admin.List that falls back to what is in memory.
func rows(ctx context.Context, a *admin.Admin, table settings.TableName, q admin.Query) (list admin.List, down string,
	err error) {
	list, err = a.List(ctx, table, q)
	if !errors.Is(err, admin.ErrUnavailable) {
		return list, "", err
	}
	down = whyDown(err)
	list, err = a.Remembered(ctx, table, q)
	return list, down, err
}

func whyDown(err error) string {
	return "Nothing can be changed now: " + human.Cut(err.Error(), 200) + ". What you see are the settings in force."
}

// enable switches a row on or off.
func (s *sheet) enable(v *visit) error {
	id, err := rowID(v)
	if err != nil {
		return err
	}
	on := v.R.PostForm.Get("on") == "1"
	row, err := v.c.Admin.Enable(v.R.Context(), s.table, id, on)
	if err != nil {
		return err
	}
	notice := s.called(row.Values) + " is switched off and counts as absent."
	if on {
		notice = s.called(row.Values) + " is in force."
	}
	return v.Redirect(s.back(v), human.Capital(notice))
}

// back is the list as it was.
func (s *sheet) back(v *visit) string {
	if next := v.R.PostForm.Get("next"); next != "" {
		return frame.LocalPath(next)
	}
	return s.path
}

// move puts a row before or behind its neighbour.
func (s *sheet) move(v *visit) error {
	id, err := rowID(v)
	if err != nil {
		return err
	}
	const most = 10_000
	list, err := v.c.Admin.List(v.R.Context(), s.table, admin.Query{Limit: most})
	if err != nil {
		return err
	}
	if list.Total > most {
		return &frame.Fault{Status: http.StatusConflict, What: "There are too many rows to order them one by one.",
			Next: "Give them numbers in the field Priority instead."}
	}
	ids := make([]int64, len(list.Rows))
	at := -1
	for i, r := range list.Rows {
		if ids[i] = r.ID; r.ID == id {
			at = i
		}
	}
	if at < 0 {
		return frame.Missing("This " + s.one + " is not there any more.")
	}
	to := at + 1
	if v.R.PostForm.Get("to") == "up" {
		to = at - 1
	}
	if to < 0 || to >= len(ids) {
		return v.Redirect(s.back(v), "It stands there already.")
	}
	ids[at], ids[to] = ids[to], ids[at]
	if err := v.c.Admin.Order(v.R.Context(), s.table, ids); err != nil {
		return err
	}
	return v.Redirect(s.back(v), human.Capital(s.called(list.Rows[at].Values))+" is number "+strconv.Itoa(to+1)+" now.")
}
