package live

import (
	"cmp"
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor"
)

func (c *Live) domainsPage() frame.Page {
	return frame.Page{Path: "/domains", Title: "Domains", Group: frame.Live, Count: c.inTrouble,
		Routes: map[string]frame.View{
			"GET /domains":                  c.listing("domains"),
			"GET /domains/{name}":           c.subject("domains"),
			"GET /domains/{name}/why":       c.whyPart,
			"POST /domains/{name}/resume":   c.resumeFloods,
			"POST /domains/{name}/throttle": c.addThrottle,
		},
		Topics: map[string]frame.Topic{
			"rows": {Every: 4 * frame.Beat, Value: c.windowOf},
			"why":  {Every: attentionEvery, Value: c.whyOf},
		},
	}
}

func (c *Live) mtasPage() frame.Page {
	return frame.Page{Path: "/mtas", Title: "MTA IPs", Group: frame.Live,
		Routes: map[string]frame.View{"GET /mtas": c.listing("mtas"), "GET /mtas/{name}": c.subject("mtas"),
			"POST /mtas/{name}/rename": c.rename}}
}

func (c *Live) tagsPage() frame.Page {
	return frame.Page{Path: "/tags", Title: "Tags", Group: frame.Live,
		Routes: map[string]frame.View{"GET /tags": c.listing("tags"), "GET /tags/{name}": c.subject("tags")}}
}

// classesPage tells why attempts failed; a class leads to the log of the attempts that have it.
func (c *Live) classesPage() frame.Page {
	return frame.Page{Path: "/classes", Title: "Failures", Group: frame.Live,
		Routes: map[string]frame.View{"GET /classes": c.listing("classes"),
			"GET /classes/{name}": func(v *frame.Visit) error {
				return v.Redirect("/logs?"+url.Values{"class": {v.R.PathValue("name")}}.Encode(), "")
			}}}
}

// kindOfList is what the tables differ in.
type kindOfList struct {
	One         string // "domain"
	First       string // heading of the first column
	Empty, Help string // what an empty table says, and how the first row comes about
	Status      bool   // there is a column of that name
}

func kindOf(name string) (kindOfList, bool) {
	switch name {
	case "domains":
		return kindOfList{"domain", "Domain", "No mail was picked up, sent or received for any domain in the last 60 s.",
			"Domains appear here as soon as mail for them is read from the outbox.", true}, true
	case "mtas":
		return kindOfList{"address", "MTA IP", "No local address was used in the last 60 s.",
			"Addresses appear here as soon as mail comes in or leaves through them.", true}, true
	case "tags":
		return kindOfList{"tag", "Tag", "No mail with a tag was seen in the last 60 s.",
			"Give messages tags with the x-mq-tags header, or “tags” in their JSON.", true}, true
	case "classes":
		return kindOfList{"class", "Class", "No attempt failed in the last 60 s.",
			"Why attempts fail appears here, in one word for what servers say in many.", false}, true
	}
	return kindOfList{}, false
}

// column is a column that the table can be sorted by.
type column struct {
	Key, Title, Unit string
	of               func(*monitor.Row) int64
}

// columnsOf are the columns of a table. Nothing but failures has a class, and no message has an address yet when it is
// read from the outbox.
func columnsOf(kind string) []column {
	all := columns()
	switch kind {
	case "classes":
		return slices.DeleteFunc(all, func(c column) bool {
			return c.Key != "retried" && c.Key != "errors" && c.Key != "not-tried"
		})
	case "mtas":
		all = slices.DeleteFunc(all, func(c column) bool { return c.Key == "processed" })
		all[0].Unit = "messages in memory that leave from here"
	}
	return all
}

