package live

import (
	"cmp"
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor"
)

// subjectData is what subject.html gets: the page of one domain, address or tag.
type subjectData struct {
	Kind   string // "domains", "mtas", "tags"
	One    string
	Name   string
	Filter filter
	Pill   pill
	Chart  *chart
	Hide   string
	Label  string       // of an address
	Wrong  string       // with the names of an address
	Why    *why         // of a domain; of others only the sentence
	Own    *ownThrottle // of a domain. Nil: nothing can be changed

	Messages []messages.Line    // of a domain: some messages that wait
	Of       messages.Selection // all of them
	Queues   []count            // where they are, when all are shown
	More     bool               // not all are shown
}

// count is how many of something there are.
type count struct {
	Name string
	N    int
}

// why is all that is known about the way of mail to a domain.
type why struct {
	Sentence string           `json:"sentence"`
	Kind     string           `json:"kind"` // as in trouble, "ok", or "unknown"
	Paths    []pathLine       `json:"paths"`
	Limits   []limitLine      `json:"limits"`
	Floods   []admin.Flood    `json:"floods"`
	Hosts    []hostLine       `json:"hosts"`
	Answers  []monitor.Answer `json:"answers"`
	Problem  string           `json:"problem,omitempty"`
}

// pathLine is a path, and what holds its mail back.
type pathLine struct {
	admin.Path
	Kind string `json:"kind,omitempty"` // as in trouble; "": nothing does
	Held string `json:"held,omitempty"` // in a sentence
}

// limitLine is one value of the table of limits, on all paths that have it.
type limitLine struct {
	Limit   string   `json:"limit"`
	Words   string   `json:"words"`
	Rule    string   `json:"rule"`
	Binding bool     `json:"binding"`
	Sources []string `json:"sources"` // addresses; empty: all
}

func (c *Live) subject(kind string) frame.View {
	return func(v *frame.Visit) error {
		name := v.R.PathValue("name")
		k, _ := kindOf(kind)
		if len(name) > 255 {
			return frame.Missing("There is no such " + k.One + ".")
		}
		d := subjectData{Kind: kind, One: k.One, Name: name, Hide: hideOf(v.R.URL.Query())}
		switch kind {
		case "domains":
			d.Name = strings.ToLower(name)
			d.Filter.Domain = d.Name
			d.Own = c.throttleOf(d.Name)
			c.messagesTo(v, &d)
		case "tags":
			d.Filter.Tag = name
		case "mtas":
			ip, err := netip.ParseAddr(name)
			if err != nil {
				return frame.Missing("“" + human.Cut(name, 60) + "” is no IP address.")
			}
			d.Name, d.Filter.MTA, d.Label = ip.Unmap().String(), ip.Unmap().String(), c.label(name)
			d.Wrong = c.misnamed(d.Name)
		}
		d.Why = c.why(v.R.Context(), d.Filter)
		d.Chart = newChart(c.figures(d.Filter), d.Filter, d.Hide)
		d.Pill = c.pill(d.Filter)
		v.Title = human.Middle(d.Name, 60)
		return v.Render("subject", d)
	}
}

// domainMessages is how many messages the page of a domain shows.
const domainMessages = 10

// messagesTo looks at what waits for a domain. Where the queue cannot tell, the page does without.
func (c *Live) messagesTo(v *frame.Visit, d *subjectData) {
	d.Of = messages.Selection{Domain: d.Name}
	if c.Admin == nil {
		return
	}
	filter, err := d.Of.Filter()
	if err != nil {
		return
	}
	entries, next, err := c.Admin.Messages(v.R.Context(), filter, "", domainMessages)
	if err != nil {
		return
	}
	d.More = next != ""
	for i := range entries {
		line := messages.LineOf(&entries[i])
		d.Messages = append(d.Messages, line)
		at := slices.IndexFunc(d.Queues, func(c count) bool { return c.Name == line.Queue })
		if at < 0 {
			at = len(d.Queues)
			d.Queues = append(d.Queues, count{Name: line.Queue})
		}
		d.Queues[at].N++
	}
}

