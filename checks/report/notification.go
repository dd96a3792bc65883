package report

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Amazon SES tells what became of a mail in JSON, which its notification service may be asked to send by mail: a text
// that begins with the document, with a note on how to unsubscribe behind it (docs.aws.amazon.com/ses,
// notification-contents).

// notification is such a document, as far as it is read.
type notification struct {
	Message          string // the document itself, when the notification service wrapped it
	NotificationType string // "Bounce", "Complaint", "Delivery"
	EventType        string // the same, where events are published
	Bounce           struct {
		BouncedRecipients []struct{ EmailAddress, Action, Status, DiagnosticCode string }
		Timestamp         time.Time
		ReportingMTA      string
	}
	Complaint struct {
		ComplainedRecipients             []struct{ EmailAddress string }
		ComplaintFeedbackType, UserAgent string
		Timestamp                        time.Time
	}
	Delivery struct {
		Recipients                 []string
		SMTPResponse, ReportingMTA string
		Timestamp                  time.Time
	}
	Mail struct {
		Source        string
		CommonHeaders struct {
			From, To           []string
			Subject, MessageID string
		}
	}
}

// notified reads a mail as such a notification; nil when it is none.
func notified(leaves []leaf) *Report {
	l := find(leaves, "text/plain")
	if l == nil {
		return nil
	}
	n, ok := parseNotification(l.text(maxText))
	if ok && n.Message != "" {
		n, ok = parseNotification([]byte(n.Message))
	}
	if !ok {
		return nil
	}
	return n.report()
}

// parseNotification reads the document at the start of a text. Relays break its long line with a mark in front of the
// line end.
func parseNotification(text []byte) (n notification, ok bool) {
	text = bytes.ReplaceAll(text, []byte("!\n "), nil)
	if len(text) == 0 || text[0] != '{' {
		return n, false
	}
	return n, json.NewDecoder(bytes.NewReader(text)).Decode(&n) == nil
}

func (n *notification) report() *Report {
	original := n.original()
	switch n.NotificationType + n.EventType {
	case "Bounce":
		d := &Delivery{ReportingMTA: lastWord(n.Bounce.ReportingMTA), Original: original}
		for _, b := range n.Bounce.BouncedRecipients {
			d.Recipients = append(d.Recipients, recipient(fields{
				"final-recipient": {b.EmailAddress}, "action": {b.Action}, "status": {b.Status},
				"diagnostic-code": {b.DiagnosticCode},
			}))
			d.Recipients[len(d.Recipients)-1].Last = n.Bounce.Timestamp
		}
		return named(d)
	case "Delivery":
		d := &Delivery{ReportingMTA: n.Delivery.ReportingMTA, Original: original}
		for _, address := range n.Delivery.Recipients {
			r := Recipient{Final: address, Action: ActionDelivered, Diagnostic: n.Delivery.SMTPResponse,
				Last: n.Delivery.Timestamp}
			r.Code, r.Status = verdict(r.Diagnostic)
			d.Recipients = append(d.Recipients, r)
		}
		return named(d)
	case "Complaint":
		c := n.Complaint
		f := &Feedback{
			Type: c.ComplaintFeedbackType, UserAgent: c.UserAgent, MailFrom: n.Mail.Source, Arrival: c.Timestamp, Incidents: 1,
			Original: original,
		}
		for _, r := range c.ComplainedRecipients {
			f.Recipients = append(f.Recipients, r.EmailAddress)
		}
		return &Report{Kind: ARF, Feedback: f}
	}
	return nil
}

// named returns a report on a delivery; nil when it names nobody.
func named(d *Delivery) *Report {
	d.Recipients = slices.DeleteFunc(d.Recipients, func(r Recipient) bool { return r.Final == "" })
	if len(d.Recipients) == 0 {
		return nil
	}
	return &Report{Kind: DSN, Delivery: d}
}

// original returns what the document says about the mail; nil when that is nothing.
func (n *notification) original() *Original {
	h := n.Mail.CommonHeaders
	if n.Mail.Source == "" && h.Subject == "" && h.MessageID == "" {
		return nil
	}
	return &Original{
		MessageID: bare(h.MessageID), Envelope: n.Mail.Source, From: strings.Join(h.From, ", "), To: strings.Join(h.To, ", "),
		Subject: h.Subject,
	}
}

func lastWord(s string) string {
	return s[strings.LastIndexByte(s, ' ')+1:]
}
