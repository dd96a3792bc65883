package report

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
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

func readDelivery(header []byte, leaves []leaf) (*Delivery, error) {
	status := find(leaves, "message/delivery-status", "message/global-delivery-status")
	if status == nil {
		return readBounce(header, leaves)
	}
	text, err := status.read(maxStatus)
	if err != nil {
		return nil, err
	}
	groups, err := parseGroups(text)
	if err != nil {
		return nil, err
	}
	d := &Delivery{Original: original(leaves)}
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

// statusCode is an enhanced status code (RFC 3463, subjects 0 to 7), replyCode an SMTP reply code in front of a text.
var (
	statusCode = regexp.MustCompile(`\b[245]\.[0-7]\.\d{1,3}\b`)
	replyCode  = regexp.MustCompile(`\b([245][0-5]\d)(?:[ :-]|$)`)
)

// statusIn returns the first enhanced status code of a text, or "". Parts of IP addresses, and of longer versions, are none.
func statusIn(text string) string {
	for _, at := range statusCode.FindAllStringIndex(text, maxParts) {
		before, after := text[:at[0]], text[at[1]:]
		if strings.HasSuffix(before, ".") || len(after) > 1 && after[0] == '.' && after[1] >= '0' && after[1] <= '9' {
			continue
		}
		return text[at[0]:at[1]]
	}
	return ""
}

func recipient(g fields) Recipient {
	r := Recipient{
		Original: g.address("original-recipient"), Final: g.address("final-recipient"), Action: Action(strings.ToLower(firstWord(g.get("action")))),
		Status: statusIn(g.get("status")), Last: g.time("last-attempt-date"), RetryUntil: g.time("will-retry-until"), LogID: g.get("final-log-id"),
	}
	r.RemoteMTA = g.mta("remote-mta")
	typ, text := g.typed("diagnostic-code")
	r.Diagnostic = text
	if typ == "smtp" || typ == "" {
		r.Code = codeOf(text)
	}
	if specific := statusIn(text); specific != "" && (r.Status == "" || strings.HasSuffix(r.Status, ".0.0")) {
		r.Status = specific // many say 5.0.0 where the remote knew better
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

func codeOf(text string) int {
	found := replyCode.FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	code, _ := strconv.Atoi(found[1])
	return code
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return strings.TrimRight(word, ";,")
}

func tooMany(n int, what string) error { return fmt.Errorf("more than %d %s: %w", n, what, ErrLarge) }