func columns() []column {
	return []column{
		{"queue", "Queue", "messages taken from the outbox now", func(r *monitor.Row) int64 { return r.Now.InMemory }},
		{"processed", "Processed", "messages read from the outbox in the last 60 s",
			func(r *monitor.Row) int64 { return r.Sum.Processed }},
		{"attempts", "Attempts", "attempts over the wire in the last 60 s",
			func(r *monitor.Row) int64 { return r.Sum.Attempts }},
		{"delivered", "Delivered", "messages accepted by the remote in the last 60 s",
			func(r *monitor.Row) int64 { return r.Sum.Delivered }},
		{"retried", "Retried", "attempts that failed for now in the last 60 s",
			func(r *monitor.Row) int64 { return r.Sum.Retried }},
		{"errors", "Errors", "messages that failed for good in the last 60 s",
			func(r *monitor.Row) int64 { return r.Sum.Errors }},
		{"not-tried", "Not tried", "messages finished without an attempt in the last 60 s",
			func(r *monitor.Row) int64 { return r.Sum.NotTried }},
		{"connections", "Connections", "outgoing connections, at work and idle, now",
			func(r *monitor.Row) int64 { return r.Now.Active + r.Now.Idle }},
		{"connecting", "Starting", "outgoing connections being made now",
			func(r *monitor.Row) int64 { return r.Now.Starting }},
	}
}

// window is a part of a sorted and filtered table.
type window struct {
	Total int     `json:"total"` // rows that match
	Cut   bool    `json:"cut"`   // the last row is that of all names that are not kept apart
	All   int     `json:"all"`   // rows there are
	From  int     `json:"from"`
	Rows  []tuple `json:"rows"`
}

// Apart is how many names have a row of their own.
func (w *window) Apart() int { return w.All - 1 }

// tuple is a row: its name, what stands in the columns, and its status.
type tuple struct {
	Name   string  `json:"name"`
	Label  string  `json:"label,omitempty"`
	Other  bool    `json:"other,omitempty"`
	Values []int64 `json:"values"`
	Status string  `json:"status,omitempty"` // a word
	Why    string  `json:"why,omitempty"`    // a sentence
}

// request for a window.
type order struct {
	kind    string
	sort    string // key of a column or "name"
	down    bool
	search  string
	from, n int
}

const (
	pageRows = 100 // without scripts
	maxRows  = 200 // in a window
)

func orderOf(kind string, q url.Values) order {
	o := order{kind: kind, search: strings.ToLower(strings.TrimSpace(human.Cut(q.Get("q"), 255)))}
	usual := "processed"
	switch kind {
	case "mtas":
		usual = "attempts"
	case "classes":
		usual = "errors"
	}
	o.sort, o.down = strings.CutPrefix(cmp.Or(q.Get("sort"), "-"+usual), "-")
	if o.sort != "name" && !slices.ContainsFunc(columnsOf(kind), func(c column) bool { return c.Key == o.sort }) {
		o.sort, o.down = usual, true
	}
	o.from, _ = strconv.Atoi(q.Get("from"))
	o.from = max(o.from, 0)
	o.n, _ = strconv.Atoi(q.Get("n"))
	if o.n <= 0 {
		o.n = pageRows
	}
	o.n = min(o.n, maxRows)
	return o
}

func (o *order) key() string {
	if o.down {
		return "-" + o.sort
	}
	return o.sort
}

// windowOf is the topic of tables.
func (c *Live) windowOf(_ context.Context, q url.Values) any {
	kind := q.Get("of")
	if _, ok := kindOf(kind); !ok {
		return nil
	}
	return c.window(orderOf(kind, q))
}

// window filters, sorts and cuts. Rows that are equal stand by name, so that none moves without a reason.
func (c *Live) window(o order) *window {
	all := c.rows(o.kind)
	matching := make([]*monitor.Row, 0, len(all))
	for i := range all {
		if o.search == "" || strings.Contains(strings.ToLower(all[i].Name), o.search) {
			matching = append(matching, &all[i])
		}
	}
	o.arrange(matching)
	w := &window{Cut: len(all) > 0 && all[len(all)-1].Other, Total: len(matching), All: len(all), From: min(o.from, len(matching)), Rows: []tuple{}}
	about := c.statuses(o.kind)
	for _, row := range matching[w.From:min(w.From+o.n, len(matching))] {
		w.Rows = append(w.Rows, c.tuple(row, o.kind, about))
	}
	return w
}

