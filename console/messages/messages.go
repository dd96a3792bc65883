package messages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

// Selection is a filter of messages as people write it.
type Selection struct {
	Queue, ID, Domain, Sender, Recipient, Tag, State, Older, Newer, Text string
}

func (s *Selection) fields() map[string]*string {
	return map[string]*string{"queue": &s.Queue, "id": &s.ID, "domain": &s.Domain, "sender": &s.Sender,
		"recipient": &s.Recipient,
		"tag":       &s.Tag, "state": &s.State, "older": &s.Older, "newer": &s.Newer, "text": &s.Text}
}

// selectionOf reads a Selection from an address or a form.
func selectionOf(q url.Values) Selection {
	var s Selection
	for name, field := range s.fields() {
		if *field = human.Cut(q.Get(name), 1000); name != "id" && name != "queue" {
			*field = human.Typed(*field)
		}
	}
	return s
}

func (s *Selection) values() url.Values {
	q := url.Values{}
	for name, field := range s.fields() {
		if *field != "" {
			q.Set(name, *field)
		}
	}
	return q
}

// Address is that of the list of what is selected.
func (s Selection) Address() string {
	if q := s.values(); len(q) > 0 {
		return "/messages?" + q.Encode()
	}
	return "/messages"
}

// filter is the Selection as the queue understands it.
func (s *Selection) Filter() (queue.Filter, error) {
	state, err := admin.ParseState(s.State)
	f := queue.Filter{Queue: s.Queue, ID: s.ID, Domain: s.Domain, Envelope: s.Sender, Recipient: s.Recipient, Tag: s.Tag,
		State: state, Text: s.Text}
	if err != nil {
		return f, err
	}
	if f.OlderThan, err = admin.ParseAge("older", s.Older); err != nil {
		return f, err
	}
	f.NewerThan, err = admin.ParseAge("newer", s.Newer)
	return f, err
}

// String says in words what is selected.
func (s Selection) String() string {
	show := mailview.Printable
	text := "messages"
	add := func(value, words string) {
		if value != "" {
			text += " " + fmt.Sprintf(words, show(value))
		}
	}
	if s.State != "" {
		text = stateWord(s.State) + " messages"
	}
	add(s.ID, "with the id %s")
	add(s.Sender, "from %s")
	add(s.Recipient, "to %s")
	add(s.Domain, "to the domain %s")
	add(s.Tag, "with the tag “%s”")
	add(s.Text, "with “%s” in address, id or tag")
	add(s.Older, "older than %s")
	add(s.Newer, "newer than %s")
	add(s.Queue, "in the queue “%s”")
	if s == (Selection{}) {
		return "all messages in all queues"
	}
	return text
}

func stateWord(state string) string {
	switch state {
	case "delayed":
		return "deferred"
	case "parked":
		return "set-aside"
	}
	return state
}

// Line is a message in the list.
type Line struct {
	ID, Address              string // Address is that of its page, "": it has no id
	From, To, Queue, State   string
	Tags                     []string
	Size                     int64
	Attempts                 int
	Stored, Due              time.Time
	Parked                   string
	ShownFrom, ShownTo, Next string
}

// listData is what messages.html gets.
type listData struct {
	Of       Selection
	Words    string
	States   []string
	Queues   []string
	Messages []Line
	First    string // address of the first page; "": this is it
	Next     string // of the next; "": there is none
	Short    bool   // the page is not full, and there may be more
	Export   string // of all that match, as comma separated values
	Problem  string
	Then     string
}

const onPage = 100

func (c *Messages) list(v *frame.Visit) error {
	q := v.R.URL.Query()
	d := listData{Of: selectionOf(q), States: []string{"ready", "delayed", "parked", "out"}}
	d.Words = human.Capital(d.Of.String())
	v.Title = "Messages"
	if d.Of.Queue != "" {
		v.Title = "Messages in " + human.Middle(mailview.Printable(d.Of.Queue), 40)
	}
	stats, _, _ := c.Queues()
	for _, s := range stats {
		d.Queues = append(d.Queues, s.Queue)
	}
	f, err := d.Of.Filter()
	if err == nil && q.Get("format") == "csv" {
		return c.export(v, f)
	}
	var entries []queue.Entry
	next := ""
	if err == nil {
		entries, next, err = c.Admin.Messages(v.R.Context(), f, q.Get("cursor"), onPage)
	}
	if err != nil {
		shown := v.Frame.Fault(err)
		d.Problem, d.Then = shown.What, shown.Next
		return v.RenderStatus(shown.Status, "messages", d)
	}
	for i := range entries {
		d.Messages = append(d.Messages, LineOf(&entries[i]))
	}
	all := d.Of.values()
	all.Set("format", "csv")
	d.Export = "/messages?" + all.Encode()
	if q.Get("cursor") != "" {
		d.First = d.Of.Address()
	}
	if next != "" {
		more := d.Of.values()
		more.Set("cursor", next)
		d.Next, d.Short = "/messages?"+more.Encode(), len(entries) < onPage
	}
	return v.Render("messages", d)
}

