package messages

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

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
func (c *Messages) history(m *admin.Message) []event {
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
	now := event{At: c.Now(), Title: "Now: " + whereWords(&m.Why), Kind: "now"}
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
	if r.Class != "" {
		wrong, _ := r.Class.Words()
		e.Lines = append(e.Lines, human.Cut(show(string(r.Class)), 60)+": "+wrong)
	}
	for _, line := range security(r) {
		e.Lines = append(e.Lines, human.Cut(show(line), 300))
	}
	said := strings.TrimSpace(r.Status + " " + r.Description)
	if r.Code != 0 {
		said = fmt.Sprintf("%d %s", r.Code, said)
	}
	e.Said = human.Cut(show(said), 1000)
	return e
}

// security tells how an attempt was secured, and how it had to be.
func security(r *queue.Result) (lines []string) {
	if c := r.Cipher; c != nil {
		line := "with " + c.Version + " " + c.Name
		if c.Group != "" {
			line += ", key exchange " + c.Group
		}
		if c.Resumed {
			line += ", an earlier session"
		}
		lines = append(lines, line)
	}
	if c := r.Certificate; c != nil && c.Subject != nil && c.Issuer != nil {
		line := fmt.Sprintf("certificate of %s by %s until %s", cmp.Or(c.Subject.Common, "nobody"),
			cmp.Or(c.Issuer.Common, c.Issuer.Organization, "nobody"), c.NotAfter.Format(time.DateOnly))
		if !c.Verified {
			line += ", not verified: " + c.Result
		}
		lines = append(lines, line)
	}
	if p := r.TLSPolicy; p != nil {
		line := "TLS policy " + p.Type + ", " + p.Mode
		if p.Failure != "" {
			line += ": " + p.Failure
		}
		lines = append(lines, strings.TrimSuffix(line+": "+p.Reason, ": "))
	}
	return lines
}
