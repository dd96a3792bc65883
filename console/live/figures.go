package live

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// counter is one of the lines of the graph.
type counter struct {
	Key, Title string
	Meaning    string
	of         func(*monitor.Counts) int64
}

// counters are the lines, in their order. Each has a colour of its own in the style sheet, by its key.
func counters() []counter {
	return []counter{
		{"processed", "Processed", "messages read from the outbox", func(n *monitor.Counts) int64 { return n.Processed }},
		{"connects", "Connects", "outgoing connections begun", func(n *monitor.Counts) int64 { return n.Connects }},
		{"attempts", "Attempts", "attempts over the wire", func(n *monitor.Counts) int64 { return n.Attempts }},
		{"delivered", "Delivered", "messages accepted by the remote", func(n *monitor.Counts) int64 { return n.Delivered }},
		{"retried", "Retried", "attempts that failed for now", func(n *monitor.Counts) int64 { return n.Retried }},
		{"errors", "Errors", "messages that failed for good", func(n *monitor.Counts) int64 { return n.Errors }},
		{"strange", "Strange", "replies that make no sense", func(n *monitor.Counts) int64 { return n.Strange }},
		{"not-tried", "Not tried", "messages finished without an attempt: expired, suppressed, forced errors",
			func(n *monitor.Counts) int64 { return n.NotTried }},
		{"reassigned", "Reassigned", "messages that took another source address than planned",
			func(n *monitor.Counts) int64 { return n.Reassigned }},
	}
}

// countersOf are the counters of what f selects. No message has an address yet when it is read from the outbox.
func countersOf(f filter) []counter {
	if f.MTA != "" {
		return counters()[1:]
	}
	return counters()
}

// hiddenAtFirst are the counters whose lines are not shown until somebody asks.
const hiddenAtFirst = "connects,strange,reassigned"

// figures are the live data of a graph, with its counters and gauges.
type figures struct {
	Time   time.Time          `json:"time"`
	Since  time.Time          `json:"since,omitzero"`
	Sum    map[string]int64   `json:"sum"`
	Series map[string][]int64 `json:"series"` // by counter, 60 seconds, the oldest first
	Gauges []gauge            `json:"gauges"`
}

// gauge is a number that there is now, with the most there may be.
type gauge struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
	Limit int64  `json:"limit,omitempty"` // 0: there is none
	Of    string `json:"-"`               // heading under which it stands
	// Unknown says since when the value is not known; "": it is known.
	Unknown string `json:"unknown,omitempty"`
}

// Width is how much of a bar of 100 is filled, the share of the limit: without a limit there is no bar.
func (g gauge) Width() int {
	if g.Value <= 0 || g.Limit <= 0 {
		return 0
	}
	return int(min(100, 1+g.Value*99/g.Limit))
}

// snapshot returns the last minute of what f selects.
func (c *Live) snapshot(f filter) *monitor.Snapshot {
	return c.Figures.Snapshot(f.monitor())
}

func (c *Live) figures(f filter) *figures {
	s := c.snapshot(f)
	n := &figures{Time: s.Time, Since: s.Since, Sum: map[string]int64{}, Series: map[string][]int64{}}
	for _, one := range countersOf(f) {
		line := make([]int64, len(s.Series))
		for i := range s.Series {
			line[i] = one.of(&s.Series[i])
		}
		n.Series[one.Key], n.Sum[one.Key] = line, one.of(&s.Sum)
	}
	n.Gauges = c.gauges(f, s)
	return n
}

func (c *Live) gauges(f filter, s *monitor.Snapshot) []gauge {
	var slots Slots
	if c.Slots != nil && !f.any() {
		slots = c.Slots()
	}
	if f.MTA != "" && f == (filter{MTA: f.MTA}) {
		now, _ := c.heldBack()
		s.Now.InMemory = now.from[f.MTA].waiting
	}
	all := []gauge{
		{Name: "active", Value: s.Now.Active, Limit: int64(slots.OutgoingLimit), Of: "Connections"},
		{Name: "starting", Value: s.Now.Starting, Of: "Connections"},
		{Name: "idle", Value: s.Now.Idle, Of: "Connections"},
		{Name: "incoming", Value: s.Now.Clients, Limit: int64(slots.IncomingLimit), Of: "Connections"},
		{Name: "in memory", Value: s.Now.InMemory, Of: "Messages"},
		{Name: "set aside, 60 s", Value: s.Sum.Parked, Of: "Messages"},
		{Name: "received, 60 s", Value: s.Sum.Received, Of: "Messages"},
	}
	if f.any() {
		return all
	}
	return append(all, c.waiting()...)
}

// chart is the graph as the server draws it, for the first paint and for browsers without scripts.
type chart struct {
	*figures
	Top   int64   // of the scale
	Marks []int64 // from the top down
	Lines []line
}

type line struct {
	counter
	Sum    int64
	Hidden bool
	Toggle string // what "hide" becomes when it is clicked
	Points template.HTMLAttr
	Log    string // address of the log of what it counts; "": it is not logged
}

// newChart draws figures of what f selects. hide names the counters that are not shown, with commas.
func newChart(n *figures, f filter, hide string) *chart {
	c := &chart{figures: n}
	hidden := map[string]bool{}
	for key := range strings.SplitSeq(hide, ",") {
		hidden[key] = true
	}
	var highest int64
	for _, one := range countersOf(f) {
		if !hidden[one.Key] {
			for _, v := range n.Series[one.Key] {
				highest = max(highest, v)
			}
		}
	}
	c.Top = scale(highest)
	for i := range int64(5) {
		c.Marks = append(c.Marks, c.Top*(4-i)/4)
	}
	for _, one := range countersOf(f) {
		c.Lines = append(c.Lines, line{one, n.Sum[one.Key], hidden[one.Key], toggled(hidden, one.Key),
			points(n.Series[one.Key], c.Top), f.logOf(one.Key)})
	}
	return c
}

func toggled(hidden map[string]bool, key string) string {
	var keys []string
	for _, one := range counters() {
		if hidden[one.Key] != (one.Key == key) {
			keys = append(keys, one.Key)
		}
	}
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, ",")
}

// scale is the next number that divides into four well.
func scale(highest int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, n := range []int64{4, 8, 12, 20, 40} {
			if n*unit >= highest {
				return n * unit
			}
		}
	}
}

func points(series []int64, top int64) template.HTMLAttr {
	var b strings.Builder
	b.WriteString(`points="`)
	for i, v := range series {
		fmt.Fprintf(&b, "%d,%.1f ", i, 100-100*float64(v)/float64(top))
	}
	return template.HTMLAttr(strings.TrimSpace(b.String()) + `"`)
}

// logOf is the address of the log with what a counter of the last minute counted; "": the log does not tell it.
func (f filter) logOf(counter string) string {
	q := url.Values{"from": {"60s"}}
	switch counter {
	case "attempts":
		q.Set("kind", string(logsearch.Attempt))
	case "delivered":
		q.Set("outcome", string(logsearch.Delivered))
	case "retried":
		q.Set("outcome", string(logsearch.Deferred))
	case "errors":
		q.Set("outcome", string(logsearch.Failed))
	default:
		return ""
	}
	for name, value := range map[string]string{"ip": f.MTA, "domain": f.Domain, "tag": f.Tag} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/logs?" + q.Encode()
}
