package throttle

import "time"

// Explanation tells what governs a path.
type Explanation struct {
	Path Path
	// Values are those of all limits that are set, by the configuration, a rule, a schedule or a flood, in the order of
	// [Fields].
	Values []Value
	// Floods are the active floods of the path, the oldest first.
	Floods []ActiveFlood
	// Schedule tells how far the path's warm-up is; nil when it has none.
	Schedule *Warmup
	// Binding are the limits that hold mail back now, the one that lasts longest first; empty when none does.
	Binding []Binding
}

// Value is the effective value of a limit.
type Value struct {
	Limit string // name in the settings
	Value int64  // in units of the settings; zero: unlimited, or for a duration the built-in default
	Unit  Unit
	Rule  string // where it comes from: the name of a rule, "flood NAME", "schedule NAME, day N", or "configuration"
}

// Binding is a limit that holds mail back.
type Binding struct {
	Limit string // as in Wait
	Rule  string // as in Wait
	// Until is when it stops to; the zero time: when a connection is closed or established.
	Until time.Time
}

// Phase is how far a flood is.
type Phase string

// The phases of a flood, in their order.
const (
	Paused  Phase = "paused"  // nothing is sent
	Reduced Phase = "reduced" // the flood's limits hold
)

// ActiveFlood is a path on which an answer matched a flood pattern.
type ActiveFlood struct {
	Path  Path
	Name  string // of the pattern
	Phase Phase
	Since time.Time // when the first answer matched
	Until time.Time // end of the phase
	End   time.Time // end of the last phase
	Text  string    // the answer that set it off, shortened
}

// Warmup is the state of a schedule on a path.
type Warmup struct {
	Schedule string
	Day      int // counted from 1: the day whose limits hold today
	LastDay  int // the last step begins with it; the counter stays there
	// LastSent is the last day on which mail was sent, as YYYY-MM-DD; "" when none was.
	LastSent string
}
