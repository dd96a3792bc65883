package sheets

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// rowForm is what was typed into the form of a row.
type rowForm struct {
	values admin.Values      // to be stored: texts, and booleans of check boxes
	typed  url.Values        // as it came in
	wrong  map[string]string // by column: what was expected
}

// prefix goes before the columns in the names of fields, so that none is taken for a part of the form itself.
const prefix = "v."

// input is a field as templates show it.
type input struct {
	Column, Name, ID, Label, Unit, Hint, Value, Placeholder, Error string
	// id of the form it belongs to; "": the one it stands in
	Form string
	// "text", "long", "number", "check", "choice", "time"
	Kind                        string
	Options                     []option
	List                        string // id of a datalist
	Checked, Required, ReadOnly bool
	Set                         bool // it has a value that says something
}

type option struct {
	Value, Text string
	Selected    bool
}

// read takes the fields of a form that are columns of the table.
func read(t *admin.Table, columns []string, form url.Values, now time.Time) rowForm {
	f := rowForm{values: admin.Values{}, typed: form, wrong: map[string]string{}}
	for _, name := range columns {
		field := t.Field(name)
		if field == nil {
			continue
		}
		if field.Type == admin.Boolean {
			f.values[name] = form.Get(prefix+name) != ""
			continue
		}
		if !form.Has(prefix + name) {
			continue
		}
		given := form.Get(prefix + name)
		if field.Type == admin.Long {
			given = strings.ReplaceAll(given, "\r\n", "\n")
		}
		if field.Type == admin.Time {
			given = spanFrom(now, given)
		}
		if field.Secret && strings.TrimSpace(given) == "" {
			continue // it stays as it is
		}
		f.values[name] = given
	}
	return f
}

// spanFrom turns "2h" into the time in two hours; whatever else it is stays.
func spanFrom(now time.Time, given string) string {
	given = strings.TrimSpace(given)
	if days, ok := strings.CutSuffix(given, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 14); err == nil {
			return settings.FormatTime(now.Add(time.Duration(n) * 24 * time.Hour))
		}
	}
	if span, err := time.ParseDuration(given); err == nil && span > 0 && given != "" {
		return settings.FormatTime(now.Add(span))
	}
	return given
}

