package queue

import (
	"cmp"
	"encoding/json"
	"maps"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// Message is one mail to one recipient, on its way. Its JSON form is MailerQ's; every field names the property it
// stands for. The zero value of a field means that the property is absent.
//
// Messages are plain values. A shallow copy shares slices, maps and pointers with the original: replace, do not modify,
// what a copy refers to.
type Message struct {
	Envelope  string          // envelope: MAIL FROM; "" is the null sender
	Recipient string          // recipient: RCPT TO, required
	Body      Body            // mime: the whole mail; nil when it is absent, composed, or in the message store
	Compose   json.RawMessage // mime, when it is an object from which the mail is yet to be made
	Key       string          // key: the mail is in the message store under this key
	KeepMIME  bool            // keepmime: keep the mail in the results
	Data      json.RawMessage // data: an object for personalisation
	IPs       []string        // ips: local addresses it may leave from; nil: any; empty: none, which fails at bind
	Pool      string          // pool: ignored when IPs is set

	NextAttempt    time.Time       // nextattempt: not before; stored rounded up to a second, other times down
	HoldUntil      time.Time       // holduntil: when it was handed in for (RFC 4865); its age counts from then
	DeliverBy      *DeliverBy      // deliverby
	MaxDeliverTime time.Time       // maxdelivertime: given up after; zero: as configured
	MaxAttempts    int             // maxattempts: zero: as configured; negative: unlimited (0 in JSON)
	Retries        []time.Duration // retries: whole seconds; the last repeats; nil: as configured
	Force          bool            // force
	InlineCSS      bool            // inlinecss
	DKIM           []DKIM          // dkim: an object or an array of them
	DSN            *DSN            // dsn
	Queues         *Queues         // queues
	Smarthost      *Smarthost      // smarthost
	Tags           []string        // tags
	Headers        *HeaderEdits    // headers
	Unsubscribe    json.RawMessage // list-unsubscribe: an address, or an object (RFC 2369, 8058)
	Priority       int             // priority: higher goes first
	Security       Security        // security
	// RequireTLS is requiretls: it came with REQUIRETLS (RFC 8689), and goes on only to hosts that pass it on alike.
	RequireTLS bool
	// TLSOptional is tls-optional: the header says "TLS-Required: No" (RFC 8689 §5). What recipients publish about TLS
	// does not bind it. It means nothing beside RequireTLS.
	TLSOptional bool

	ID         string            // message-id
	Received   time.Time         // received
	Hostname   string            // hostname
	Connection *Connection       // connection: it came over SMTP
	Spool      *SpoolSource      // spool: it came from a spool directory
	CLI        *CLISource        // cli: it came from the command line
	HTTP       *HTTPSource       // http: it came over the REST API
	Checks     []json.RawMessage // checks: one object each

	Results   []Result        // results: one per attempt, oldest first
	Extracted json.RawMessage // extracted: only in published results

	// Extra holds every property that is not known, and those of a wrong type, as compact JSON.
	Extra map[string]json.RawMessage

	// forms has the properties that came in another form than AppendJSON writes, "keepmime": 1 for one. They are
	// written as they came unless the field says something else by then.
	forms map[string]json.RawMessage
}

// DKIM is a key to sign with.
type DKIM struct {
	Domain           string
	Selector         string
	Key              string    // PEM, RSA or Ed25519; secret
	Expire           int64     // seconds of validity of the signature; zero: none
	ExpireAt         time.Time // the signature's x=, and the end of the key's use; zero: as Expire says
	Headers          []string
	Report           bool     // r=y, RFC 6651
	Protocols        []string // "dkim", "arc"; nil: dkim
	Canonicalization string   // "" means relaxed/simple
	Priority         int      // lower is nearer the top

	Extra map[string]json.RawMessage // properties that are not known, as compact JSON
}

// String names the record in the DNS that belongs to the key, and does not show the key.
func (k DKIM) String() string { return k.Selector + "._domainkey." + k.Domain }

// DSN holds the parameters of RFC 3461.
type DSN struct {
	Notify []string // FAILURE, DELAY, SUCCESS or NEVER, upper case; nil: as configured
	Ret    string   // FULL, HDRS or ""
	ORcpt  string
	EnvID  string
}

// Properties of a message, in Extra, that say how its mail came in.
const (
	PropertySMTPUTF8   = "smtputf8"   // true: with SMTPUTF8 (RFC 6531), so that its header may need that
	PropertyBinaryMIME = "binarymime" // true: as BINARYMIME (RFC 3030): parts of it may be anything
)

// PropertyTraceParent is the property, in Extra, of a message that a trace follows: a W3C trace context.
const PropertyTraceParent = "traceparent"

// TraceParent returns that property; "": there is none.
func (m *Message) TraceParent() (context string) {
	if text := m.Extra[PropertyTraceParent]; text != nil {
		_ = json.Unmarshal(text, &context) // what is no text is none
	}
	return context
}

// SetTraceParent sets that property. The map that other copies of the message may share stays as it is.
func (m *Message) SetTraceParent(context string) {
	extra := make(map[string]json.RawMessage, len(m.Extra)+1)
	maps.Copy(extra, m.Extra)
	extra[PropertyTraceParent], _ = json.Marshal(context)
	m.Extra = extra
}

// DeliverBy is by when a mail is wanted to be delivered (RFC 2852).
type DeliverBy struct {
	Time  time.Time
	Mode  DeliverByMode
	Trace bool // the sender is told of each server that takes the mail
}

// DeliverByMode says what is done with a mail that is not delivered in time.
type DeliverByMode string

// The modes.
const (
	DeliverByReturn DeliverByMode = "return" // it fails
	DeliverByNotify DeliverByMode = "notify" // its sender is told, once
)

// Queues overrides the configured queues for one message. A nil pointer keeps the configured queue, a pointer to ""
// (JSON null) switches it off, another names one instead.
type Queues struct {
	Results, Failure, Success, Retry, DSN *string
}

// Smarthost is a relay for one message.
type Smarthost struct {
	Hostname string
	Port     int // zero: 25
	Username string
	Password string // secret
	// Plaintext allows logging in over a connection without TLS.
	Plaintext bool
}

// String names the relay and the user, and masks the password.
func (s Smarthost) String() string {
	user := ""
	if s.Username != "" || s.Password != "" {
		user = s.Username + ":********@"
	}
	return user + s.Hostname + ":" + strconv.Itoa(cmp.Or(s.Port, 25))
}

// HeaderEdits changes the header of a mail just before it is sent.
type HeaderEdits struct {
	Remove  []string
	Prepend []Field
	Append  []Field // append, or add
	Replace []Field // the first is replaced, others of that name removed; appended if absent
	Update  []Field // as Replace, but not appended
}

// Field is a header field.
type Field struct {
	Name, Value string
}

// Security is how much a connection that carries the message must be protected.
type Security string

// The levels of security. The zero value means Opportunistic or what the throttle says.
const (
	Optional      Security = "optional"      // never STARTTLS on purpose
	Opportunistic Security = "opportunistic" // STARTTLS when offered
	Required      Security = "required"      // TLS, whatever the certificate
	Verified      Security = "verified"      // TLS with a valid certificate
)

// Connection tells over which SMTP connection a message came in.
type Connection struct {
	LocalIP    string // local-ip
	LocalPort  int
	RemoteIP   string // remote-ip
	RemotePort int
	Secure     bool
	User       string
}

// SpoolSource tells from which spool file a message came.
type SpoolSource struct {
	Directory, File, User string
	Size                  int64
}

// CLISource tells by which command a message was handed in.
type CLISource struct {
	Command   string
	Arguments []string
	User      string
}

// HTTPSource tells which REST client handed a message in.
type HTTPSource struct {
	Authentication string // name of the token
	RemoteIP       string
	RemotePort     int
}

// Domain returns the domain of the recipient; see DomainOf.
func (m *Message) Domain() string { return DomainOf(m.Recipient) }

// DomainOf returns the domain of an address, what follows the last "@", as domains are compared, parked and listed: in
// lower case, with A-labels where it has characters beyond ASCII. It is "" when there is none. It allocates only when
// there is something to change.
func DomainOf(address string) string { return addr.Domain(address) }
