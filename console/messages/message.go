package messages

import (
	"net/http"
	"net/url"
	"strings"

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
	Line     Line
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

// message shows one message: what happened to it, and why it waits.
func (c *Messages) message(v *frame.Visit) error {
	id := v.R.PathValue("id")
	d := messageData{Shown: human.Middle(mailview.Printable(id), 80), Path: Path(id),
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
	d.Line = LineOf(&m.Entry)
	d.Why = m.Why
	m.Why.Reason = strings.Replace(m.Why.Reason, m.Why.Rule, NameOfPause(m.Why.Rule, c.Settings.Current().Rows.Pauses), 1)
	d.Sentence, d.Kind = whySentence(&m.Why), whyKind(&m.Why)
	d.Rule, d.RuleLink = c.ruleOf(&m.Why)
	d.Events = c.history(m)
	d.JSON = mailview.PrintableJSON(m.Record, shownJSON)
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
	d.Text = mailview.PrintableLines(d.Text)
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
