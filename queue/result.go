package queue

import (
	"encoding/json"
	"time"
)

// Result is the outcome of one attempt. Fields without a meaning for the attempt are zero and left out of the JSON.
type Result struct {
	State          ResultState
	Result         Outcome
	Time           time.Time
	MTA            string // name in the remote greeting
	From           string // local address
	To             string // remote address
	Messages       int    // how many over this connection so far, this one included
	Sent           *Sent
	Code           int    // SMTP reply code
	Status         string // enhanced status code, "5.1.1"
	Description    string
	Class          Class // why; "": delivered, or nobody classified it
	DSN            bool  // the remote announced DSN; in the JSON of every result that came so far that it could have
	Authentication string
	Cipher         *Cipher
	Certificate    *Certificate
	TLSPolicy      *TLSPolicy // nil: the owner of the host publishes none

	Extra map[string]json.RawMessage // properties that are not known, as compact JSON

	form json.RawMessage // as it came, where AppendJSON would write it otherwise; it stands while nothing is changed
}

// Sent counts bytes written.
type Sent struct {
	Connection int64 // over this connection so far
	Data       int64 // of this mail
}

// Cipher describes the TLS session.
type Cipher struct {
	Name    string
	Bits    int
	AlgBits int
	Version string
	ID      int
	Group   string // of the key exchange, "X25519MLKEM768"; "": by the key of the certificate, or not said
	Resumed bool   // an earlier session was taken up again; the certificate is that of then
}

// TLSPolicy says what the owner of the domain or host publishes about connections to it, and how that went.
type TLSPolicy struct {
	Type    string // "dane" (RFC 7672) or "sts" (RFC 8461); "none" with mode "waived"
	Mode    string // "enforce"; "testing": a violation keeps no mail back; "waived": not asked for (RFC 8689 §5)
	Failure string // how it was violated, a result type of RFC 8460 §4.3; "": it was not
	Reason  string // the same in words
}

// Certificate describes the remote's certificate.
type Certificate struct {
	NotBefore, NotAfter time.Time
	Version             int
	Verified            bool
	Result              string // "ok", or why it could not be verified
	KeyUsage            int    // bits, in the order of RFC 5280 §4.2.1.3: 1 is digitalSignature
	SelfSigned          bool
	Subject, Issuer     *Name
	AltNames            []string
}

// Name is what a distinguished name says (RFC 5280 §4.1.2.4), the first of several values each.
type Name struct {
	Common, Country, State, Locality, Organization, Unit string
}

// ResultState names the step at which an attempt ended.
type ResultState string

// The states, in the order in which an attempt passes them.
const (
	StateProcess      ResultState = "process"
	StateSuppression  ResultState = "suppression"
	StateStorage      ResultState = "storage"
	StateResponsive   ResultState = "responsive"
	StatePersonalize  ResultState = "personalize"
	StateRewrite      ResultState = "rewrite"
	StateDNS          ResultState = "dns"
	StateBind         ResultState = "bind"
	StateConnect      ResultState = "connect"
	StateHandshake    ResultState = "handshake" // with a proxy
	StateIntro        ResultState = "intro"     // the greeting
	StateEHLO         ResultState = "ehlo"
	StateHELO         ResultState = "helo"
	StateStartTLS     ResultState = "starttls"
	StateAuthPlain    ResultState = "authplain"
	StateAuthLogin    ResultState = "authlogin"
	StateAuthUsername ResultState = "authusername"
	StateAuthPassword ResultState = "authpassword"
	StateAuthCRAM     ResultState = "authcram"
	StateAuthResponse ResultState = "authresponse"
	StateMailFrom     ResultState = "mailfrom"
	StateRcptTo       ResultState = "rcptto"
	StateData         ResultState = "data"    // the DATA command
	StateMessage      ResultState = "message" // the mail itself and its reply
	StateIdle         ResultState = "idle"
	StateUnknown      ResultState = "unknown"
)

// Outcome is how the step ended.
type Outcome string

// The outcomes. StateMessage with Accepted is success.
const (
	Accepted Outcome = "accepted"
	Timeout  Outcome = "timeout"
	Lost     Outcome = "lost"    // the connection broke
	Invalid  Outcome = "invalid" // nonsense, or cannot be sent
	Error    Outcome = "error"   // refused
)

// Success reports whether the attempt delivered the mail.
func (r *Result) Success() bool { return r.State == StateMessage && r.Result == Accepted }
