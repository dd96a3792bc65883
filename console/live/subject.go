package live

import (
	"cmp"
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"
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
	Label  string // of an address
	Wrong  string // with the names of an address
	Why    *why   // of a domain

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
	Paths    []admin.Path     `json:"paths"`
	Limits   []limitLine      `json:"limits"`
	Floods   []admin.Flood    `json:"floods"`
	Answers  []monitor.Answer `json:"answers"`
	Problem  string           `json:"problem,omitempty"`
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
			d.Why = c.why(v.R.Context(), d.Name)
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
	d := subjectData{Kind: "domains", Name: name, Why: c.why(v.R.Context(), name)}
	return v.Partial("subject", "why", v.Bare(d))
}

// whyOf is the topic of a domain's page.
func (c *Live) whyOf(ctx context.Context, q url.Values) any {
	domain := filterOf(q).Domain
	if domain == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, attentionTime)
	defer cancel()
	return c.why(ctx, domain)
}

func (c *Live) why(ctx context.Context, domain string) *why {
	w := &why{Kind: "unknown", Paths: []admin.Path{}, Limits: []limitLine{}, Floods: []admin.Flood{},
		Answers: []monitor.Answer{}}
	w.Answers = append(w.Answers, c.Figures.Answers(domain)...)
	if c.Admin != nil {
		paths, err := c.Admin.Explain(ctx, domain, netip.Addr{})
		if err != nil {
			w.Problem = "How mail gets there is not known now: " + err.Error()
		}
		w.Paths = append(w.Paths, paths...)
	}
	w.Limits = limitLines(w.Paths)
	for i := range w.Paths {
		w.Floods = append(w.Floods, w.Paths[i].Floods...)
	}
	w.Kind, w.Sentence = c.judge(domain, w.Paths)
	return w
}

// judge is the sentence on top of a domain's page.
func (c *Live) judge(domain string, paths []admin.Path) (kind, sentence string) {
	parked := c.heldTo(domain)
	if state := c.pill(filter{Domain: domain}); state.State == "paused" {
		if len(parked) > 0 {
			return "paused", human.Plural(parked[0].Messages, "message") + " " +
				human.Pick(parked[0].Messages, "waits", "wait") + ": " + state.Why
		}
		return "paused", state.Why
	}
	list := attention(paths, parked, c.Now())
	s := c.snapshot(filter{Domain: domain})
	switch {
	case len(list) > 0:
		t := list[0]
		if t.Waiting > 0 {
			return t.Kind, human.Plural(t.Waiting, "message") + " " + human.Pick(t.Waiting, "waits", "wait") + ": " + t.Why
		}
		return t.Kind, t.Why
	case s.Sum.Delivered > 0:
		return "ok", "Mail flows: " + human.Plural(int(s.Sum.Delivered), "message") +
			" delivered in the last 60 s, and nothing holds the others back."
	case s.Sum.Attempts > 0:
		return "throttle", "Mail is tried, but none was accepted in the last 60 s: the answers below say why."
	case len(paths) > 0:
		return "ok", "Nothing waits, and nothing holds mail back."
	}
	return "unknown", "No mail to " + domain + " is on its way now. What waits for a later attempt is in the queues."
}

// limitLines puts the values of all paths into one table, what binds first.
func limitLines(paths []admin.Path) []limitLine {
	lines := []limitLine{}
	for i := range paths {
		for _, l := range paths[i].Limits {
			line := limitLine{Limit: l.Limit, Words: inWords(l), Rule: messages.RuleName(l.Rule)}
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
