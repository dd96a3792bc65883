package sheets

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// rowData is what row.html gets: the page of one row, or the form for a new one.
type rowData struct {
	Sheet     *sheetWords
	ID        int64 // 0: a new row
	Action    string
	Name      string
	Version   string
	State     rowState
	On        bool
	Enabled   bool // it can be switched on and off
	Writable  bool
	Down      string
	Problem   string // what is wrong with the whole
	Groups    []groupData
	Save      string // words of the button
	Subs      []subData
	Differing []difference // from what somebody else has saved meanwhile
	Touch     *touched
	Touches   bool // what will change is told while somebody types
	Try       *tried
	Pools     []string
	Addresses []string
	Facts     []fact       // told beside the form
	Key       *keyData     // of a DKIM key
	Actions   []Action     // explained below the form
	For       int64        // a response pattern that what is made here is for
	row       admin.Values // as stored
	form      *rowForm     // as typed; nil: nothing was
}

type fact struct{ Name, Text string }

// Typed tells that the form comes back with what was typed, which is not saved.
func (d *rowData) Typed() bool { return d.form != nil }

type groupData struct {
	Title, Note string
	Folded      bool
	Inputs      []*input
	Try         *tried // stands below the pattern that it tries
	Make        string // how to come by the key that the group is about; "": there is no choice
}

// difference is a column that two people have changed.
type difference struct{ Label, Theirs, Yours string }

// show is the page of a row.
func (s *sheet) show(v *visit) error {
	d, err := s.load(v)
	if err != nil {
		return err
	}
	if d.ID == 0 {
		d.form = s.offered(v)
	}
	return s.present(v, d, http.StatusOK)
}

// offered is a new row with what the address says of it: /pauses/new?target=example.com.
func (s *sheet) offered(v *visit) *rowForm {
	q := v.R.URL.Query()
	t := s.describe(v)
	form := rowForm{values: admin.Values{}, typed: map[string][]string{}, wrong: map[string]string{}}
	for _, f := range t.Fields {
		if given := q.Get(f.Name); given != "" && !f.Secret && f.Type != admin.Boolean {
			form.typed.Set(prefix+f.Name, human.Cut(given, 500))
		}
	}
	if len(form.typed) == 0 {
		return nil
	}
	return &form
}

// load finds the row of the address.
func (s *sheet) load(v *visit) (*rowData, error) {
	id, err := rowID(v)
	if err != nil {
		return nil, err
	}
	d := &rowData{Sheet: s.words(), ID: id, Action: s.path + "/new", Writable: true, On: true}
	if id == 0 {
		if v.c.Settings != nil && v.c.Settings.State().Err != nil {
			d.Down = "Nothing can be changed now: the settings database cannot be reached."
		}
		return d, nil
	}
	row, down, err := s.get(v, id)
	if err != nil {
		return nil, err
	}
	d.adopt(s, v, &row)
	d.Down, d.Writable = down, down == ""
	return d, nil
}

// adopt takes over a row as stored.
func (d *rowData) adopt(s *sheet, v *visit, row *admin.Row) {
	t := s.describe(v)
	d.ID, d.Action, d.Version, d.row = row.ID, s.rowPath(row.ID), row.Version, row.Values
	d.Name = s.name(row.Values)
	d.State = s.state(v.c, row)
	d.Enabled = t.Enabled
	d.On = row.Values["enabled"] != false
}

// columnsOf are all columns that the form asks for.
func (s *sheet) columnsOf() []string {
	var all []string
	for _, g := range s.groups {
		all = append(all, g.fields...)
	}
	return all
}

