package throttle

import (
	"net/netip"
	"time"
)

// Throttler decides how fast mail may leave. All methods are safe for concurrent use and none of them waits for a
// network: an implementation that shares its counts answers from what it knows.
//
// Implementations that want to know which domains make up a site also implement [Aliaser].
type Throttler interface {
	// Limits returns the effective values for a path, each with where it came from. The result is shared: do not change
	// it.
	Limits(Path) *Limits
	// Connect asks to open a connection of path to the target address. With a zero Wait the connection is counted as
	// starting, and the caller owes it a Close; otherwise Conn is nil and the caller looks again after Wait.For, or
	// when Changed says so.
	Connect(path Path, target netip.Addr) (Conn, Wait)
	// Observe tells the outcome of an attempt, so that floods and warm-up can react.
	Observe(path Path, target netip.Addr, outcome Outcome)
	// Changed registers a function that is called when a wait may be over before its time: a slot came free, limits
	// changed. It is called from any goroutine, must not block, and gets the path concerned; the zero Path means all.
	Changed(func(Path))
}

// Aliaser is an add-on of throttlers whose rules name domains: the engine tells it which domains lead to which site.
type Aliaser interface {
	Alias(site, domain string)
}

// Explainer is an add-on of throttlers that can tell why a path is as fast as it is.
type Explainer interface {
	Explain(path Path, targets ...netip.Addr) Explanation
}

// Path is the way mail takes: from a local address to a site. Paths are comparable and serve as map keys.
type Path struct {
	// Source is the local address; the zero Addr means that the system chooses.
	Source netip.Addr
	// Site names all domains whose MX records lead to the same hosts: the first domain it was met under, lower case.
	Site string
}

// String returns "source>site".
func (p Path) String() string {
	if !p.Source.IsValid() {
		return "*>" + p.Site
	}
	return p.Source.String() + ">" + p.Site
}

// Conn is the account of one outgoing connection. Its methods are for one goroutine.
type Conn interface {
	// Established tells that the connection stands; until then it counts as starting.
	Established()
	// Send reserves room for one mail of size bytes. With a zero Wait it may go now and is counted; otherwise nothing
	// is reserved.
	Send(size int64) Wait
	// Cancel gives back what Send reserved for a mail that did not go after all.
	Cancel(size int64)
	// Idle tells that the connection waits for work, or (false) that it works again.
	Idle(bool)
	// Close ends the account; further calls do nothing.
	Close()
}

// Wait says for how long, and because of what. The zero Wait means: go ahead.
type Wait struct {
	// For is how long until it makes sense to ask again; it is positive in every wait. A limit that only a Close lifts
	// (simultaneous connections) gives an hour, and Changed calls earlier.
	For time.Duration
	// Limit is the name of the limit that holds, as in the settings: "maxmessages", "ip_maxconnections".
	Limit string
	// Rule is the name of the rule that the limit came from; "configuration" for the base values.
	Rule string
}

// Zero reports whether w means: go ahead.
func (w Wait) Zero() bool { return w.For == 0 }

// Outcome is what a throttler needs to know about an attempt.
type Outcome struct {
	Code     int    // reply code; zero when there was none
	Text     string // the reply, lines joined by a space
	Sent     bool   // the mail was accepted
	ConnLost bool   // the connection broke or could not be made
}

// Limits are the effective values of a path. Zero means unlimited (for a duration or size: the built-in default).
type Limits struct {
	Domain     Rates // for the path: source × site
	Target     Rates // for each target address
	Connection PerConnection
	Queue      PerQueue
	Greylist   Greylist
	Faults     Faults
	Timeouts   Timeouts

	// PausedUntil is when the path may go on: until then it neither connects nor sends. The zero time: it is not
	// paused. The Wait has the limit "pause", and Origin["pause"] is its rule.
	PausedUntil time.Time

	// Origin tells for each limit that is set, by its name in the settings, which rule it came from.
	Origin map[string]string
}

// Rates are limits over time and on simultaneous connections.
type Rates struct {
	Messages, Bytes, Connects int64 // a minute
	Connections               int   // simultaneous
	Starting                  int   // of these not yet established
	Idle                      int   // of these waiting for work
}

// PerConnection limits each connection.
type PerConnection struct {
	Messages    int           // then it is closed
	Bytes       int64         // then it is closed
	MinMessages int           // waiting for each open connection before another one is opened
	Idle        time.Duration // kept open without work; zero: the engine's default; negative: closed at once
	Offline     time.Duration // a target is left alone after a failed connect; zero: the engine's back-off
	Spread      bool          // spread messages over connections instead of filling one
	Security    string        // as queue.Security; "" means opportunistic
}

// PerQueue limits what waits in memory.
type PerQueue struct {
	Messages   int // for one path; zero: the engine's default
	RetryShare int // per cent of them kept for retries
}

// Greylist says how greylisting targets are treated.
type Greylist struct {
	Delay  time.Duration // before the retry; zero: as other retries
	SameIP bool          // retry from the same address
}

// Faults says for how long a target is left alone after unexpected behaviour.
type Faults struct {
	BindRetry, LostOffline, InvalidOffline time.Duration
}

// Timeouts of a connection; zero means the default of RFC 5321 §4.5.3.2.
type Timeouts struct {
	Connect, Intro, Command, Data, Message time.Duration
}
