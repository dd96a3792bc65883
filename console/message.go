package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

// messageData is what message.html gets.
type messageData struct {
	Shown    string
	Path     string
	Gone     bool
	Log      string // address of the search for its id
	Line     messageLine
	Sentence string
	Kind     string // as a trouble's
	Why      admin.Why
	Rule     string // where the limit comes from, in words
	RuleLink string // page of the rule; "": it has none
	Events   []event
	JSON     string
	Mail     *mailview.View
	Header   []mailview.Field
	Subject  string
	Text     string
	CutText  bool
	Size     int64
	Problem  string // why the mail itself cannot be shown
	HasHTML  bool
}

const (
	shownText   = 24 << 10 // bytes of a mail's text on the page
	shownJSON   = 24 << 10
	shownFields = 60
	shownValue  = 600
)

// oneMessage shows one message: what happened to it, and why it waits.
func (c *Console) oneMessage(v *frame.Visit) error {
	if c.Admin == nil {
		return noAdmin()
	}
	id := v.R.PathValue("id")
	d := messageData{Shown: human.Middle(mailview.Printable(id), 80), Path: messagePath(id),
		Log: "/logs?" + url.Values{"id": {id}}.Encode()}
	v.Title = "Message " + human.Middle(mailview.Printable(id), 40)
	m, err := c.Admin.Message(v.R.Context(), id)
	if isGone(err) {
		d.Gone = true
		return v.RenderStatus(http.StatusNotFound, "message", d)
	}
	if err != nil {
		return err
	}
	d.Line = lineOf(&m.Entry)
	d.Why = m.Why
	d.Sentence, d.Kind = whySentence(&m.Why), whyKind(&m.Why)
	d.Rule, d.RuleLink = c.ruleOf(&m.Why)
	d.Events = c.history(m)
	d.JSON = prettyJSON(m.Record, shownJSON)
	d.open(m.Mail)
	return v.Render("message", d)
}

// open takes the mail apart. It may leave while it is being read.
func (d *messageData) open(body queue.Body) {
	if body == nil {
		d.Problem = "The mail itself is kept elsewhere (in the message store), or is made when it is sent."
		return
	}
	d.Size = body.Size()
	view, err := mailview.Parse(body, body.Size())
	if err != nil {
		d.Problem = "The mail could not be read: it may have left just now. Load the page again."
		return
	}
	d.Mail, d.HasHTML, d.Subject = view, view.HTML != "", human.Cut(view.Subject, shownValue)
	for _, f := range view.Header[:min(len(view.Header), shownFields)] {
		d.Header = append(d.Header, mailview.Field{Name: human.Cut(f.Name, 80), Value: human.Cut(f.Value, shownValue)})
	}
	view.Parts = view.Parts[:min(len(view.Parts), shownFields)]
	d.Text = view.Text
	if len(d.Text) > shownText {
		d.Text, d.CutText = human.Cut(d.Text, shownText), true
	}
	d.Text = printableLines(d.Text)
}

// MoreFields is how many fields of the header are not on the page.
func (d messageData) MoreFields() int { return len(d.Mail.Header) - len(d.Header) }

// whySentence makes a whole sentence of a reason.
func whySentence(w *admin.Why) string {
	text := mailview.Printable(strings.TrimSpace(w.Reason))
	if text == "" {
		return "Why it waits is not known."
	}
	switch first, _, _ := strings.Cut(text, " "); strings.TrimSuffix(first, ":") {
	case "waits", "is":
		text = "It " + text
	default:
		text = human.Capital(text)
	}
	return strings.TrimRight(text, ".") + "."
}

// whyKind is the mark before the sentence.
func whyKind(w *admin.Why) string {
	switch w.Cause {
	case "pause":
		return "paused"
	case "flood":
		return "flood"
	case "limit":
		return "throttle"
	case "backoff":
		return "offline"
	case "retry", "schedule":
		return "deferred"
	case "lookup":
		return "dns"
	case "slot", "memory":
		return "slots"
	case "sending", "none", "connect":
		return "ok"
	}
	switch {
	case w.Limit == "pause":
		return "paused"
	case w.Limit != "":
		return "throttle"
	}
	return map[string]string{"deferred": "deferred", "parked": "aside", "sending": "ok"}[w.Where]
}