// present renders the page of a row.
func (s *sheet) present(v *visit, d *rowData, status int) error {
	f := &former{v: v, table: s.describe(v), row: d.row, typed: d.form, fixed: s.fixed, id: "f-"}
	if s.table == settings.TableCapacity || s.table == settings.TableFloodResponses {
		f.prompt = s.fallbacks(v, d)
	}
	for _, g := range s.groups {
		made := groupData{Title: g.title, Note: g.note, Folded: g.folded}
		for _, column := range g.fields {
			in := f.input(column)
			if in == nil {
				continue
			}
			in.ReadOnly = in.ReadOnly || !d.Writable
			made.Folded = made.Folded && !in.Set
			made.Inputs = append(made.Inputs, in)
		}
		d.Groups = append(d.Groups, made)
	}
	s.presentTry(d)
	d.Pools, d.Addresses = v.c.poolNames(), v.c.Addresses()
	d.Save = s.saveWords(d)
	d.Touches = s.touches != nil
	if d.ID != 0 {
		if err := s.presentSubs(v, d); err != nil {
			return err
		}
	}
	if s.fill != nil {
		s.fill(v, d)
	}
	v.Title = s.pageTitle(d)
	return v.RenderStatus(status, "row", d)
}

// presentTry puts the try-out below the pattern, or at the end of the form.
func (s *sheet) presentTry(d *rowData) {
	if s.try == nil {
		return
	}
	if d.Try == nil {
		d.Try = s.try.blank()
	}
	for i := range d.Groups {
		for _, in := range d.Groups[i].Inputs {
			if in.Column == "pattern" || in.Column == "address" {
				d.Groups[i].Try, d.Try = d.Try, nil
				return
			}
		}
	}
}

func (s *sheet) pageTitle(d *rowData) string {
	switch {
	case d.ID == 0:
		return s.add
	case d.Name == "":
		return human.Capital(s.one) + " " + strconv.FormatInt(d.ID, 10)
	}
	return human.Cut(d.Name, 120)
}

func (s *sheet) saveWords(d *rowData) string {
	switch {
	case s.preview && d.Touch == nil:
		return "See what will change"
	case s.save != nil && d.ID == 0 && d.form != nil && d.form.typed != nil:
		values := admin.Values{}
		for name := range d.form.typed {
			values[trimPrefix(name)] = d.form.typed.Get(name)
		}
		return s.save(values)
	case s.save != nil && d.ID == 0:
		return s.save(admin.Values{})
	case d.ID == 0:
		return s.add
	}
	return "Save the " + s.one
}

func trimPrefix(name string) string {
	if len(name) > len(prefix) && name[:len(prefix)] == prefix {
		return name[len(prefix):]
	}
	return ""
}

// poolNames are the pools to choose from.
func (c *Sheets) poolNames() []string {
	var all []string
	for _, p := range c.Settings.Current().Rows.Pools {
		all = append(all, p.Name)
	}
	slices.Sort(all)
	return all[:min(len(all), maxReferences)]
}

// store saves a row, or tries a pattern, or shows what saving would do.
func (s *sheet) store(v *visit) error {
	d, err := s.load(v)
	if err != nil {
		if errors.Is(err, admin.ErrNotFound) {
			return s.gone()
		}
		return err
	}
	t := s.describe(v)
	form := read(&t, s.columnsOf(), v.R.PostForm, v.c.Now())
	d.form = &form
	s.keepSecrets(&form, d.row)
	if v.R.PostForm.Get("do") == "try" && s.try != nil {
		d.Try = s.try.run(v, v.R.PostForm)
		return s.present(v, d, http.StatusOK)
	}
	if s.accept != nil {
		if err := s.accept(v, &form); err != nil {
			return s.refused(v, d, err)
		}
	}
	if s.preview && v.R.PostForm.Get("seen") != form.hash() {
		d.Touch = v.touch(s.touches(typedValues(&form)))
		d.Touch.Seen = form.hash()
		return s.present(v, d, http.StatusOK)
	}
	return s.write(v, d, &form)
}

func typedValues(f *rowForm) admin.Values {
	values := admin.Values{}
	for name, value := range f.values {
		values[name] = value
	}
	return values
}

