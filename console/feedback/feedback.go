package feedback

import (
	"context"
	"embed"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/human"
)

// Files are the templates and the module of the page.
//
//go:embed *.html *.js
var Files embed.FS

// Reports is the page of reports. Its fields are set before Page is called, and stay as they are.
type Reports struct {
	Admin *admin.Admin
	// Suppressed reports whether an address gets no mail now.
	Suppressed func(address string) bool
}

// Page is the page, for a frame that serves it. Its address has the names of GET /v1/feedback.
func (c *Reports) Page() frame.Page {
	return frame.Page{Path: "/feedback", Title: "Feedback", Group: frame.Live,
		Routes: map[string]frame.View{"GET /feedback": c.view, "GET /feedback/part": c.part, "POST /feedback/undo": c.undo},
		Topics: map[string]frame.Topic{"feedback": {Every: every, Value: c.total}},
	}
}

const (
	every  = 2 * time.Second
	day    = 24 * time.Hour
	month  = 30 * day
	onPage = 100
)

// total is how many reports there are: when it changes, the page is drawn again.
func (c *Reports) total(ctx context.Context, _ url.Values) any {
	counts, err := c.Admin.ReportCounts(ctx, month)
	if err != nil {
		return 0
	}
	n := counts.Unproven + counts.Forged
	for _, of := range counts.Kinds {
		n += of
	}
	return n
}

// data is what feedback.html gets.
type data struct {
	Of      search
	Total   any // see total
	Counts  []count
	Lines   []line
	Kinds   []kind
	Next    string // address of what is older; "": there is nothing
	First   string
	Off     bool // no reports are read
	Problem string
	Then    string
}

// search is what the form says, as it was typed.
type search struct{ Kind, Recipient, ID, Tag, Acted, Unproven string }

func (s *search) fields() human.Form {
	return human.Form{"kind": &s.Kind, "recipient": &s.Recipient, "id": &s.ID, "tag": &s.Tag, "acted": &s.Acted,
		"unproven": &s.Unproven}
}

func searchOf(q url.Values) search {
	var s search
	s.fields().Read(q, 400)
	return s
}

// kind is a kind of reports, to choose.
type kind struct {
	Name, Words string
	Chosen      bool
}

// count is how many reports of a kind there were.
type count struct {
	Name, Words string // "": of all kinds
	Path        string
	Day, Month  int64
}

// line is a report as it is shown.
type line struct {
	feedback.Record
	Words   string
	Message string // its page
	Log     string // its entries in the log
	Said    string
	Proved  string
	Undo    string // what can be taken off the suppression list; "": nothing, or it is not there any more
}

// wordsOf says what kinds are called.
func wordsOf(k feedback.Kind) string {
	switch k {
	case feedback.HardBounce:
		return "hard bounce"
	case feedback.SoftBounce:
		return "soft bounce"
	case feedback.NotSpam:
		return "not spam"
	case feedback.DMARC:
		return "DMARC"
	case feedback.TLS:
		return "TLS"
	}
	return string(k)
}

// provedBy says why a report may act.
func provedBy(p feedback.Proof) string {
	switch p {
	case feedback.ProofReturnPath:
		return "signed return path"
	case feedback.ProofEnvID:
		return "signed envelope id"
	case feedback.ProofDKIM:
		return "DKIM of a listed sender"
	case feedback.ProofSPF:
		return "SPF of a listed sender"
	case feedback.ProofSession:
		return "refused while it was sent"
	}
	return ""
}

func (c *Reports) lineOf(r *feedback.Record) line {
	show := func(s string, most int) string { return human.Cut(mailview.Printable(s), most) }
	l := line{Record: *r, Words: wordsOf(r.Kind), Proved: provedBy(r.Proof)}
	l.Recipient, l.Source, l.Why = show(r.Recipient, 320), show(r.Source, 100), show(r.Why, 300)
	l.Said = show(strings.TrimSpace(r.Status+" "+r.Diagnostic), 300)
	if r.Messages > 0 {
		l.Said = human.Count(r.Messages) + " " + human.Pick(int(min(r.Messages, 2)), "mail", "mails") + ", " +
			human.Count(r.Failed) + " failed"
		if r.Domain != "" {
			l.Said = show(r.Domain, 255) + ": " + l.Said
		}
	}
	if r.MessageID != "" {
		l.Message = messages.Path(r.MessageID)
		l.Log = "/logs?" + url.Values{"id": {r.MessageID}}.Encode()
	}
	if r.Suppressed != "" && c.Suppressed(r.Recipient) {
		l.Undo = r.Suppressed
	}
	return l
}