// ruleOf names the rule that holds a message, and the page on which it can be changed.
func (c *Console) ruleOf(w *admin.Why) (words, link string) {
	if w.Rule == "" && w.Limit == "" {
		return "", ""
	}
	words = ruleName(mailview.Printable(w.Rule))
	kind, rest, _ := strings.Cut(w.Rule, " ")
	switch {
	case w.Rule == "", w.Rule == "configuration", kind == "started":
		return words, ""
	case w.Rule == "pause under Services":
		return words, "/services"
	case kind == "pause":
		return words, c.rulePage("/pauses", rest, 0)
	case kind == "flood":
		return words, c.rulePage("/floods", rest,
			idOf(c.settings().Rows.FloodResponses, func(r *settings.FloodResponse) (string, int64) { return r.Name, r.ID },
				rest))
	case kind == "schedule":
		name, _, _ := strings.Cut(rest, ", day ")
		return words, c.rulePage("/schedules", name,
			idOf(c.settings().Rows.Schedules, func(r *settings.Schedule) (string, int64) { return r.Name, r.ID }, name))
	}
	return words, c.rulePage("/throttles", w.Rule,
		idOf(c.settings().Rows.Capacities, func(r *settings.Capacity) (string, int64) { return r.Name, r.ID }, w.Rule))
}

// idOf returns the id of the row with a name; 0: there is none.
func idOf[T any](rows []T, of func(*T) (string, int64), name string) int64 {
	for i := range rows {
		if n, id := of(&rows[i]); n == name {
			return id
		}
	}
	return 0
}

// rulePage is the page of a rule when its id is known, or is its name; else the list of its kind, searched for the
// name. "": there is no such page.
func (c *Console) rulePage(path, name string, id int64) string {
	if !slices.ContainsFunc(c.frame.Pages, func(p frame.Page) bool { return p.Path == path }) {
		return ""
	}
	if id == 0 && path == "/pauses" {
		id, _ = strconv.ParseInt(name, 10, 64)
	}
	if id > 0 {
		return fmt.Sprintf("%s/%d", path, id)
	}
	return path + "?" + url.Values{"q": {name}}.Encode()
}

// event is one line of what happened to a message.
type event struct {
	At     time.Time
	Kind   string // "good", "warn", "bad", "": for the mark beside it
	Title  string
	Lines  []string
	Said   string // what the other side answered
	Code   int
	Gap    string // how long after the event before
	Coming bool   // has not happened yet
}

// history is everything that happened to a message, as far as it knows, and what comes next.
func (c *Console) history(m *admin.Message) []event {
	all := []event{}
	known, err := queue.Unmarshal(m.Record)
	if err == nil {
		all = append(all, received(known)...)
		for i := range known.Checks {
			if line := checkLine(known.Checks[i]); line.Title != "" {
				all = append(all, line)
			}
		}
		for i := range known.Results {
			all = append(all, attempt(i, &known.Results[i]))
		}
	}
	if len(all) == 0 {
		all = append(all, event{At: m.Entry.Stored, Title: "Stored in the queue"})
	}
	now := event{At: c.now(), Title: "Now: " + whereWords(&m.Why), Kind: "now"}
	if m.Why.Ahead > 0 {
		now.Lines = append(now.Lines, human.Plural(m.Why.Ahead, "message")+" "+human.Pick(m.Why.Ahead, "goes", "go")+
			" before it.")
	}
	all = append(all, now)
	if m.Why.Next.After(now.At) {
		all = append(all, event{At: m.Why.Next, Title: "Looked at again, at the latest", Coming: true})
		if m.Why.Where == "deferred" {
			all[len(all)-1].Title = "Next attempt"
		}
	}
	var last time.Time
	for i := range all {
		if at := all[i].At; !at.IsZero() {
			if !last.IsZero() && at.Sub(last) >= time.Second {
				all[i].Gap = human.Span(at.Sub(last)) + " later"
			}
			last = at
		}
	}
	return all
}

// whereWords are short for where a message is now.
func whereWords(w *admin.Why) string {
	switch w.Where {
	case "memory", "lookup":
		return "with the delivery engine"
	case "parked":
		return "set aside"
	case "deferred":
		return "waits for its next attempt"
	case "sending":
		return "being sent"
	}
	return "in the queue"
}

// received tells how a message came.
func received(m *queue.Message) []event {
	e := event{At: m.Received, Title: "Received"}
	say := func(format string, args ...any) {
		e.Lines = append(e.Lines, mailview.Printable(fmt.Sprintf(format, args...)))
	}
	switch {
	case m.Connection != nil:
		e.Title += " over SMTP"
		text := "from " + m.Connection.RemoteIP + " at " + m.Connection.LocalIP
		if m.Connection.LocalPort != 0 {
			text += fmt.Sprintf(", port %d", m.Connection.LocalPort)
		}
		if m.Connection.Secure {
			text += ", with TLS"
		}
		say("%s", text)
		if m.Connection.User != "" {
			say("logged in as %s", m.Connection.User)
		}
	case m.HTTP != nil:
		e.Title += " over HTTP"
		say("from %s with the token or as the user %s", cmp.Or(m.HTTP.RemoteIP, "an unknown address"),
			cmp.Or(m.HTTP.Authentication, "–"))
	case m.Spool != nil:
		e.Title += " from the spool directory"
		say("file %s", m.Spool.File)
	case m.CLI != nil:
		e.Title += " from the command line"
		say("%s", m.CLI.Command)
	}
	if m.Hostname != "" {
		say("by %s", m.Hostname)
	}
	return []event{e}
}

