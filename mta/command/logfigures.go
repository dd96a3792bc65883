package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// figures are a row of what was counted.
type figures struct {
	Received  int `json:"received"`
	Attempts  int `json:"attempts"`
	Delivered int `json:"delivered"`
	Deferred  int `json:"deferred"`
	Failed    int `json:"failed"`
}

// columns of figures, in their order.
func columns() []string { return []string{"received", "attempts", "delivered", "deferred", "failed"} }

func (f *figures) of(column string) int {
	switch column {
	case "received":
		return f.Received
	case "delivered":
		return f.Delivered
	case "deferred":
		return f.Deferred
	case "failed":
		return f.Failed
	}
	return f.Attempts
}

func (f *figures) weight() int { return f.Received + f.Attempts }

// mostRows is how many different names are counted at once; of more, the rarest are forgotten now and then.
const mostRows = 500_000

// tally counts entries by a name that each has.
type tally struct {
	name      string // of the names
	of        func(*logsearch.Entry) string
	top       int // rows that are shown, by attempts; zero: all, by name
	most      int
	rows      map[string]*figures
	forgotten bool
}

func topOf(name string, of func(*logsearch.Entry) string) func() *tally {
	return func() *tally { return &tally{name: name, of: of, top: 10, most: mostRows, rows: map[string]*figures{}} }
}

func statsOf(name string, of func(*logsearch.Entry) string) func() *tally {
	return func() *tally { return &tally{name: name, of: of, most: mostRows, rows: map[string]*figures{}} }
}

func recipientOf(e *logsearch.Entry) string { return strings.ToLower(e.Recipient) }
func senderOf(e *logsearch.Entry) string    { return cmp.Or(strings.ToLower(e.Envelope), "<>") }
func domainOf(e *logsearch.Entry) string    { return cmp.Or(addr.Domain(e.Recipient), "(none)") }
func userOf(e *logsearch.Entry) string      { return cmp.Or(e.User, "(none)") }

// reasonOf says what kept a mail from going, by what is the same of all mail to a domain: texts of replies have queue
// numbers in them.
func reasonOf(e *logsearch.Entry) string {
	why := cmp.Or(e.Class, e.State+":"+e.Result)
	code := ""
	if e.Code != 0 {
		code = " " + strings.TrimSpace(strconv.Itoa(e.Code)+" "+e.Status)
	}
	return domainOf(e) + code + " " + why
}

func (t *tally) add(e *logsearch.Entry) error {
	name := t.of(e)
	row := t.rows[name]
	if row == nil {
		if len(t.rows) >= t.most {
			t.forget()
		}
		row = new(figures)
		t.rows[strings.Clone(name)] = row
	}
	if e.Kind == logsearch.Received {
		row.Received++
		return nil
	}
	row.Attempts++
	switch e.Outcome {
	case logsearch.Delivered:
		row.Delivered++
	case logsearch.Deferred:
		row.Deferred++
	default:
		row.Failed++
	}
	return nil
}

// forget drops the rarer half of the names.
func (t *tally) forget() {
	t.forgotten = true
	weights := make([]int, 0, len(t.rows))
	for _, row := range t.rows {
		weights = append(weights, row.weight())
	}
	slices.Sort(weights)
	middle, spare := weights[len(weights)/2], len(weights)/2
	maps.DeleteFunc(t.rows, func(_ string, row *figures) bool {
		if row.weight() > middle || spare == 0 {
			return false
		}
		spare--
		return true
	})
}

// end prints the rows.
func (t *tally) end(l *logRun) error {
	names := slices.Collect(maps.Keys(t.rows))
	by := l.Sort
	if by == "" && t.top > 0 {
		by = "attempts"
	}
	slices.SortFunc(names, func(a, b string) int {
		if by == "" || by == t.name {
			return strings.Compare(a, b)
		}
		return cmp.Or(t.rows[b].of(by)-t.rows[a].of(by), strings.Compare(a, b))
	})
	if limit := cmp.Or(l.Limit, t.top); limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	l.printed += len(names)
	if t.forgotten {
		fmt.Fprintf(l.Stderr, "mtad log: more than %d different: figures of rare ones are too low, or missing\n", t.most)
	}
	if l.JSON {
		return t.endJSON(l, names)
	}
	table := tabwriter.NewWriter(l.out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for _, column := range t.columns() {
		fmt.Fprintf(table, "%s\t", strings.ToUpper(column))
	}
	fmt.Fprintf(table, "  %s\n", strings.ToUpper(t.name))
	for _, name := range names {
		for _, column := range t.columns() {
			fmt.Fprintf(table, "%d\t", t.rows[name].of(column))
		}
		fmt.Fprintf(table, "  %s\n", clean(name))
	}
	return table.Flush()
}

// columns are those of figures that can be anything but zero.
func (t *tally) columns() []string {
	switch {
	case t.name == "reason":
		return []string{"attempts"}
	case t.top > 0:
		return columns()[1:]
	}
	return columns()
}

func (t *tally) endJSON(l *logRun, names []string) error {
	e := json.NewEncoder(l.out)
	for _, name := range names {
		row := map[string]any{t.name: name}
		for _, column := range t.columns() {
			row[column] = t.rows[name].of(column)
		}
		if err := e.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

// checkSort finds fault with --sort.
func (l *logRun) checkSort() error {
	known := slices.Sorted(maps.Keys(lineOrders()))
	if l.report.count != nil {
		t := l.report.count()
		known = append([]string{t.name}, t.columns()...)
	}
	if l.Sort == "" || slices.Contains(known, l.Sort) {
		return nil
	}
	return wrong("--sort %s: expected %s", l.Sort, strings.Join(known, ", "))
}
