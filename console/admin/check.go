package admin

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/internal/addr"
)

func sortedNames(v Values) []string { return slices.Sorted(maps.Keys(v)) }

// normal gives each value the type of its field, and finds all that cannot be. It adds nothing.
func normal(t *Table, values Values) (Values, error) {
	out := make(Values, len(values))
	var wrong []Problem
	for _, name := range sortedNames(values) {
		f := t.Field(name)
		if f == nil || f.ReadOnly {
			wrong = append(wrong, Problem{Field: name, Expected: "one of the fields " + t.names()})
			continue
		}
		if f.Type == Ignored {
			continue
		}
		v, p := f.Value(values[name])
		if p != nil {
			wrong = append(wrong, *p)
			continue
		}
		out[name] = v
	}
	if wrong != nil {
		return nil, &Invalid{wrong}
	}
	return out, nil
}

// normalQuery is normal for conditions, which may name the id.
func normalQuery(t *Table, values Values) (Values, error) {
	rest := maps.Clone(values)
	delete(rest, "id")
	for name := range rest {
		if f := t.Field(name); f != nil && f.Secret {
			return nil, &Invalid{[]Problem{{Field: name, Expected: "a column that is not secret"}}}
		}
	}
	out, err := normal(t, rest)
	if err != nil {
		return nil, err
	}
	if v, ok := values["id"]; ok {
		f := Field{Name: "id", Type: Integer, Min: 1, Max: math.MaxInt64}
		id, p := f.Value(v)
		if p != nil {
			return nil, &Invalid{[]Problem{*p}}
		}
		out["id"] = id
	}
	return out, nil
}

func (t *Table) names() string {
	var all []string
	for _, f := range t.Fields {
		if !f.ReadOnly {
			all = append(all, f.Name)
		}
	}
	return strings.Join(all, ", ")
}

// Value gives what came in from outside the type of the field: numbers and booleans may be texts. Problem is nil when
// it is possible; nothing is said about whether it is required.
func (f *Field) Value(given any) (any, *Problem) {
	switch f.Type {
	case Integer, Limit, Reference:
		return f.integer(given)
	case Boolean:
		return f.boolean(given)
	case IDs:
		return f.ids(given)
	case Age:
		return f.age(given)
	}
	return f.text(given)
}

func (f *Field) problem(given any, expected string) *Problem {
	p := &Problem{Field: f.Name, Given: show(given), Expected: expected}
	if f.Secret {
		p.Given = ""
	}
	return p
}

func (f *Field) integer(given any) (any, *Problem) {
	if text, isText := given.(string); given == nil || isText && strings.TrimSpace(text) == "" {
		if n, ok := f.Default.(int64); ok {
			return n, nil
		}
		return int64(0), nil
	}
	n, ok := asInteger(given)
	if !ok || f.Type == Reference && n < 0 || f.Type != Reference && (n < f.Min || n > f.Max) {
		return nil, f.problem(given, f.Expected())
	}
	return n, nil
}

