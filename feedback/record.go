package feedback

import (
	"slices"
	"strings"
	"time"
)

// Kind says what was reported.
type Kind string

// The kinds.
const (
	HardBounce     Kind = "hard-bounce"    // the recipient cannot be reached, and never will be
	SoftBounce     Kind = "soft-bounce"    // the mail came back for another reason
	Delay          Kind = "delay"          // the mail is late
	Delivered      Kind = "delivered"      // the mail arrived, or was passed on
	Complaint      Kind = "complaint"      // the recipient called it spam, or worse
	Unsubscribe    Kind = "unsubscribe"    // the recipient wants no more
	NotSpam        Kind = "not-spam"       // the recipient says that it is none
	Authentication Kind = "authentication" // DKIM, SPF or DMARC failed for a mail
	Read           Kind = "read"           // the mail was read, or deleted (MDN)
	DMARC          Kind = "dmarc"          // aggregate report
	TLS            Kind = "tls"            // aggregate report
	Reply          Kind = "reply"          // no report: an answer of a person or a program
)

// Kinds lists all kinds, in the order in which they are shown.
func Kinds() []Kind {
	return []Kind{HardBounce, SoftBounce, Complaint, Unsubscribe, Delay, Delivered, NotSpam, Authentication, Read, DMARC,
		TLS,
		Reply}
}

// Join says how a report was joined to its message.
type Join string

// The ways of joining.
const (
	ByReturnPath Join = "return-path" // it came to a signed return path
	ByEnvID      Join = "envid"       // it names the token of one as ENVID
	ByCopy       Join = "copy"        // what it returns of the mail has such a token
	ByLog        Join = "log"         // what it returns of the mail names a message of the send log
	BySession    Join = "session"     // no report: a server refused the mail while it was being sent
)

// Record is what a report said about one recipient of one message, or in all, and what followed from it.
type Record struct {
	ID     string    `json:"id"` // unique: that of the report's own message, and a number
	Time   time.Time `json:"time"`
	Kind   Kind      `json:"kind"`
	Source string    `json:"source,omitempty"` // who reports, as it says itself

	// The message that it is about, as far as it is known.
	Joined    Join     `json:"joined,omitempty"` // "": it is not known
	MessageID string   `json:"message-id,omitempty"`
	Recipient string   `json:"recipient,omitempty"` // that the mail was sent to; else the one that the report names
	Tags      []string `json:"tags,omitempty"`
	Sent      string   `json:"sent,omitempty"` // day, UTC: 2006-01-02

	// What is said of it.
	Status     string `json:"status,omitempty"` // enhanced status code
	Code       int    `json:"code,omitempty"`
	Diagnostic string `json:"diagnostic,omitempty"`

	// Of reports on DMARC and TLS.
	Domain   string     `json:"domain,omitempty"`
	Begin    *time.Time `json:"begin,omitempty"`
	End      *time.Time `json:"end,omitempty"`
	Messages int64      `json:"messages,omitempty"` // or sessions
	Failed   int64      `json:"failed,omitempty"`

	// What followed.
	Proof      Proof  `json:"proof,omitempty"`      // why it may act; "": it may not
	Suppressed string `json:"suppressed,omitempty"` // what was put on the suppression list: the recipient, or its hash
	Why        string `json:"why,omitempty"`        // why it was, or was not

	again bool // the same was reported of this message before
}

// Unproven reports whether a record may be of a forged report: it is of a kind that could act and proves nothing, or it
// tells what became of a mail that is not known here.
func (r *Record) Unproven() bool {
	switch r.Kind {
	case HardBounce, Complaint, Unsubscribe:
		return r.Proof == ""
	case SoftBounce, Delay, Delivered:
		return r.Proof == "" && r.Joined == ""
	}
	return false
}

// Query says which records are wanted; the zero Query: all.
type Query struct {
	Kind      Kind
	Recipient string // part of the address
	MessageID string
	Tag       string
	Acted     *bool     // only records that had somebody suppressed, or only others
	Unproven  *bool     // only reports that prove nothing, or only others
	Before    time.Time // older than this; zero: the newest
	Limit     int       // zero: 100; at most 1,000
}

func (q *Query) limit() int {
	if q.Limit <= 0 {
		return 100
	}
	return min(q.Limit, 1000)
}

func (q *Query) matches(r *Record) bool {
	return (q.Kind == "" || r.Kind == q.Kind) &&
		(q.Recipient == "" || strings.Contains(strings.ToLower(r.Recipient), strings.ToLower(q.Recipient))) &&
		(q.MessageID == "" || r.MessageID == q.MessageID) &&
		(q.Tag == "" || slices.Contains(r.Tags, q.Tag)) &&
		(q.Acted == nil || *q.Acted == (r.Suppressed != "")) &&
		(q.Unproven == nil || *q.Unproven == r.Unproven()) &&
		(q.Before.IsZero() || r.Time.Before(q.Before))
}

// Counts are how many reports there were in some span of time.
type Counts struct {
	Kinds      map[Kind]int64 `json:"kinds"`      // but those that prove nothing
	Unproven   int64          `json:"unproven"`   // that may be forged
	Suppressed int64          `json:"suppressed"` // recipients that were suppressed
	Forged     int64          `json:"forged"`     // mails refused since their return path was not made here
}
