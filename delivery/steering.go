package delivery

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Steering is what an operator decides about messages while mail flows: package rules makes one of the settings. An
// engine asks the one in force (Engine.Steering) for every message, in this order: Suppressed, Rewrite, then, for each
// address that the message may leave from, Redirect, Refused and Paused; before it is sent, Refused and Paused again,
// with the address of the remote; after an attempt, Respond.
//
// A Steering never changes: other decisions come as another value, of which the engine is told by [Engine.Steered].
// Methods are safe for concurrent use, never block and never wait for a network.
type Steering interface {
	// Suppressed returns why a recipient gets no mail; ok is false when nothing is against it.
	Suppressed(recipient string) (why Refusal, ok bool)
	// Rewrite applies the rules for messages that are about to be sent. It may change the message, whose maps and
	// slices are shared with nobody after the call wrote to them. The zero Decision: go on.
	Rewrite(m *queue.Message, now time.Time) Decision
	// Redirect returns the address from which mail leaves that was planned for source; ok is false when that is source.
	Redirect(source netip.Addr, domain string, now time.Time) (to netip.Addr, ok bool)
	// Refused returns the forced error for what s describes. One of 4yz puts the message off until its next attempt.
	Refused(s *Selection, now time.Time) (why Refusal, ok bool)
	// Paused returns the pause that holds what s describes: of several pauses the one that lasts longest.
	Paused(s *Selection, now time.Time) (p Pause, ok bool)
	// Pool returns the addresses that are in a pool now; none when there is no such pool. The slice is shared.
	Pool(name string) []netip.Addr
	// Respond applies the rules for replies to an attempt that did not succeed, or did. It may change the message and
	// the result, under the same condition as Rewrite. text is the whole reply, lines joined by "\n".
	Respond(s *Selection, m *queue.Message, result *queue.Result, text string) Decision
}

// Foreteller is the add-on of a Steering whose Redirect counts what it redirects. Redirects answers the same, with the
// rules that lead there, and counts nothing; the engine then asks Redirect once for each message that takes another
// way.
type Foreteller interface {
	Redirects(source netip.Addr, domain string, now time.Time) (to netip.Addr, rules []int64)
}

// Selection is what rules select messages by.
type Selection struct {
	Source netip.Addr // local or external address the mail leaves from; zero: not known, or the system chooses
	Pool   string     // the pool that the message names; the pool of Source follows from it
	Domain string     // recipient domain, lower case
	Tags   []string
	Target netip.Addr // address of the remote; zero: not known yet. Rules that name one only match then.
}

// Refusal is why a message fails, or is put off, without being tried.
type Refusal struct {
	Rule        string // what decided: "suppression 17", "forced error 3"; for logs and explanations
	Code        int    // 4yz or 5yz
	Status      string // enhanced status code
	Description string
}

// Pause is a decision that mail waits.
type Pause struct {
	ID     int64     // of the row; zero: it is in no table
	Rule   string    // how it is told: "pause 12", "started with --paused"
	Tag    string    // it selects by this tag; "": it does not
	Source bool      // it selects by source address or pool
	Target bool      // it selects by the address of the remote
	Until  time.Time // when it ends by itself; zero: never
}

// Decision is what rules made of a message or of a reply. The zero Decision: nothing.
type Decision struct {
	Rule string // that decided last
	// Fail ends the message with this refusal. It comes before Delay.
	Fail *Refusal
	// Delay is how long the message waits: before its attempt, or before its next one. Zero: as without rules. Before
	// an attempt, one and the same Rule delays a message only once, which its property delayed-by remembers.
	Delay time.Duration
	// The following override how a reply is judged, where they are not nil (MailerQ's result properties of these
	// names).
	Fatal      *bool // true: no other attempt; false: another attempt even after 5yz
	Individual *bool // true: it concerns this message alone, not the path; false: the whole path, which goes off-line
	Strange    *bool // whether it counts as a reply that makes no sense
	// whether it is greylisting, to be tried again after the delay of the throttle, from the same address
	Greylisted *bool
	Fallback   *bool // true: the next address of the site is tried at once; the last one's reply is that of the attempt
}