func (c *Reports) view(v *frame.Visit) error {
	d := c.data(v)
	status := 200
	if d.Problem != "" {
		status = 400
	}
	return v.RenderStatus(status, "feedback", d)
}

// part renders what changes, for scripts that put it into the page.
func (c *Reports) part(v *frame.Visit) error {
	return v.Partial("feedback", "parts", v.Bare(c.data(v)))
}

func (c *Reports) data(v *frame.Visit) *data {
	q := v.R.URL.Query()
	// The total comes before the list: what comes in between is drawn again.
	d := &data{Of: searchOf(q), Total: c.total(v.R.Context(), nil)}
	for _, k := range feedback.Kinds() {
		d.Kinds = append(d.Kinds, kind{string(k), wordsOf(k), d.Of.Kind == string(k)})
	}
	if c.Admin.Feedback == nil {
		d.Off = true
		return d
	}
	c.count(v.R.Context(), d)
	values := admin.Values{}
	for name, field := range d.Of.fields() {
		if *field != "" {
			values[name] = *field
		}
	}
	if err := admin.CheckFields(admin.ReportFields(), values); err != nil {
		shown := v.Frame.Fault(err)
		d.Problem, d.Then = shown.What, shown.Next
		return d
	}
	query := admin.ReportQuery(values)
	query.Limit = onPage + 1
	if before, err := time.Parse(time.RFC3339Nano, q.Get("cursor")); err == nil {
		query.Before, d.First = before, address(d.Of.fields().Values())
	}
	all, _ := c.Admin.Reports(v.R.Context(), query) // it is there
	if len(all) > onPage {
		all = all[:onPage]
		more := d.Of.fields().Values()
		more.Set("cursor", all[onPage-1].Time.Format(time.RFC3339Nano))
		d.Next = address(more)
	}
	for i := range all {
		d.Lines = append(d.Lines, c.lineOf(&all[i]))
	}
	return d
}

// count counts what came in a day and in a month.
func (c *Reports) count(ctx context.Context, d *data) {
	today, _ := c.Admin.ReportCounts(ctx, day)
	recent, _ := c.Admin.ReportCounts(ctx, month)
	for _, k := range feedback.Kinds() {
		if recent.Kinds[k] > 0 || k.Acts() {
			d.Counts = append(d.Counts, count{string(k), wordsOf(k), address(url.Values{"kind": {string(k)}, "unproven": {"false"}}),
				today.Kinds[k], recent.Kinds[k]})
		}
	}
	d.Counts = append(d.Counts,
		count{"", "may be forged, or unknown", address(url.Values{"unproven": {"true"}}), today.Unproven, recent.Unproven},
		count{"", "forged return paths, refused", "", today.Forged, recent.Forged},
		count{"", "recipients suppressed", address(url.Values{"acted": {"true"}}), today.Suppressed, recent.Suppressed})
}

func address(q url.Values) string {
	if len(q) == 0 {
		return "/feedback"
	}
	return "/feedback?" + q.Encode()
}

// undo takes what a report put on the suppression list off it again.
func (c *Reports) undo(v *frame.Visit) error {
	value := v.R.PostForm.Get("value")
	was, err := c.Admin.Unsuppress(v.R.Context(), value)
	if err != nil {
		return err
	}
	notice := strconv.Quote(mailview.Printable(human.Cut(value, 320))) + " gets mail again."
	if !was {
		notice = "This was not on the suppression list any more."
	}
	return v.Redirect("/feedback", notice)
}
