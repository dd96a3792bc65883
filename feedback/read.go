package feedback

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

const (
	maxRecords = 20 // of one report; a report to a signed return path is about one recipient
	maxField   = 300
	maxAddress = 320
)

// classify makes records of a report: one for each recipient that it is about. What it says about the message is in
// clues.
func (d *Desk) classify(r *report.Report) ([]Record, clues) {
	switch {
	case r.Delivery != nil:
		return d.readDelivery(r.Delivery)
	case r.Feedback != nil:
		return readFeedback(r.Feedback)
	case r.Reading != nil:
		c := clues{}
		c.add(r.Reading.OriginalRecipient, r.Reading.FinalRecipient)
		c.copied(r.Reading.Original)
		if c.messageID == "" {
			c.messageID = r.Reading.MessageID
		}
		return []Record{{Kind: Read, Source: short(r.Reading.ReportingUA), Recipient: c.first(),
			Diagnostic: short(r.Reading.Disposition)}}, c
	case r.Auth != nil:
		return []Record{readAuth(r.Auth)}, clues{}
	case r.TLS != nil:
		return []Record{readTLS(r.TLS)}, clues{}
	}
	return []Record{{Kind: Reply}}, clues{}
}

func (d *Desk) readDelivery(b *report.Delivery) ([]Record, clues) {
	c := clues{envid: b.EnvelopeID}
	c.copied(b.Original)
	var all []Record
	for i := range b.Recipients[:min(len(b.Recipients), maxRecords)] {
		to := &b.Recipients[i]
		c.add(to.Original, to.Final)
		all = append(all, Record{Kind: d.kindOf(to), Source: short(b.ReportingMTA), Recipient: address(to.Address()),
			Status: short(to.Status), Code: to.Code, Diagnostic: short(to.Diagnostic)})
	}
	return all, c
}

func (d *Desk) kindOf(r *report.Recipient) Kind {
	switch r.Action {
	case report.ActionDelayed:
		return Delay
	case report.ActionDelivered, report.ActionRelayed, report.ActionExpanded:
		return Delivered
	}
	said := queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: r.Code, Status: r.Status,
		Description: r.Diagnostic}
	if r.Permanent() && d.hard(&said, r.RemoteMTA) {
		return HardBounce
	}
	return SoftBounce
}

// hard reports whether a failure says that the address will never work: there is no such mailbox or domain, or it is
// disabled. A refusal of the mail's content or of its sender is none. mx is the host that said so; "": not known.
func (d *Desk) hard(r *queue.Result, mx string) bool {
	if d.Class != nil {
		return isHard(d.Class(r, mx))
	}
	switch r.Status { // RFC 3463 §3.2, §3.3
	case "5.1.7", "5.1.8": // the sender's address
		return false
	}
	return strings.HasPrefix(r.Status, "5.1.") || r.Status == "5.2.1"
}

// isHard reports whether a class says that the address will never work.
func isHard(c queue.Class) bool {
	switch c.Base() {
	case queue.ClassAddressUnknown, queue.ClassDomainUnknown, queue.ClassMailboxDisabled:
		return true
	}
	return false
}

func readFeedback(f *report.Feedback) ([]Record, clues) {
	c := clues{envid: f.EnvelopeID, from: f.MailFrom}
	c.copied(f.Original)
	c.add(f.Recipients...)
	r := Record{Kind: Complaint, Source: short(f.ReportingMTA), Recipient: c.first(), Diagnostic: short(f.Type)}
	if r.Source == "" {
		r.Source = short(f.UserAgent)
	}
	switch f.Type {
	case "not-spam":
		r.Kind = NotSpam
	case "auth-failure":
		r.Kind, r.Diagnostic = Authentication, short(strings.TrimSpace(f.AuthFailure+" "+f.DeliveryResult))
	case "opt-out", "opt-out-list": // of the drafts before RFC 5965
		r.Kind = Unsubscribe
	}
	return []Record{r}, c
}

func readAuth(a *report.Auth) Record {
	r := Record{Kind: DMARC, Source: short(a.Organisation), Domain: short(a.Policy.Domain), Begin: moment(a.Begin),
		End: moment(a.End)}
	for i := range a.Records {
		r.Messages += a.Records[i].Count
		if a.Records[i].DKIM != "pass" && a.Records[i].SPF != "pass" {
			r.Failed += a.Records[i].Count
		}
	}
	return r
}

func readTLS(t *report.TLS) Record {
	r := Record{Kind: TLS, Source: short(t.Organisation), Begin: moment(t.Begin), End: moment(t.End)}
	types := map[string]int64{}
	for i := range t.Policies {
		p := &t.Policies[i]
		if r.Domain == "" {
			r.Domain = short(p.Domain)
		}
		r.Messages += sessions(p.Successful) + sessions(p.Failed)
		r.Failed += sessions(p.Failed)
		for j := range p.Failures {
			types[p.Failures[j].Type] += sessions(p.Failures[j].Sessions)
		}
	}
	r.Diagnostic = short(inWords(types))
	return r
}

// sessions is a number of sessions as somebody told it, within reason: millions of them have a sum.
func sessions(n int64) int64 { return min(max(n, 0), 1<<40) }

// inWords lists the commonest types of failures: "certificate-expired 12, starttls-not-supported 3".
func inWords(types map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(types), func(a, b string) int {
		return cmp.Or(cmp.Compare(types[b], types[a]), strings.Compare(a, b))
	})
	var all []string
	for _, name := range names[:min(len(names), 5)] {
		all = append(all, fmt.Sprint(human.Cut(name, 50), " ", types[name]))
	}
	return strings.Join(all, ", ")
}

// unread makes the record of a mail that was taken for a report and cannot be read as one.
func unread(err error) Record {
	r := Record{Kind: Reply}
	if !errors.Is(err, report.ErrNone) {
		r.Diagnostic = short("it cannot be read: " + err.Error())
	}
	return r
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// short cuts a text that somebody sent to what is kept of it, on one line.
func short(s string) string {
	return human.Cut(strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " "), maxField)
}

// address returns what is kept of an address that somebody sent: "" when it is none.
func address(s string) string {
	if s = strings.TrimSpace(s); len(s) > maxAddress || strings.LastIndexByte(s, '@') <= 0 {
		return ""
	}
	return short(s)
}