// keepSecrets gives back what was only shown masked.
func (s *sheet) keepSecrets(form *rowForm, stored admin.Values) {
	if given, ok := form.values["value"].(string); ok && stored != nil {
		form.values["value"] = unmask(given, text(stored, "value"))
	}
	if s.fixed != "" && stored != nil {
		delete(form.values, s.fixed)
	}
}

func (s *sheet) write(v *visit, d *rowData, form *rowForm) error {
	var row admin.Row
	var err error
	if d.ID == 0 {
		row, err = v.c.Admin.Create(v.R.Context(), s.table, form.values)
	} else {
		row, err = v.c.Admin.Update(v.R.Context(), s.table, d.ID, form.values, v.R.PostForm.Get("version"))
	}
	if err != nil {
		return s.refused(v, d, err)
	}
	if s.under != nil && d.ID == 0 {
		if to, notice, ok := linkAction(v, row); ok {
			return v.Redirect(to, notice)
		}
	}
	notice := "Saved. " + human.Capital(s.called(row.Values)) + " is in force."
	if row.Values["enabled"] == false {
		notice = "Saved. " + human.Capital(s.called(row.Values)) + " is switched off."
	}
	to := s.path
	if len(s.subs) > 0 || s.table == settings.TableDKIMKeys {
		to = s.rowPath(row.ID)
		if d.ID == 0 && len(s.subs) > 0 {
			notice = "Saved. Now say below " + s.subs[0].asks + "."
		}
	}
	return v.Redirect(to, notice)
}

// refused shows the form again, with all that was typed, and what is wrong with it.
func (s *sheet) refused(v *visit, d *rowData, err error) error {
	t := s.describe(v)
	if wrong, ok := errors.AsType[*admin.Invalid](err); ok {
		d.Problem = d.form.blame(&t, wrong, s.columnsOf())
		if len(d.form.wrong) > 0 {
			d.Problem = "Nothing was saved: " + human.Plural(len(d.form.wrong), "field") + " below " +
				human.Pick(len(d.form.wrong), "needs", "need") + " another value. " + d.Problem
		}
		return s.present(v, d, http.StatusBadRequest)
	}
	if other, ok := errors.AsType[*admin.Conflict](err); ok {
		d.Problem = "Nothing was saved: " + other.Reason + "."
		if other.Current != nil && d.ID != 0 {
			s.compare(&t, d, other.Current)
			yours := d.form
			d.adopt(s, v, other.Current)
			d.form = yours
		}
		return s.present(v, d, http.StatusConflict)
	}
	if errors.Is(err, admin.ErrUnavailable) {
		d.Problem = "Nothing was saved: " + human.Cut(err.Error(), 300) +
			". What you typed is still below; save it again when the database is back."
		return s.present(v, d, http.StatusServiceUnavailable)
	}
	if errors.Is(err, admin.ErrNotFound) && d.ID != 0 {
		return s.gone()
	}
	return err
}

// compare lists what somebody else has made of a row, and what was typed here.
func (s *sheet) compare(t *admin.Table, d *rowData, now *admin.Row) {
	for _, column := range s.columnsOf() {
		field := t.Field(column)
		if field == nil || field.Secret {
			continue
		}
		yours, given := d.form.values[column]
		typed, problem := field.Value(yours)
		if !given || problem == nil && typed == now.Values[column] {
			continue
		}
		d.Differing = append(d.Differing, difference{wordsOf(s.table, column).label,
			plainValue(field, hideSecret(now.Values, column)), plainValue(field, yours)})
	}
}

func plainValue(field *admin.Field, value any) string {
	switch v := value.(type) {
	case bool:
		return either(v, "yes", "no")
	case string:
		return cmp.Or(human.Cut(v, 300), "not set")
	}
	return cmp.Or(valueText(field, value), "not set")
}

// gone tells that somebody deleted the row meanwhile.
func (s *sheet) gone() error {
	return &frame.Fault{Status: http.StatusConflict,
		What: "Somebody has deleted this " + s.one + " in the meantime. Nothing was saved.",
		Next: "Go back with your browser: what you typed is still there, and can be copied into a new one."}
}
