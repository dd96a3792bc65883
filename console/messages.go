package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

// selection is a filter of messages as people write it.
type selection struct {
	Queue, ID, Domain, Sender, Recipient, Tag, State, Older, Newer, Text string
}

func (s *selection) fields() map[string]*string {
	return map[string]*string{"queue": &s.Queue, "id": &s.ID, "domain": &s.Domain, "sender": &s.Sender,
		"recipient": &s.Recipient,
		"tag":       &s.Tag, "state": &s.State, "older": &s.Older, "newer": &s.Newer, "text": &s.Text}
}

// selectionOf reads a selection from an address or a form.
func selectionOf(q url.Values) selection {
	var s selection
	for name, field := range s.fields() {
		if *field = human.Cut(q.Get(name), 1000); name != "id" && name != "queue" {
			*field = typed(*field)
		}
	}
	return s
}

// typed is what somebody typed into a field, without what cannot be seen: the address of a page may be another's work.
func typed(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}

func (s *selection) values() url.Values {
	q := url.Values{}
	for name, field := range s.fields() {
		if *field != "" {
			q.Set(name, *field)
		}
	}
	return q
}

// Address is that of the list of what is selected.
func (s selection) Address() string {
	if q := s.values(); len(q) > 0 {
		return "/messages?" + q.Encode()
	}
	return "/messages"
}

// filter is the selection as the queue understands it.
func (s *selection) filter() (queue.Filter, error) {
	state, err := admin.ParseState(s.State)
	f := queue.Filter{Queue: s.Queue, ID: s.ID, Domain: s.Domain, Envelope: s.Sender, Recipient: s.Recipient, Tag: s.Tag,
		State: state, Text: s.Text}
	if err != nil {
		return f, err
	}
	if f.OlderThan, err = ageOf("older", s.Older); err != nil {
		return f, err
	}
	f.NewerThan, err = ageOf("newer", s.Newer)
	return f, err
}

func ageOf(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	field := admin.Field{Name: name, Type: admin.Age}
	v, problem := field.Value(strings.ReplaceAll(text, " ", ""))
	age, ok := v.(time.Duration)
	if problem != nil || !ok {
		return 0, admin.Wrong(name, text, "an age such as 90s, 15m, 2h or 3d")
	}
	return age, nil
}

// String says in words what is selected.
func (s selection) String() string {
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
	if s == (selection{}) {
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

// messageLine is a message in the list.
type messageLine struct {
	ID, Address              string // Address is that of its page, "": it has no id
	From, To, Queue, State   string
	Tags                     []string
	Size                     int64
	Attempts                 int
	Stored, Due              time.Time
	Parked                   string
	ShownFrom, ShownTo, Next string
}

// messagesData is what messages.html gets.
type messagesData struct {
	Of       selection
	Words    string
	States   []string
	Queues   []string
	Messages []messageLine
	First    string // address of the first page; "": this is it
	Next     string // of the next; "": there is none
	Problem  string
	Then     string
}

const messagesOnPage = 100

func (c *Console) messages(v *frame.Visit) error {
	q := v.R.URL.Query()
	d := messagesData{Of: selectionOf(q), States: []string{"ready", "delayed", "parked", "out"}}
	d.Words = human.Capital(d.Of.String())
	v.Title = "Messages"
	if d.Of.Queue != "" {
		v.Title = "Messages in " + human.Middle(mailview.Printable(d.Of.Queue), 40)
	}
	stats, _, _ := c.queueStats()
	for _, s := range stats {
		d.Queues = append(d.Queues, s.Queue)
	}
	if c.Admin == nil {
		return noAdmin()
	}
	f, err := d.Of.filter()
	var entries []queue.Entry
	next := ""
	if err == nil {
		entries, next, err = c.Admin.Messages(v.R.Context(), f, q.Get("cursor"), messagesOnPage)
	}
	if err != nil {
		shown := asFault(err)
		d.Problem, d.Then = shown.What, shown.Next
		return v.RenderStatus(shown.Status, "messages", d)
	}
	for i := range entries {
		d.Messages = append(d.Messages, lineOf(&entries[i]))
	}
	if q.Get("cursor") != "" {
		d.First = d.Of.Address()
	}
	if next != "" {
		more := d.Of.values()
		more.Set("cursor", next)
		d.Next = "/messages?" + more.Encode()
	}
	return v.Render("messages", d)
}

func lineOf(e *queue.Entry) messageLine {
	l := messageLine{ID: mailview.Printable(e.ID), From: mailview.Printable(e.Envelope),
		To: mailview.Printable(e.Recipient), Queue: mailview.Printable(e.Queue),
		State: e.State.String(), Size: e.Size, Attempts: e.Attempts, Stored: e.Stored, Due: e.Due,
		Parked: mailview.Printable(e.Parked)}
	if e.ID != "" {
		l.Address = messagePath(e.ID)
	}
	for _, tag := range e.Tags[:min(len(e.Tags), 10)] {
		l.Tags = append(l.Tags, human.Cut(mailview.Printable(tag), 40))
	}
	return l
}

// messagePath is the address of a message's page.
func messagePath(id string) string { return "/messages/" + url.PathEscape(id) }

// actData is the question whether something is to be done to messages.
type actData struct {
	Of        selection // but for the id, which is part of Form
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
func (c *Console) act(v *frame.Visit) error {
	if c.Admin == nil {
		return noAdmin()
	}
	form := v.R.PostForm
	d := actData{Of: selectionOf(form), Action: admin.Action(form.Get("action")), To: form.Get("to"),
		Back: form.Get("back")}
	if d.Back = frame.LocalPath(d.Back); d.Back == "/" {
		d.Back = d.Of.Address()
	}
	d.Form = "/messages/act"
	if id := v.R.PathValue("id"); id != "" { // not in a field: an id may hold what no browser sends back
		d.Of.ID, d.Form = id, messagePath(id)+"/act"
	}
	d.Words, d.Everybody = d.Of.String(), d.Of == selection{}
	if d.Action != admin.Move {
		d.To = ""
	}
	f, err := d.Of.filter()
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
func (c *Console) ask(v *frame.Visit, d *actData, f queue.Filter) error {
	d.Verb, d.Effect = verbs(d.Action, d.To)
	if d.AskTo = d.Action == admin.Move && d.To == ""; d.AskTo {
		stats, _, _ := c.queueStats()
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