func LineOf(e *queue.Entry) Line {
	l := Line{ID: mailview.Printable(e.ID), From: mailview.Printable(e.Envelope),
		To: mailview.Printable(e.Recipient), Queue: mailview.Printable(e.Queue),
		State: e.State.String(), Size: e.Size, Attempts: e.Attempts, Stored: e.Stored, Due: e.Due,
		Parked: mailview.Printable(e.Parked)}
	if e.ID != "" {
		l.Address = Path(e.ID)
	}
	for _, tag := range e.Tags[:min(len(e.Tags), 10)] {
		l.Tags = append(l.Tags, human.Cut(mailview.Printable(tag), 40))
	}
	return l
}

// messagePath is the address of a message's page.
func Path(id string) string { return "/messages/" + url.PathEscape(id) }

// actData is the question whether something is to be done to messages.
type actData struct {
	Of        Selection // but for the id, which is part of Form
	Form      string    // where its forms are sent to
	Words     string
	Action    admin.Action
	To        string
	Count     int
	Back      string
	AskTo     bool     // it is not said yet where to
	Queues    []string // to choose from
	Everybody bool     // there is no condition: all messages are meant
	Verb      string
	Effect    string
}

// act does something to messages, after it has said how many they are.
func (c *Messages) act(v *frame.Visit) error {
	form := v.R.PostForm
	d := actData{Of: selectionOf(form), Action: admin.Action(form.Get("action")), To: form.Get("to"),
		Back: form.Get("back")}
	if d.Back = frame.LocalPath(d.Back); d.Back == "/" {
		d.Back = d.Of.Address()
	}
	d.Form = "/messages/act"
	if id := v.R.PathValue("id"); id != "" { // not in a field: an id may hold what no browser sends back
		d.Of.ID, d.Form = id, Path(id)+"/act"
	}
	d.Words, d.Everybody = d.Of.String(), d.Of == Selection{}
	if d.Action != admin.Move {
		d.To = ""
	}
	f, err := d.Of.Filter()
	if err != nil {
		return err
	}
	if !d.Everybody && f == (queue.Filter{}) {
		return &frame.Fault{Status: http.StatusBadRequest, What: "What is selected would be all messages.",
			Next: "Go back and say what you mean."}
	}
	confirmed := form.Get("confirmed")
	if confirmed == "" {
		return c.ask(v, &d, f)
	}
	n, err := c.Admin.Act(v.R.Context(), d.Action, f, d.To, false)
	if err != nil {
		return err
	}
	return v.Redirect(d.Back, d.done(n, confirmed))
}

// ask counts what an action would touch, and asks.
func (c *Messages) ask(v *frame.Visit, d *actData, f queue.Filter) error {
	d.Verb, d.Effect = verbs(d.Action, d.To)
	if d.AskTo = d.Action == admin.Move && d.To == ""; d.AskTo {
		stats, _, _ := c.Queues()
		for _, s := range stats {
			d.Queues = append(d.Queues, s.Queue)
		}
	} else {
		var err error
		if d.Count, err = c.Admin.Act(v.R.Context(), d.Action, f, d.To, true); err != nil {
			return err
		}
	}
	v.Title = human.Capital(d.Verb) + "?"
	if d.Form != "/messages/act" {
		d.Of.ID = ""
	}
	return v.Render("messageact", d)
}

// verbs are the words for an action, and what comes of it.
func verbs(action admin.Action, to string) (verb, effect string) {
	switch action {
	case admin.Retry:
		return "try now",
			"What is deferred or set aside is due at once. Limits, pauses and floods hold as before: it may still have to wait for them."
	case admin.Move:
		if to == "" {
			return "move", ""
		}
		return "move to " + mailview.Printable(to),
			"Each message goes into that queue. Whoever reads it decides what becomes of it."
	}
	return "remove", "They are gone for good, and their senders hear nothing of it: there is no result and no bounce."
}

// done says what was counted and what was done, which may differ: mail went on flowing meanwhile.
func (d *actData) done(n int, counted string) string {
	what := map[admin.Action]string{admin.Retry: "due now", admin.Move: "moved to " + mailview.Printable(d.To),
		admin.Drop: "removed"}[d.Action]
	text := fmt.Sprintf("%s %s %s.", human.Plural(n, "message"), human.Pick(n, "is", "are"), what)
	if d.Action != admin.Retry {
		text = fmt.Sprintf("%s %s %s.", human.Plural(n, "message"), human.Pick(n, "was", "were"), what)
	}
	if k, err := strconv.Atoi(counted); err == nil && k >= 0 && k != n {
		text += fmt.Sprintf(" %s counted before: mail came and went meanwhile.",
			human.Count(k)+human.Pick(k, " was", " were"))
	}
	if n == 0 && d.Of.ID != "" {
		text = "Nothing was done: the message is with the delivery engine, gone, or due already."
	}
	return text
}

// isGone reports whether an error says that a message does not wait any more.
func isGone(err error) bool { return errors.Is(err, admin.ErrNotFound) }