// asInteger reads an integer of any type.
func asInteger(given any) (int64, bool) {
	switch v := given.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	case fmt.Stringer: // a json.Number
		n, err := strconv.ParseInt(v.String(), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func (f *Field) boolean(given any) (any, *Problem) {
	switch v := given.(type) {
	case nil:
		return f.Default == true, nil
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "1", "true", "yes", "on":
			return true, nil
		case "", "0", "false", "no", "off":
			return false, nil
		}
	default:
		if n, ok := asInteger(given); ok && (n == 0 || n == 1) {
			return n == 1, nil
		}
	}
	return nil, f.problem(given, f.Expected())
}

func (f *Field) text(given any) (any, *Problem) {
	var s string
	switch v := given.(type) {
	case nil:
	case string:
		s = v
	case bool:
		return nil, f.problem(given, f.Expected())
	case fmt.Stringer: // a json.Number
		s = v.String()
	default:
		n, ok := asInteger(given)
		if !ok {
			return nil, f.problem(given, f.Expected())
		}
		s = strconv.FormatInt(n, 10)
	}
	if !f.Secret && f.Type != Long && f.Type != Text {
		s = strings.TrimSpace(s)
	}
	if s == "" {
		return "", nil
	}
	s, ok := f.settle(s)
	if !ok {
		return nil, f.problem(given, f.Expected())
	}
	return s, nil
}

// settle checks a text that is not empty and gives it the form in which it is stored.
func (f *Field) settle(s string) (string, bool) {
	if strings.ContainsRune(s, 0) || f.Type != Long && strings.ContainsAny(s, "\r\n") {
		return "", false
	}
	switch f.Type {
	case IP:
		ip, err := netip.ParseAddr(s)
		return ip.Unmap().String(), err == nil && ip.Zone() == ""
	case Domain:
		if f.Wild && strings.ContainsAny(s, `*?[\`) {
			return s, !strings.ContainsAny(s, "@ \t")
		}
		domain := addr.Fold(s)
		return domain, addr.ValidDomain(domain, addr.Loose|addr.UTF8)
	case Time:
		t, err := settings.ParseTime(s)
		return settings.FormatTime(t), err == nil
	case Status:
		return s, enhanced(s)
	case Choice:
		i := slices.IndexFunc(f.Choices, func(choice string) bool { return strings.EqualFold(choice, s) })
		if i < 0 {
			return "", false
		}
		return f.Choices[i], true
	}
	return s, true
}

// enhanced recognises an enhanced status code (RFC 3463 §2).
func enhanced(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != "2" && parts[0] != "4" && parts[0] != "5" {
		return false
	}
	for _, p := range parts[1:] {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || n > 999 || strconv.Itoa(n) != p {
			return false
		}
	}
	return true
}

// Expected says in words what a field may hold.
func (f *Field) Expected() string {
	switch f.Type {
	case Integer, Limit:
		return f.expectedNumber()
	case Reference:
		return "the id of a row of " + string(f.Refers)
	case Boolean:
		return "true or false"
	case IP:
		return "an IP address"
	case Domain:
		if f.Wild {
			return "a domain, wildcards allowed"
		}
		return "a domain"
	case Time:
		return "a time as YYYY-MM-DD HH:MM:SS in UTC, or seconds since 1970"
	case Status:
		return "an enhanced status code such as 5.1.1"
	case Choice:
		return "one of " + strings.Join(f.Choices, ", ")
	case PoolName:
		return "the name of a pool"
	case Long:
		return "a text"
	case IDs:
		return "ids of rows"
	case Age:
		return "a time span such as 90s, 15m, 2h or 3d"
	}
	return "a text of one line"
}

func (f *Field) expectedNumber() string {
	switch {
	case f.Type == Limit && f.Max == math.MaxInt64:
		return "-1 (falls back), 0 (unlimited) or a number above"
	case f.Min == math.MinInt64:
		return "an integer"
	case f.Max == math.MaxInt64:
		return fmt.Sprintf("an integer from %d", f.Min)
	}
	return fmt.Sprintf("an integer from %d to %d", f.Min, f.Max)
}

// write checks values and writes them: into the row with an id, or into a new one.
func (a *Admin) write(ctx context.Context, s settings.Store, t entity, id int64, values Values, version string) (Row,
	error) {
	return a.writeLax(ctx, s, t, id, values, version, "")
}

// writeLax is write, but finds no fault with one field: what it refers to may come later.
func (a *Admin) writeLax(ctx context.Context, s settings.Store, t entity, id int64, values Values, version,
	lax string) (Row, error) {
	d := t.describe()
	given, err := normal(d, values)
	if err != nil {
		return Row{}, err
	}
	fold(d.Name, given)
	all := make(Values, len(d.Fields))
	if id != 0 {
		old, err := t.get(ctx, s, id)
		if err != nil {
			return Row{}, rowError(d.Name, id, err)
		}
		if err := old.unchanged(version); err != nil {
			return Row{}, err
		}
		maps.Copy(all, old.Values)
	} else {
		for _, f := range d.Fields {
			all[f.Name] = f.Default
		}
		if d.Field("instance") != nil {
			all["instance"] = a.Instance
		}
	}
	maps.Copy(all, given)
	if err := a.checkRow(ctx, s, t, d, id, given, all); err != nil && !onlyAbout(err, lax) {
		return Row{}, err
	}
	row, err := t.write(ctx, s, id, all)
	return row, rowError(d.Name, id, err)
}

// onlyAbout reports whether a field is all that is wrong.
func onlyAbout(err error, field string) bool {
	wrong, ok := err.(*Invalid)
	return ok && field != "" && !slices.ContainsFunc(wrong.Problems, func(p Problem) bool { return p.Field != field })
}

// fold gives a suppression the form in which it is looked up, so that it is found again however it is written.
func fold(table settings.TableName, values Values) {
	value, ok := values["value"].(string)
	if !ok || table != settings.TableSuppressions {
		return
	}
	if value = strings.TrimSpace(value); values["type"] == settings.Hashed || values["type"] == settings.Keyed {
		values["value"] = strings.ToLower(value)
		return
	}
	if strings.LastIndexByte(value, '@') > 0 {
		values["value"] = addr.FoldAddress(value)
	} else {
		values["value"] = addr.Fold(strings.TrimPrefix(value, "@"))
	}
}

// checkRow looks at a whole row: given are the values that came in, all are the values that the row will have.
func (a *Admin) checkRow(ctx context.Context, s settings.Store, t entity, d *Table, id int64, given, all Values) error {
	var wrong []Problem
	for i := range d.Fields {
		f := &d.Fields[i]
		v, known := all[f.Name]
		empty := v == "" || v == int64(0) && (f.Type == Reference || f.Type == Integer && f.Min > 0)
		switch {
		case f.Required && known && empty:
			wrong = append(wrong, Problem{Field: f.Name, Expected: f.Expected()})
		case empty:
		default:
			if _, isGiven := given[f.Name]; isGiven || id == 0 {
				p, err := referenceProblem(ctx, s, f, v)
				if err != nil {
					return err
				}
				if p != nil {
					wrong = append(wrong, *p)
				}
			}
		}
	}
	if wrong == nil {
		wrong = a.sense(t, d, id, all)
	}
	if wrong != nil {
		return &Invalid{wrong}
	}
	return nil
}

// referenceProblem looks whether what a field refers to is there.
func referenceProblem(ctx context.Context, s settings.Store, f *Field, v any) (*Problem, error) {
	table, column := f.Refers, "id"
	switch f.Type {
	case PoolName:
		table, column = settings.TablePools, "name"
	case Reference:
	default:
		return nil, nil
	}
	t, err := tableNamed(table)
	if err != nil {
		return nil, err
	}
	n, err := t.Count(ctx, s, settings.Query{Column: column, Value: v})
	if err != nil || n > 0 {
		return nil, err
	}
	if name, isText := v.(string); isText { // case makes no difference in the names of pools
		pools, _, err := settings.List[settings.Pool](ctx, s)
		if err != nil || slices.ContainsFunc(pools, func(p settings.Pool) bool { return strings.EqualFold(p.Name, name) }) {
			return nil, err
		}
	}
	return &Problem{Field: f.Name, Given: show(v), Expected: f.Expected() + " that exists"}, nil
}

// newRow is the id under which a row is looked at before it has one.
const newRow = math.MaxInt64

// sense compiles the row as the server will, and returns what is said of it.
func (a *Admin) sense(t entity, d *Table, id int64, all Values) []Problem {
	if all["enabled"] == false {
		return nil // it counts as absent
	}
	if id == 0 {
		id = newRow
	}
	if _, ok := all["cluster"]; ok { // what another instance does makes as much sense here
		all = maps.Clone(all)
		all["cluster"] = true
	}
	rows, err := concerned(a.Settings.Current().Rows, t, d, id, all)
	if err == nil {
		err = t.Place(rows, id, all)
	}
	if err != nil {
		return []Problem{{Expected: err.Error()}}
	}
	reason := snapshot.Check(rows, t.name(), id)
	if reason == "" {
		return nil
	}
	reason = strings.ReplaceAll(reason, strconv.FormatInt(newRow, 10), "this one")
	p := explainReason(d, reason)
	if p.Field == "" && len(dependants(t.name())) > 0 {
		return nil // what it lacks are rows that come after it
	}
	return []Problem{p}
}

// explainReason turns `code 99: expected one from 400 to 599` into a Problem about the field.
func explainReason(d *Table, reason string) Problem {
	name, rest, ok := strings.Cut(reason, " ")
	if d.Name == settings.TableDKIMKeys && name == "key:" { // as a message has it
		name = "privatekey:"
	}
	f := d.Field(strings.TrimSuffix(name, ":"))
	if !ok || f == nil {
		return Problem{Expected: "a row that makes sense: " + reason}
	}
	p := Problem{Field: f.Name, Expected: strings.TrimSpace(rest)}
	if given, expected, ok := strings.Cut(rest, ": expected "); ok {
		p.Given, p.Expected = given, expected
	} else {
		p.Expected = "another value: " + p.Expected
	}
	if f.Secret {
		p.Given = ""
	}
	return p
}

// brief tells a row in a log line: what is set and not secret.
func (t *Table) brief(v Values) string {
	var b strings.Builder
	for i := range t.Fields {
		f := &t.Fields[i]
		value, ok := v[f.Name]
		if !ok || value == f.Default || f.Secret || value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", f.Name, show(value))
	}
	return b.String()
}

// timeText writes a time for people and programs; the zero time is "".
func timeText(t time.Time) string { return settings.FormatTime(t) }