// whyPart renders what is known about a domain, for scripts that put it into the page.
func (c *Live) whyPart(v *frame.Visit) error {
	name := strings.ToLower(v.R.PathValue("name"))
	if len(name) > 255 {
		return frame.Missing("There is no such domain.")
	}
	d := subjectData{Kind: "domains", Name: name, Why: c.why(v.R.Context(), filter{Domain: name})}
	return v.Partial("subject", "why", v.Bare(d))
}

// whyOf is the topic of the page of one domain, address or tag.
func (c *Live) whyOf(ctx context.Context, q url.Values) any {
	f := filterOf(q)
	if !f.any() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, attentionTime)
	defer cancel()
	return c.why(ctx, f)
}

func (c *Live) why(ctx context.Context, f filter) *why {
	w := &why{Paths: []pathLine{}, Limits: []limitLine{}, Floods: []admin.Flood{}, Hosts: []hostLine{},
		Answers: []monitor.Answer{}}
	if f.Domain == "" {
		w.Kind, w.Sentence = c.judgeOther(f)
		return w
	}
	w.Answers = append(w.Answers, c.Figures.Answers(f.Domain)...)
	var paths []admin.Path
	if c.Admin != nil {
		var err error
		if paths, err = c.Admin.Explain(ctx, f.Domain, netip.Addr{}); err != nil {
			w.Problem = "How mail gets there is not known now: " + err.Error()
		}
		c.namePauses(paths, nil)
	}
	w.Limits, w.Hosts = limitLines(paths), c.hostsOf(ctx, f.Domain)
	for i := range paths {
		w.Floods = append(w.Floods, paths[i].Floods...)
		line := pathLine{Path: paths[i]}
		if t := judge(&paths[i], c.Now()); t != nil {
			line.Kind, line.Held = t.Kind, t.Why
		}
		w.Paths = append(w.Paths, line)
	}
	w.Kind, w.Sentence = c.judge(f.Domain, paths)
	return w
}

// judgeOther is the sentence on top of the page of an address or a tag.
func (c *Live) judgeOther(f filter) (kind, sentence string) {
	if state := c.pill(f); state.State == "paused" {
		return "paused", state.Why
	}
	s := c.snapshot(f)
	now, _ := c.heldBack()
	kind, sentence = c.flow("", &s.Sum, &s.Now)
	if flood := now.from[f.MTA].flood; flood != "" && f.MTA != "" && kind != "failing" {
		return "flood", flood
	}
	return kind, cmp.Or(sentence, flowing(kind, f, &s.Sum))
}

// flowing is what a page says where nothing is wrong.
func flowing(kind string, f filter, sum *monitor.Counts) string {
	if kind == "ok" {
		return "Mail flows: " + human.Plural(int(sum.Delivered), "message") + " delivered in the last 60 s."
	}
	return "No " + f.String() + " was finished in the last 60 s."
}

// judge is the sentence on top of a domain's page.
func (c *Live) judge(domain string, paths []admin.Path) (kind, sentence string) {
	parked := c.heldTo(domain)
	if state := c.pill(filter{Domain: domain}); state.State == "paused" {
		if len(parked) > 0 {
			return "paused", waitBecause(parked[0].Messages, state.Why)
		}
		return "paused", state.Why
	}
	s := c.snapshot(filter{Domain: domain})
	var failing []trouble
	if t := c.failing(domain, &s.Sum); t != nil {
		failing = append(failing, *t)
	}
	list := attention(paths, parked, failing, c.Now())
	kind, sentence = c.flow(domain, &s.Sum, &s.Now)
	switch {
	case len(list) > 0:
		t := slices.MinFunc(list, func(a, b trouble) int { return gravity(a.Kind) - gravity(b.Kind) })
		if t.Waiting > 0 && t.Kind != "failing" {
			return t.Kind, waitBecause(t.Waiting, t.Why)
		}
		return t.Kind, t.Why
	case kind == "ok":
		return kind, flowing(kind, filter{Domain: domain}, &s.Sum) + " Nothing holds the others back."
	case sentence != "":
		return kind, sentence
	case len(paths) > 0:
		return "ok", "Nothing waits, and nothing holds mail back."
	}
	return kind, "No mail to " + domain + " is on its way now. What waits for a later attempt is in the queues."
}

func waitBecause(n int, why string) string {
	return human.Plural(n, "message") + " " + human.Pick(n, "waits", "wait") + ": " + why
}

