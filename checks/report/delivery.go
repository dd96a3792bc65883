package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Delivery is what a delivery status notification says (RFC 3464), or a bounce of another form.
type Delivery struct {
	EnvelopeID   string // Original-Envelope-Id: the ENVID that the mail was sent with
	ReportingMTA string
	ReceivedFrom string // Received-From-MTA
	Arrival      time.Time
	Recipients   []Recipient
	Original     *Original // nil: nothing of the mail was returned
	// Odd says that it is no DSN by the standard: the recipients were found in text made for people.
	Odd bool
}

// Action is what became of a mail (RFC 3464 §2.3.3).
type Action string

// The actions.
const (
	ActionFailed    Action = "failed"
	ActionDelayed   Action = "delayed" // delivery is tried again
	ActionDelivered Action = "delivered"
	ActionRelayed   Action = "relayed"  // to where nothing is heard of it
	ActionExpanded  Action = "expanded" // into the members of a list
)

// Recipient is what became of a mail to one recipient.
type Recipient struct {
	Original   string // the address that the mail was sent to, where the report tells it
	Final      string // the address that it was for at last
	Action     Action
	Status     string // enhanced status code: "5.1.1"
	RemoteMTA  string
	Code       int    // SMTP reply code of the diagnosis; zero: it has none
	Diagnostic string // what the remote said, without the type before it
	Last       time.Time
	RetryUntil time.Time
	LogID      string // Final-Log-Id
}

// Address returns the address that the mail was sent to, as far as it is known.
func (r *Recipient) Address() string {
	if r.Original != "" {
		return r.Original
	}
	return r.Final
}

// Permanent reports whether the failure is for good: the status is of class 5, or of none and the action is a failure.
func (r *Recipient) Permanent() bool {
	return r.Action == ActionFailed && !strings.HasPrefix(r.Status, "4.")
}

// statusTypes are the types of parts that have the fields of RFC 3464, or RFC 6533.
var statusTypes = []string{"message/delivery-status", "message/global-delivery-status"}

func readDelivery(leaves []leaf) (*Delivery, error) {
	i := slices.IndexFunc(leaves, func(l leaf) bool { return l.inReport && slices.Contains(statusTypes, l.mediaType) })
	if i < 0 {
		return nil, errors.New("no part of type message/delivery-status can be read")
	}
	return readStatus(&leaves[i], leaves)
}

// readStatus reads a part of fields, and what the text for people knows beyond it.
func readStatus(status *leaf, leaves []leaf) (*Delivery, error) {
	text, err := status.read(maxStatus)
	if err != nil {
		return nil, err
	}
	d, err := parseStatus(text)
	if err != nil {
		return nil, err
	}
	d.Original = original(leaves)
	d.complete(noticeText(leaves))
	return d, nil
}

// parseStatus reads the fields of a notification.
func parseStatus(text []byte) (*Delivery, error) {
	groups, err := parseGroups(text)
	if err != nil {
		return nil, err
	}
	d := &Delivery{}
	for _, g := range groups {
		switch {
		case g.get("final-recipient") != "" || g.get("original-recipient") != "" || g.get("action") != "":
			d.Recipients = append(d.Recipients, recipient(g))
		case d.ReportingMTA == "":
			d.EnvelopeID, d.Arrival = g.get("original-envelope-id"), g.time("arrival-date")
			d.ReportingMTA = g.mta("reporting-mta")
			d.ReceivedFrom = g.mta("received-from-mta")
		}
	}
	if len(d.Recipients) == 0 {
		return nil, errors.New("it names no recipient: expected fields Final-Recipient and Action (RFC 3464 §2.3)")
	}
	return d, nil
}

// complete takes codes that the fields lack from the text for people: some programs tell only there what the remote
// said.
func (d *Delivery) complete(text string) {
	n := notice{text: text}
	n.text, _ = cutReturned(text)
	var said []Recipient
	for i := range d.Recipients {
		r := &d.Recipients[i]
		if r.Code != 0 && !vague(r.Status) || r.Action != ActionFailed && r.Action != ActionDelayed {
			continue
		}
		if said == nil {
			said = explained(n.text)
		}
		told := Recipient{Final: r.Final}
		if i := slices.IndexFunc(said, func(s Recipient) bool {
			return strings.EqualFold(s.Final, r.Address()) || strings.EqualFold(s.Final, r.Final)
		}); i >= 0 {
			told = said[i]
		}
		if told.Code == 0 && len(d.Recipients) == 1 {
			said = []Recipient{told}
			n.explainRest(said)
			told = said[0]
		}
		r.learn(told)
	}
}

// learn takes over from what another source says about a recipient what is not known yet.
func (r *Recipient) learn(told Recipient) {
	if told.Status != "" && (r.Status == "" || vague(r.Status) && !vague(told.Status)) {
		r.Status, r.Code, r.Diagnostic = told.Status, cmp.Or(told.Code, r.Code), cmp.Or(told.Diagnostic, r.Diagnostic)
	}
	r.Code = cmp.Or(r.Code, told.Code)
	r.Diagnostic = cmp.Or(r.Diagnostic, told.Diagnostic)
}

func recipient(g fields) Recipient {
	r := Recipient{
		Original: g.address("original-recipient"), Final: g.address("final-recipient"),
		Action: Action(strings.ToLower(firstWord(g.get("action")))),
		Status: statusIn(g.get("status")), Last: g.time("last-attempt-date"), RetryUntil: g.time("will-retry-until"),
		LogID: g.get("final-log-id"),
	}
	r.RemoteMTA = g.mta("remote-mta")
	typ, text := g.typed("diagnostic-code")
	r.Diagnostic = text
	code, said := verdict(text)
	if typ == "smtp" || typ == "" || code >= 400 { // other types have exit codes of programs, too
		r.Code = code
	}
	if said != "" && (r.Status == "" || strings.HasSuffix(r.Status, ".0.0") || !vague(said)) {
		r.Status = said // what the remote said itself is more precise than what the reporter made of it
	}
	switch r.Action {
	case ActionFailed, ActionDelayed, ActionDelivered, ActionRelayed, ActionExpanded:
	default:
		r.Action = actionOf(r.Status)
	}
	return r
}

// actionOf guesses the action that a report left out.
func actionOf(status string) Action {
	switch {
	case strings.HasPrefix(status, "2."):
		return ActionDelivered
	case strings.HasPrefix(status, "4."):
		return ActionDelayed
	}
	return ActionFailed
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return strings.TrimRight(word, ";,")
}

func tooMany(n int, what string) error { return fmt.Errorf("more than %d %s: %w", n, what, ErrLarge) }