// checkLine tells what a check found: its first member names it and holds the verdict, the others tell more.
func checkLine(raw json.RawMessage) event {
	show := func(v any) string { return human.Cut(mailview.Printable(fmt.Sprint(v)), 200) }
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return event{}
	}
	var e event
	for d.More() {
		name, err := d.Token()
		var value any
		if err != nil || d.Decode(&value) != nil {
			break
		}
		if e.Title == "" {
			e.Title, e.Kind = "Check: "+show(name)+" "+show(value), verdictKind(value)
			continue
		}
		switch value.(type) {
		case string, float64, bool:
			if len(e.Lines) < 6 {
				e.Lines = append(e.Lines, show(name)+": "+show(value))
			}
		}
	}
	return e
}

// verdictKind is the mark beside a verdict.
func verdictKind(verdict any) string {
	switch verdict {
	case "pass", "clean", "ham", "none", false:
		return "good"
	case "fail", "virus", "infected", "spam", "listed", "permerror", true:
		return "bad"
	}
	return "warn"
}

// attempt tells what came of an attempt.
func attempt(i int, r *queue.Result) event {
	show := mailview.Printable
	e := event{At: r.Time, Code: r.Code, Title: fmt.Sprintf("Attempt %d: %s", i+1,
		show(string(r.State)+", "+string(r.Result))), Kind: "warn"}
	switch {
	case r.State == "message" && r.Result == "accepted":
		e.Kind = "good"
	case r.Code >= 500:
		e.Kind = "bad"
	}
	if r.To != "" || r.From != "" {
		line := "from " + cmp.Or(r.From, "any address") + " to " + cmp.Or(r.To, "no host")
		if r.MTA != "" {
			line += " (" + r.MTA + ")"
		}
		e.Lines = append(e.Lines, human.Cut(show(line), 300))
	}
	if r.Cipher != nil {
		e.Lines = append(e.Lines, human.Cut(show("with "+r.Cipher.Version+" "+r.Cipher.Name), 200))
	}
	said := strings.TrimSpace(r.Status + " " + r.Description)
	if r.Code != 0 {
		said = fmt.Sprintf("%d %s", r.Code, said)
	}
	e.Said = human.Cut(show(said), 1000)
	return e
}

// prettyJSON writes JSON for people, with nothing invisible in it.
func prettyJSON(raw []byte, most int) string {
	var b bytes.Buffer
	if len(raw) > 1<<20 {
		return human.Cut(mailview.Printable(string(raw[:most])), most)
	}
	if json.Indent(&b, raw, "", "  ") != nil {
		return human.Cut(mailview.Printable(string(raw[:min(len(raw), most)])), most)
	}
	return human.Cut(printableLines(b.String()[:min(b.Len(), 2*most)]), most)
}

// printableLines is mailview.Printable for texts of several lines.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = mailview.Printable(strings.TrimSuffix(lines[i], "\r"))
	}
	return strings.Join(lines, "\n")
}

// rawMessage sends the mail as it is, as a file that browsers keep and do not show.
func (c *Console) rawMessage(v *frame.Visit) error {
	if c.Admin == nil {
		return noAdmin()
	}
	id := v.R.PathValue("id")
	m, err := c.Admin.Message(v.R.Context(), id)
	if err != nil {
		return err
	}
	if m.Mail == nil {
		return frame.Missing("The mail itself is not kept in the queue.")
	}
	const slowest = 100 << 10 // bytes a second
	size := m.Mail.Size()
	wait := frame.PageTime + time.Duration(size/slowest)*time.Second
	// fails where there is no connection: in tests
	_ = http.NewResponseController(v.W).SetWriteDeadline(time.Now().Add(wait))
	h := v.W.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(id) + ".eml"}))
	h.Set("Content-Length", fmt.Sprint(size))
	if v.R.Method == http.MethodHead {
		return nil
	}
	if n, err := io.Copy(v.W, io.NewSectionReader(m.Mail, 0, size)); err != nil || n < size {
		panic(http.ErrAbortHandler) // it left while it was being read: nobody is to take the part for the whole
	}
	return nil
}

// fileName keeps what is harmless in the name of a file.
func fileName(id string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, id[:min(len(id), 100)])
	return cmp.Or(name, "message")
}
