package monitor

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Filter selects what figures are about. The zero Filter selects everything.
type Filter struct {
	MTA    netip.Addr // local address; zero: any
	Domain string     // recipient domain, lower case; "": any
	Tag    string     // "": any
}

func (f *Filter) fields() int {
	n := 0
	if f.MTA.IsValid() {
		n++
	}
	if f.Domain != "" {
		n++
	}
	if f.Tag != "" {
		n++
	}
	return n
}

// matches reports whether an event is about what f selects.
func (f *Filter) matches(e *Event) bool {
	return (f.Domain == "" || f.Domain == e.Domain) && (!f.MTA.IsValid() || f.MTA == e.MTA) &&
		(f.Tag == "" || slices.Contains(e.Tags, f.Tag))
}

// Snapshot is what Live knows about the last 60 complete seconds.
type Snapshot struct {
	Time time.Time `json:"time"` // end of the last of them
	// begin of what could be counted, when that was less than 60 seconds ago; or zero
	Since  time.Time    `json:"since,omitzero"`
	Sum    Counts       `json:"sum"`
	Now    Gauges       `json:"now"`
	Series [span]Counts `json:"series"` // one a second, the oldest first
}

// Snapshot returns the figures of what f selects. Single names are counted all the time. A combination of several is
// counted from the first question on, for as long as questions come every two minutes: Since tells from when. Events
// that have no such name, such as those of connections for a tag, are not part of it.
func (l *Live) Snapshot(f Filter) *Snapshot {
	at := l.now().Truncate(time.Second)
	s := &Snapshot{Time: at}
	now := at.Unix()
	switch {
	case f.fields() > 1:
		l.focusSnapshot(f, s)
	case f.Domain != "":
		sh := l.shardOf(f.Domain)
		sh.mu.Lock()
		s.addEntry(sh.domains.entries[clip(f.Domain)].get(), now)
		sh.mu.Unlock()
	default:
		for i := range l.shards {
			sh := &l.shards[i]
			sh.mu.Lock()
			switch {
			case f.Tag != "":
				s.addEntry(sh.tags.entries[clip(f.Tag)].get(), now)
			case f.MTA.IsValid():
				s.addEntry(sh.mtas.entries[f.MTA].get(), now)
			default:
				s.addEntry(&sh.total, now)
			}
			sh.mu.Unlock()
		}
	}
	for i := range s.Series {
		s.Sum.plus(&s.Series[i])
	}
	s.Now.positive()
	return s
}

func (l *Live) focusSnapshot(f Filter, s *Snapshot) {
	one := l.focused.get(f, l.now())
	one.mu.Lock()
	defer one.mu.Unlock()
	s.addEntry(&one.figures, s.Time.Unix())
	if one.since.After(s.Time.Add(-span * time.Second)) {
		s.Since = one.since
	}
}

// get returns the figures of an entry; a nil one has none.
func (e *entry[K]) get() *figures {
	if e == nil {
		return nil
	}
	return &e.figures
}

func (s *Snapshot) addEntry(f *figures, now int64) {
	if f != nil {
		f.series.spread(now, &s.Series)
		s.Now.add(&f.gauges)
	}
}

// Row is one line of a listing: the sums of the last 60 complete seconds of one name.
type Row struct {
	Name  string `json:"name"`            // of an MTA: its address, "" when the system chose it
	Other bool   `json:"other,omitempty"` // all names that are not kept apart; Name is empty
	Sum   Counts `json:"sum"`
	Now   Gauges `json:"now"`
}

// Domains returns the recipient domains for which anything happened in the last 60 complete seconds or is going on,
// sorted by name. A row for all others comes last, when there are any.
func (l *Live) Domains() []Row {
	many := 0
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		many += len(sh.domains.entries)
		sh.mu.Unlock()
	}
	rows := make([]Row, 0, many+1)
	other := Row{Other: true}
	now := l.now().Unix()
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		for _, e := range sh.domains.entries {
			row := Row{Name: e.key}
			row.add(&e.figures, now)
			rows = append(rows, row)
		}
		other.add(&sh.domains.other, now)
		sh.mu.Unlock()
	}
	return finish(rows, other)
}

// MTAs returns the local addresses, as Domains does.
func (l *Live) MTAs() []Row {
	return collect(l, func(sh *shard) *table[netip.Addr] { return &sh.mtas }, func(a netip.Addr) string {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	})
}

// Tags returns the tags, as Domains does.
func (l *Live) Tags() []Row {
	return collect(l, func(sh *shard) *table[string] { return &sh.tags }, func(tag string) string { return tag })
}

// Classes returns why attempts failed, as Domains does.
func (l *Live) Classes() []Row {
	return collect(l, func(sh *shard) *table[string] { return &sh.classes }, func(class string) string { return class })
}

// collect joins the entries that several shards have for one name.
func collect[K comparable](l *Live, of func(*shard) *table[K], name func(K) string) []Row {
	joined := map[K]*Row{}
	other := Row{Other: true}
	now := l.now().Unix()
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		t := of(sh)
		for key, e := range t.entries {
			row := joined[key]
			if row == nil {
				row = &Row{Name: name(key)}
				joined[key] = row
			}
			row.add(&e.figures, now)
		}
		other.add(&t.other, now)
		sh.mu.Unlock()
	}
	rows := make([]Row, 0, len(joined)+1)
	for _, row := range joined {
		rows = append(rows, *row)
	}
	return finish(rows, other)
}

func (r *Row) add(f *figures, now int64) {
	f.series.sum(now, &r.Sum)
	r.Now.add(&f.gauges)
}

// finish sorts rows, leaves out rows that say nothing, and appends the one for all others.
func finish(rows []Row, other Row) []Row {
	for i := range rows {
		rows[i].Now.positive()
	}
	other.Now.positive()
	idle := func(r *Row) bool { return r.Sum == Counts{} && r.Now == Gauges{} }
	// Rows are large: what is sorted is their names.
	type named struct {
		name string
		at   int
	}
	order := make([]named, 0, len(rows))
	for i := range rows {
		if !idle(&rows[i]) {
			order = append(order, named{rows[i].Name, i})
		}
	}
	slices.SortFunc(order, func(a, b named) int { return strings.Compare(a.name, b.name) })
	sorted := make([]Row, 0, len(order)+1)
	for _, o := range order {
		sorted = append(sorted, rows[o.at])
	}
	if !idle(&other) {
		sorted = append(sorted, other)
	}
	return sorted
}

func (c *Counts) plus(o *Counts) {
	c.Processed += o.Processed
	c.Parked += o.Parked
	c.Connects += o.Connects
	c.ConnectFailed += o.ConnectFailed
	c.Attempts += o.Attempts
	c.Delivered += o.Delivered
	c.Retried += o.Retried
	c.Errors += o.Errors
	c.Strange += o.Strange
	c.NotTried += o.NotTried
	c.Reassigned += o.Reassigned
	c.Received += o.Received
	c.Refused += o.Refused
	c.Clients += o.Clients
	c.Unwelcome += o.Unwelcome
	c.BytesOut += o.BytesOut
	c.BytesIn += o.BytesIn
}
