package logs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
)

// Files are the templates and the module of the pages.
//
//go:embed *.html *.js
var Files embed.FS

// Logs searches the logs, and follows them live. Its fields are set before Page is called, and stay as they are.
type Logs struct {
	Admin *admin.Admin    // searches
	Tail  *logsearch.Tail // hands out what is being logged. Nil: nothing can be followed
	Now   func() time.Time
}

// Page is the page, for a frame that serves it. Its address has the names of GET /v1/logs; times may also be spans such
// as 3h, which count back from now.
func (c *Logs) Page() frame.Page {
	return frame.Page{Path: "/logs", Title: "Log", Group: frame.Live,
		Routes:  map[string]frame.View{"GET /logs": c.logs, "GET /logs/record": c.logRecord, "GET /logs/download": c.downloadLogs},
		Streams: map[string]frame.Stream{"log": {Run: c.followLog}},
	}
}

// logLine is an entry as it is shown.
type logLine struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`  // "received", "delivered", "deferred", "failed"
	Words   string    `json:"words"` // for the kind
	To      string    `json:"to"`
	From    string    `json:"from"`
	Way     string    `json:"way"` // between which hosts
	Code    int       `json:"code,omitempty"`
	Said    string    `json:"said"`
	Class   string    `json:"class,omitempty"` // why it failed
	Means   string    `json:"means,omitempty"` // the class, in words
	Tags    string    `json:"tags,omitempty"`
	Attempt int       `json:"attempt,omitempty"`
	Record  string    `json:"record,omitempty"` // of live entries: the whole, for people
	Address string    `json:"-"`                // of the page with the whole record
	Message string    `json:"message,omitempty"`
}

func logLineOf(e *logsearch.Entry) logLine {
	show := func(s string, most int) string { return human.Cut(mailview.Printable(s), most) }
	l := logLine{Time: e.Time, Kind: string(e.Outcome), To: show(e.Recipient, 320), From: show(e.Envelope, 320),
		Code: e.Code, Attempt: e.Attempt, Tags: show(strings.Join(e.Tags[:min(len(e.Tags), 10)], ", "), 200)}
	switch {
	case e.Kind == logsearch.Received:
		l.Kind = "received"
		l.Way = show(e.Client, 60)
		if e.User != "" {
			l.Said = "logged in as " + show(e.User, 100)
		}
	default:
		l.Said = show(strings.TrimSpace(e.Status+" "+e.Description), 300)
		if l.Said == "" || e.State != "message" {
			l.Said = strings.TrimSpace(show(e.State+", "+e.Result, 100) + " " + l.Said)
		}
		if e.Class != "" {
			l.Class = show(e.Class, 60)
			l.Means, _ = queue.Class(e.Class).Words()
		}
		l.Way = show(e.From, 60)
		if e.To != "" {
			l.Way += " → " + show(e.To, 60)
		}
		if e.MTA != "" {
			l.Way += " " + show(e.MTA, 80)
		}
	}
	l.Words = l.Kind
	if e.ID != "" {
		l.Message = messages.Path(e.ID)
	}
	q := url.Values{"kind": {string(e.Kind)}, "at": {e.Time.UTC().Format(time.DateTime)}, "to": {e.Recipient}}
	if e.ID != "" {
		q.Set("id", e.ID)
	}
	if e.Attempt != 0 {
		q.Set("attempt", fmt.Sprint(e.Attempt))
	}
	if l.Address = "/logs/record?" + q.Encode(); len(l.Address) > 4000 {
		l.Address = ""
	}
	return l
}

// logSearch is what the form says, as it was typed.
type logSearch struct {
	Kind, From, To, Address, Domain, IP, Tag, ID, Outcome, Class, Code, Text string
}

func (s *logSearch) fields() human.Form {
	return human.Form{"kind": &s.Kind, "from": &s.From, "to": &s.To, "address": &s.Address, "domain": &s.Domain,
		"ip": &s.IP, "tag": &s.Tag, "id": &s.ID, "outcome": &s.Outcome, "class": &s.Class, "code": &s.Code, "text": &s.Text}
}

func logSearchOf(q url.Values) logSearch {
	var s logSearch
	s.fields().Read(q, 1000)
	return s
}

// query is what is searched for. Spans of time are counted back from now.
func (s *logSearch) query(now time.Time) (logsearch.Query, error) {
	values := admin.Values{}
	for name, field := range s.fields() {
		if *field != "" {
			values[name] = *field
		}
	}
	for _, name := range []string{"from", "to"} {
		text, given := values[name].(string)
		if !given {
			continue
		}
		text = strings.TrimSuffix(text, " ago")
		text = strings.Replace(text, "T", " ", 1)
		if age, err := admin.ParseAge(name, text); err == nil && !digits(text) {
			values[name] = now.Add(-age).UTC().Format(time.DateTime)
			continue
		}
		switch len(text) {
		case len(time.DateOnly):
			text += " 00:00:00"
		case len("2006-01-02 15:04"):
			text += ":00"
		}
		values[name] = text
	}
	if err := admin.CheckFields(admin.LogFields(), values); err != nil {
		return logsearch.Query{}, err
	}
	return admin.LogQuery(values), nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// logsData is what logs.html gets.
type logsData struct {
	Of       logSearch
	Lines    []logLine
	Searched string // how far back, in words
	Reached  time.Time
	Next     string // address of what is older; "": there is nothing
	First    string
	Download string
	Stream   string // topic that follows the log; "": it cannot be
	Live     bool   // begins at once
	NoLogs   bool
	Problem  string
	Then     string
	Again    string
}

// Classes are what can be chosen.
func (logsData) Classes() []queue.Class { return queue.Classes() }

const (
	logOnPage  = 100
	logAtOnce  = 64 << 20 // bytes that are searched for one page
	logTime    = 20 * time.Second
	maxLogSaid = 16 << 10
)

func (c *Logs) logs(v *frame.Visit) error {
	q := v.R.URL.Query()
	d := logsData{Of: logSearchOf(q), Live: q.Get("live") != ""}
	d.Again = logAddress("/logs", d.Of.fields().Values())
	if c.Tail != nil {
		d.Stream = logAddress("log", d.Of.fields().Values())
	}
	query, err := d.Of.query(c.Now())
	if err != nil {
		d.Stream = ""
		return c.logProblem(v, &d, err)
	}
	if c.Admin.SearchLogs == nil {
		d.NoLogs = true
		return v.Render("logs", d)
	}
	query.Limit, query.MaxBytes, query.Cursor = logOnPage, logAtOnce, q.Get("cursor")
	ctx, cancel := context.WithTimeout(v.R.Context(), logTime)
	defer cancel()
	page, err := c.Admin.Logs(ctx, query)
	if err != nil {
		return c.logProblem(v, &d, err)
	}
	d.show(page, query.Cursor != "")
	return v.Render("logs", d)
}

func (c *Logs) logProblem(v *frame.Visit, d *logsData, err error) error {
	shown := v.Frame.Fault(err)
	d.Problem, d.Then = shown.What, shown.Next
	if errors.Is(err, context.DeadlineExceeded) {
		d.Problem, d.Then = "The search took too long.", "Say from when to when, or more of what you look for."
	}
	return v.RenderStatus(shown.Status, "logs", d)
}

// show puts a page of entries into the data.
func (d *logsData) show(page *logsearch.Page, later bool) {
	for i := range page.Entries {
		d.Lines = append(d.Lines, logLineOf(&page.Entries[i]))
	}
	d.Download = logAddress("/logs/download", d.Of.fields().Values())
	d.Reached, d.Searched = page.Reached, human.Size(page.Scanned)
	if page.Cursor != "" {
		more := d.Of.fields().Values()
		more.Set("cursor", page.Cursor)
		d.Next = "/logs?" + more.Encode()
	}
	if later {
		d.First = d.Again
	}
}

func logAddress(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// recordData is what logrecord.html gets: the records that an address means, which is one unless they have no id.
type recordData struct {
	Lines []logLine
	Texts []string
	Log   string
}

const sameRecords = 5

// logRecord shows one record whole.
func (c *Logs) logRecord(v *frame.Visit) error {
	q := v.R.URL.Query()
	at, err := time.Parse(time.DateTime, q.Get("at"))
	if err != nil {
		return &frame.Fault{Status: http.StatusBadRequest, What: "The address names no record.", Next: "Search for it in the log."}
	}
	query := logsearch.Query{Kind: logsearch.Kind(q.Get("kind")), From: at, To: at.Add(time.Second), ID: q.Get("id"),
		Address: q.Get("to"), Limit: 1000, MaxBytes: logAtOnce}
	ctx, cancel := context.WithTimeout(v.R.Context(), logTime)
	defer cancel()
	page, err := c.Admin.Logs(ctx, query)
	if err != nil {
		return err
	}
	d := recordData{Log: "/logs"}
	if query.ID != "" {
		d.Log = "/logs?" + url.Values{"id": {query.ID}}.Encode()
	}
	for i := range page.Entries {
		e := &page.Entries[i]
		if e.Recipient != q.Get("to") || q.Get("attempt") != "" && fmt.Sprint(e.Attempt) != q.Get("attempt") ||
			len(d.Lines) >= sameRecords {
			continue
		}
		d.Lines = append(d.Lines, logLineOf(e))
		d.Texts = append(d.Texts, mailview.PrintableJSON(e.Line, maxLogSaid))
	}
	if len(d.Lines) == 0 {
		return frame.Missing("This record is not in the log any more.")
	}
	v.Title = "A record of the log"
	return v.Render("logrecord", d)
}