// limitLines puts the values of all paths into one table, what binds first.
func limitLines(paths []admin.Path) []limitLine {
	lines := []limitLine{}
	for i := range paths {
		for _, l := range paths[i].Limits {
			line := limitLine{Limit: nameOf(l.Limit), Words: inWords(l), Rule: messages.RuleName(l.Rule)}
			line.Binding = slices.ContainsFunc(paths[i].Binding, func(b admin.Binding) bool { return b.Limit == l.Limit })
			at := slices.IndexFunc(lines, func(o limitLine) bool {
				return o.Limit == line.Limit && o.Words == line.Words &&
					o.Rule == line.Rule
			})
			if at < 0 {
				lines = append(lines, line)
				at = len(lines) - 1
			}
			lines[at].Binding = lines[at].Binding || line.Binding
			lines[at].Sources = append(lines[at].Sources, cmp.Or(paths[i].Source, "any address"))
		}
	}
	for i := range lines {
		if len(lines[i].Sources) == len(paths) {
			lines[i].Sources = nil
		}
	}
	slices.SortStableFunc(lines, func(a, b limitLine) int { return cmp.Compare(rank(a.Binding), rank(b.Binding)) })
	return lines
}

// nameOf is what forms call a limit; the name of its column where there is no such field.
func nameOf(limit string) string { return cmp.Or(limitLabels()[limit], limit) }

// limitLabels are the labels of the limits in forms, by the names of their columns.
var limitLabels = sync.OnceValue(func() map[string]string {
	labels := map[string]string{}
	for _, t := range settings.Tables() {
		if t.Name != settings.TableCapacity {
			continue
		}
		for _, column := range t.Columns {
			labels[column.Name] = column.Label
		}
	}
	return labels
})

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

func inWords(l admin.LimitValue) string {
	if strings.Contains(l.Limit, "max") && l.Value == 0 {
		return "unlimited"
	}
	switch l.Unit {
	case "bytes":
		return human.Size(l.Value)
	case "seconds":
		return human.Span(time.Duration(l.Value) * time.Second)
	case "", "count":
		return human.Count(l.Value)
	case "per minute":
		l.Unit = "a minute"
	case "percent":
		return human.Count(l.Value) + " %"
	case "switch":
		return human.Pick(int(l.Value), "on", "off")
	case "level":
		return [...]string{"no TLS", "TLS when offered", "TLS", "TLS with a valid certificate"}[min(max(l.Value, 0), 3)]
	}
	if strings.HasSuffix(l.Limit, "maxbytes") {
		return human.Size(l.Value) + " " + l.Unit
	}
	return human.Count(l.Value) + " " + l.Unit
}

// resumeFloods ends a flood on the ways to a domain.
func (c *Live) resumeFloods(v *frame.Visit) error {
	if c.Admin == nil {
		return readOnly()
	}
	form := v.R.PostForm
	source, _ := netip.ParseAddr(form.Get("source"))
	n, err := c.Admin.Resume(v.R.Context(), source, form.Get("site"), form.Get("name"))
	if err != nil {
		return err
	}
	notice := "The flood had ended already."
	if n > 0 {
		notice = "The flood is over; mail goes on as before it."
	}
	return v.Redirect("/domains/"+url.PathEscape(v.R.PathValue("name")), notice)
}

// rename gives a local address the name that it greets with.
func (c *Live) rename(v *frame.Visit) error {
	ip, err := netip.ParseAddr(v.R.PathValue("name"))
	if err != nil {
		return frame.Missing("There is no such address.")
	}
	if c.Admin == nil {
		return readOnly()
	}
	to := "/mtas/" + ip.Unmap().String()
	name := strings.TrimSpace(v.R.PostForm.Get("label"))
	if name == "" {
		if _, err := c.Admin.DeleteWhere(v.R.Context(), settings.TableMTANames,
			admin.Values{"localip": ip.Unmap().String()}); err != nil {
			return err
		}
		return v.Redirect(to, ip.Unmap().String()+" greets with the server's own name again.")
	}
	if _, _, err := c.Admin.Put(v.R.Context(), settings.TableMTANames,
		admin.Values{"localip": ip.Unmap().String(), "name": name}); err != nil {
		return err
	}
	return v.Redirect(to, ip.Unmap().String()+" is now "+name+".")
}