func (o *order) arrange(rows []*monitor.Row) {
	var value func(*monitor.Row) int64
	for _, col := range columns() {
		if col.Key == o.sort {
			value = col.of
		}
	}
	if value == nil {
		if o.down {
			slices.Reverse(rows)
		}
		return // they come sorted by name
	}
	type keyed struct {
		value int64
		place int
	}
	keys := make([]keyed, len(rows))
	for i, row := range rows {
		keys[i] = keyed{value(row), i}
		if o.down {
			keys[i].value = -keys[i].value
		}
	}
	slices.SortFunc(keys, func(a, b keyed) int { return cmp.Or(cmp.Compare(a.value, b.value), a.place-b.place) })
	old := slices.Clone(rows)
	for i, k := range keys {
		rows[i] = old[k.place]
	}
}

// statuses are what is told about names in the column of status, beside what their figures say.
func (c *Live) statuses(kind string) map[string]trouble {
	about := map[string]trouble{}
	now, _ := c.heldBack()
	switch kind {
	case "domains":
		for _, t := range now.list {
			if t.Domain != "" {
				about[t.Domain] = t
			}
		}
	case "mtas":
		for address, sent := range now.from {
			if sent.flood != "" {
				about[address] = trouble{Kind: "flood", Why: sent.flood}
			}
		}
	}
	return about
}

func (c *Live) tuple(row *monitor.Row, kind string, about map[string]trouble) tuple {
	t := tuple{Name: row.Name, Other: row.Other}
	for _, col := range columnsOf(kind) {
		t.Values = append(t.Values, col.of(row))
	}
	if kind == "mtas" {
		t.Label = c.label(row.Name)
	}
	if k, _ := kindOf(kind); k.Status && !row.Other {
		t.Status, t.Why = c.status(row, kind, about)
	}
	return t
}

// status says of a row how its mail is doing: a word, and why.
func (c *Live) status(row *monitor.Row, kind string, about map[string]trouble) (word, why string) {
	named := filterFor(kind, row.Name)
	if state := c.pill(named); row.Name != "" && state.State == "paused" {
		return "paused", state.Why
	}
	held, ok := about[row.Name]
	if !ok && kind == "domains" && c.Site != nil && row.Name != "" {
		held, ok = about[c.Site(row.Name)]
	}
	word, why = c.flow(named.Domain, &row.Sum, &row.Now)
	if ok && (word != "failing" || gravity(held.Kind) < gravity(word)) {
		return held.Kind, held.Why
	}
	if problem := c.misnamed(row.Name); kind == "mtas" && word != "failing" && problem != "" {
		return "names", problem
	}
	return word, why
}

// filterFor selects the mail of one row.
func filterFor(kind, name string) filter {
	switch kind {
	case "domains":
		return filter{Domain: name}
	case "mtas":
		return filter{MTA: name}
	}
	return filter{Tag: name}
}

// label is the host name that the settings give a local address.
func (c *Live) label(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	return c.Settings.Current().Name(ip)
}

// listData is what list.html gets.
type listData struct {
	kindOfList
	Of      string
	Columns []column
	Window  *window
	Sort    frame.Sort
	Search  string
	Prev    string // addresses of the pages before and behind; "": none
	Next    string
	Made    time.Time
}

func (c *Live) listing(kind string) frame.View {
	return func(v *frame.Visit) error {
		o := orderOf(kind, v.R.URL.Query())
		if v.R.URL.Query().Get("format") == "csv" {
			return c.export(v, o)
		}
		o.n = pageRows
		k, _ := kindOf(kind)
		d := listData{kindOfList: k, Of: kind, Columns: columnsOf(kind), Window: c.window(o), Sort: frame.Sort(o.key()), Search: o.search,
			Made: c.Now()}
		if o.from > 0 {
			d.Prev = d.address(o.key(), max(o.from-pageRows, 0))
		}
		if o.from+pageRows < d.Window.Total {
			d.Next = d.address(o.key(), o.from+pageRows)
		}
		return v.Render("list", d)
	}
}

func (d listData) address(sort string, from int) string {
	q := url.Values{"sort": {sort}}
	if d.Search != "" {
		q.Set("q", d.Search)
	}
	if from > 0 {
		q.Set("from", strconv.Itoa(from))
	}
	return "/" + d.Of + "?" + q.Encode()
}

// SortBy is the address of the table after a click on the head of a column.
func (d listData) SortBy(key string) string {
	return d.address(string(d.Sort.Click(key, key == "name")), 0)
}