// blame puts what Admin says beside the fields, and returns what belongs to none of them.
func (f *rowForm) blame(t *admin.Table, wrong *admin.Invalid, columns []string) string {
	var rest []string
	for _, p := range wrong.Problems {
		said := expectation(t.Field(p.Field), p)
		if contains(columns, p.Field) {
			f.wrong[p.Field] = said
		} else {
			rest = append(rest, strings.TrimSpace(human.Capital(p.Field)+" "+said))
		}
	}
	return strings.Join(rest, " ")
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// expectation is a sentence below a field.
func expectation(field *admin.Field, p admin.Problem) string {
	expected := p.Expected
	if field != nil && field.Type == admin.Limit && strings.HasPrefix(expected, "-1 ") {
		expected = "nothing (not set), 0 (unlimited) or a whole number"
	}
	if field != nil && field.Type == admin.Reference && strings.HasPrefix(expected, "the id of") {
		expected = "one of the list"
	}
	switch {
	case expected == "":
		return "This cannot be."
	case p.Given == "" || p.Given == `""`:
		return "Expected " + expected + "."
	}
	return "Expected " + expected + ", not " + p.Given + "."
}

// hash tells whether a form is still as it was when it was shown.
func (f *rowForm) hash() string {
	own := url.Values{}
	for name, all := range f.typed {
		if strings.HasPrefix(name, prefix) {
			own[name] = all
		}
	}
	sum := sha256.Sum256([]byte(own.Encode()))
	return hex.EncodeToString(sum[:8])
}

// former makes the fields of a form.
type former struct {
	v      *visit
	table  admin.Table
	form   string       // id of the form, where fields stand outside of it
	row    admin.Values // as stored; nil: a new row
	typed  *rowForm     // nil: as stored
	prompt map[string]string
	id     string // begin of the ids
	fixed  string
}

// input makes one field; nil when the table has no such column.
func (f *former) input(column string) *input {
	field := f.table.Field(column)
	if field == nil {
		return nil
	}
	w := wordsOf(f.table.Name, column)
	in := &input{Column: column, Name: prefix + column, ID: f.id + column, Label: w.label, Unit: w.unit, Hint: w.hint,
		Placeholder: w.blank, Form: f.form,
		Kind: "text", Required: field.Required, ReadOnly: column == f.fixed && f.row != nil}
	value := f.value(field)
	if b, ok := value.(bool); ok {
		in.Kind, in.Checked, in.Set = "check", b, b
		in.Value = "1"
	} else {
		in.Value = valueText(field, value)
		in.Set = in.Value != "" && value != field.Default
	}
	f.shape(in, field)
	if f.typed != nil {
		in.Error = f.typed.wrong[column]
		in.Set = in.Set || in.Error != ""
	}
	if text := f.prompt[column]; text != "" {
		in.Placeholder = text
	}
	return in
}

// value is what was typed, else what is stored, else the default.
func (f *former) value(field *admin.Field) any {
	if f.typed != nil {
		if b, ok := f.typed.values[field.Name].(bool); ok {
			return b
		}
		if field.Secret {
			return ""
		}
		if f.typed.typed.Has(prefix + field.Name) {
			return f.typed.typed.Get(prefix + field.Name)
		}
	}
	if f.row != nil {
		return hideSecret(f.row, field.Name)
	}
	if field.Name == "cluster" {
		return true
	}
	return field.Default
}

// valueText writes a value as a field holds it.
func valueText(field *admin.Field, value any) string {
	switch v := value.(type) {
	case int64:
		if field.Type == admin.Limit && v < 0 || v == 0 && (field.Type == admin.Reference || field.Min > 0) {
			return ""
		}
		return strconv.FormatInt(v, 10)
	case string:
		return v
	}
	return ""
}

// shape says what kind of field it is.
func (f *former) shape(in *input, field *admin.Field) {
	switch field.Type {
	case admin.Long:
		in.Kind = "long"
	case admin.Integer:
		in.Kind = "number"
	case admin.Limit:
		in.Kind, in.Placeholder = "number", "not set"
		if levels := levelWords(in.Column); levels != nil {
			f.levels(in, levels)
		}
	case admin.Choice:
		if f.table.Name == settings.TableSuppressions {
			in.Required = false // it can be told by what is written
		}
		f.choices(in, field.Choices)
	case admin.Reference:
		in.Kind, in.Options = "choice", f.references(field.Refers, in.Value)
	case admin.Time:
		in.Kind = "time"
	case admin.PoolName:
		in.List = "pool-names"
	case admin.IP:
		in.List = "own-addresses"
		if in.Column == "ip" && f.table.Name != settings.TablePoolIPs || in.Column == "connect_ip" {
			in.List = ""
		}
	case admin.Text:
		if in.Column == "type" && strings.HasSuffix(string(f.table.Name), "_actions") {
			f.actions(in)
		}
	}
}

// levels offers the few values that a limit has.
func (f *former) levels(in *input, levels []string) {
	in.Kind = "choice"
	blank := "not set"
	if prompt := f.prompt[in.Column]; prompt != "" {
		blank = prompt
	}
	in.Options = []option{{"", blank, in.Value == ""}}
	for i, level := range levels {
		n := strconv.Itoa(i)
		in.Options = append(in.Options, option{n, level, in.Value == n})
	}
}

func (f *former) choices(in *input, choices []string) {
	in.Kind = "choice"
	if !in.Required || !contains(choices, in.Value) {
		in.Options = append(in.Options, option{in.Value, in.Value, true})
		if in.Value == "" {
			in.Options[0].Text = "choose"
			if !in.Required {
				told := f.table.Name == settings.TableSuppressions
				in.Options[0].Text = either(told, "told by whether it has an @", "as usual: "+choices[0])
			}
		}
	}
	for _, c := range choices {
		in.Options = append(in.Options, option{c, choiceWords(c), c == in.Value})
	}
	if in.Required && in.Value == "" && f.row == nil && contains(choices, settings.Contains) {
		in.Value, in.Options = settings.Contains, in.Options[1:]
		// domains and addresses, not parts of a text
		if contains(choices, settings.Global) || f.table.Name == settings.TableLocals {
			in.Value = settings.Exact
		}
		for i := range in.Options {
			in.Options[i].Selected = in.Options[i].Value == in.Value
		}
	}
}

// maxReferences bounds a list to choose from.
const maxReferences = 500

// references are the rows of a table to choose from, by name.
func (f *former) references(table settings.TableName, chosen string) []option {
	list, _, err := rows(f.v.R.Context(), f.v.c.Admin, table, admin.Query{Limit: maxReferences})
	all := []option{{"", "choose", chosen == ""}}
	if err != nil {
		return all
	}
	found := false
	for _, r := range list.Rows {
		id := strconv.FormatInt(r.ID, 10)
		found = found || id == chosen
		all = append(all, option{id, human.Cut(referenceName(table, &r), 120), id == chosen})
	}
	if chosen != "" && !found {
		all = append(all, option{chosen, "number " + human.Cut(chosen, 30), true})
	}
	return all
}

func referenceName(table settings.TableName, r *admin.Row) string {
	name := text(r.Values, "name")
	if table == settings.TableResponseActions {
		name += ": " + actionWords(r.Values)
	}
	if name == "" {
		return fmt.Sprintf("number %d", r.ID)
	}
	return name
}

// actions are what a rule can do.
func (f *former) actions(in *input) {
	rewrite := f.table.Name == settings.TableRewriteActions
	known := false
	for _, a := range f.v.c.Tools.Actions {
		if rewrite && a.Rewrite || !rewrite && a.Response {
			known = known || a.Name == in.Value
			in.Options = append(in.Options, option{a.Name, a.Name + ": " + a.Meaning, a.Name == in.Value})
		}
	}
	if len(in.Options) == 0 {
		return
	}
	in.Kind = "choice"
	if !known {
		in.Options = append([]option{{in.Value, cmp.Or(in.Value, "choose"), true}}, in.Options...)
	}
}

// hideSecret returns a value of a row. The password of a relay is never shown.
func hideSecret(row admin.Values, column string) any {
	value := row[column]
	if s, ok := value.(string); ok && column == "value" && text(row, "type") == "smarthost" {
		return maskPassword(s)
	}
	return value
}

const mask = "••••••••"

// maskPassword hides the password of user:password@host.
func maskPassword(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	user, _, ok := strings.Cut(s[:at], ":")
	if !ok {
		return s
	}
	return user + ":" + mask + s[at:]
}

// unmask puts the password that is stored in the place of its mask.
func unmask(given, stored string) string {
	user, _, ok := strings.Cut(given, ":"+mask+"@")
	at := strings.LastIndexByte(stored, '@')
	if !ok || at < 0 {
		return given
	}
	_, password, ok := strings.Cut(stored[:at], ":")
	if !ok {
		return given
	}
	return user + ":" + password + given[len(user)+len(":"+mask):]
}
