package checks

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/netip"
)

// Checker looks at a mail and says what it knows about it. It is safe for concurrent use and keeps nothing of the mail
// after it returns.
type Checker interface {
	// Name is the short name of the check, as in smtp-check: "spf", "dkim".
	Name() string
	// Check returns what was found: one result, or several (one for each signature), or none. A verdict that could not
	// be had (a server that is down) is a result of TempError; an error is for what no result can say, and stops no
	// mail.
	Check(ctx context.Context, mail *Mail) ([]Result, error)
}

// ConnectChecker is the add-on of a check that can say something when the client connects: its results go with every
// mail of the connection.
type ConnectChecker interface {
	Checker
	CheckConnect(ctx context.Context, client netip.Addr) ([]Result, error)
}

// Mail is what checks look at. Its zero values mean: unknown.
type Mail struct {
	Client     netip.Addr // of the SMTP connection
	Hostname   string     // what the client said in EHLO
	User       string     // as whom it logged in
	Envelope   string     // MAIL FROM; "" is the null sender
	Recipients []string
	ServerName string // our own name, the authserv-id
	TLS        *tls.ConnectionState

	// Body is the mail as it came, before anything was added to it. ReadAt is safe for concurrent use.
	Body Body
	// Header is the header of it, with the empty line at its end.
	Header []byte
	// Trace is the Received field that we put in front of it: scanners look there for who the client was.
	Trace []byte

	// Earlier holds the results of the checks that this one builds upon: a Runner fills it in for checks that implement
	// Later.
	Earlier []Result
}

// Body is a mail in memory or in a file.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Later is the add-on of a check that needs the results of others, as DMARC needs those of SPF and DKIM.
type Later interface {
	Checker
	// After names the checks to wait for.
	After() []string
}

// Verdict is the outcome of a check, in the words of RFC 8601 §2.7.
type Verdict string

// The verdicts. Not every check has all of them.
const (
	None      Verdict = "none"      // nothing there to judge
	Pass      Verdict = "pass"      //
	Fail      Verdict = "fail"      //
	SoftFail  Verdict = "softfail"  // SPF: probably not authorised
	Neutral   Verdict = "neutral"   // SPF: nothing said; DKIM: a signature that cannot be judged
	Policy    Verdict = "policy"    // DKIM: not acceptable for local reasons, such as a weak key
	TempError Verdict = "temperror" // could not be found out now
	PermError Verdict = "permerror" // what was published makes no sense
)

// Result is what one check found. JSON is its form in a message's checks: an object whose first member is the name of
// the check with the verdict.
type Result struct {
	Check   string  // name of the check
	Verdict Verdict // for checks that have other words (spam: yes, no), the nearest of these
	Reason  string  // for people; "" when there is nothing to add
	// Properties are the ptype.property pairs of RFC 8601 for Authentication-Results, in order: {"smtp.mailfrom",
	// "a@b"}.
	Properties []Property
	JSON       json.RawMessage
	// Detail is the check's own type, for checks that build upon it.
	Detail any
}

// SecureProperty returns the property "dns.sec" with the value "yes" of a result that rests on a record which DNSSEC
// vouches for. RFC 8904 §2 made it for white lists; here it stands beside DKIM (the key) and DMARC (the policy).
// Elsewhere it is left out: that nobody validated an answer says nothing about it.
func SecureProperty() Property { return Property{Name: "dns.sec", Value: "yes"} }

// Property is a named value.
type Property struct {
	Name, Value string
}
