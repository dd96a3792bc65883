package rules

import (
	"fmt"
	"time"
)

// Config is what a [Set] is made of: rows as a settings database has them, but for rows that are switched off. The
// zero Config decides nothing.
//
// In all rows localip is a source address, pool a pool of them, domain a recipient domain, exact or with the wildcards
// * ? [a-z], and tag a tag, in the very letters. What is empty or "*" matches all; of what is given all has to match.
type Config struct {
	// Instance is the server-id: rows that are not for the cluster count when they are for this one.
	Instance int64
	// Now is when the set is made; rows that are over by then play no part. Zero: the time of the system.
	Now time.Time
	// DefaultIPs are the addresses from which messages leave that name neither ips nor a pool. Empty: not known, so
	// that rewrite rules for an address or a pool do not concern such messages.
	DefaultIPs []string

	Suppressions     *Suppressions // nil: none
	Pools            []Pool
	PoolIPs          []PoolIP
	Errors           []ForcedError
	Pauses           []Pause
	Started          []Pause // pauses that are in no table: those an instance was started with
	Redirects        []Redirect
	RewriteRules     []RewriteRule
	ResponsePatterns []ResponsePattern
	SpareActions     []Action // response actions that no pattern has: all that becomes of them is a Problem

	// Counters go on counting; nil: new ones are made. See [Set.Counters].
	Counters *Counters
}

// Pool is a named group of source addresses (table pools). Case makes no difference in names.
type Pool struct {
	ID   int64
	Name string
}

// PoolIP is a member of a pool (table poolips). An address is in one pool.
type PoolIP struct {
	ID   int64
	Pool string
	IP   string
}

// ForcedError is mail that fails without being tried, whatever its code (table errors). Of several that match, the one
// with the lowest id counts.
type ForcedError struct {
	ID          int64
	LocalIP     string
	Pool        string
	Domain      string
	IP          string // address of the remote
	Tag         string
	Code        int64  // 200 to 599; zero: 550
	Extended    string // enhanced status code; "": one that fits the code
	Description string // "": a text of ours
	Cluster     bool
	Instance    int64 // 0: every one, as Cluster
}

// Pause is mail that waits (table paused). Of several that match, the one counts that lasts longest.
type Pause struct {
	ID       int64
	LocalIP  string
	Pool     string
	Target   string // recipient domain, or address of the remote
	Tag      string
	Cluster  bool
	Instance int64     // 0: every one, as Cluster
	Expire   time.Time // zero: never
	Told     string    // how one that is in no table is told; "": "started with --paused"
}

// Redirect lets mail that is planned for one address leave from another (table delegates). The most specific one
// counts: for the exact domain, then for a wildcard, then for all; between equals the one with the lowest id.
type Redirect struct {
	ID      int64
	LocalIP string
	Domain  string
	NewIP   string
	Expire  time.Time // zero: never
}

// RewriteRule changes messages before they are sent (table rewrite_triggers). Rules are looked at in the order of their
// priorities, the lower number first, then of their ids.
type RewriteRule struct {
	ID           int64
	Name         string
	LocalIP      string
	Pool         string
	Domain       string
	Tag          string
	Priority     int64
	Final        bool        // no other rule is looked at after this one acted
	Starts, Ends time.Time   // when it acts: from Starts until just before Ends; zero: no such bound
	Conditions   []Condition // all have to hold
	Actions      []Action    // in their order
}

// Condition is a condition of a rewrite rule (table rewrite_conditions).
type Condition struct {
	ID       int64
	Property string // see the package's documentation
	Type     string // exact, regex, fnmatch or substr
	Value    string
	Negate   bool
}

// Action is something to do about a message (tables rewrite_actions and response_actions). See [ActionTypes].
type Action struct {
	ID       int64
	Type     string
	Property string
	Value    string // may hold a secret: no error shows it
}

// ResponsePattern acts on replies (table response_patterns with its linked actions). The order is that of rewrite
// rules.
type ResponsePattern struct {
	ID       int64
	Name     string
	LocalIP  string
	Pool     string
	Domain   string
	Tag      string
	Pattern  string // matched with the whole reply, and with the code and a blank before it; or a class
	Type     string // exact, regex, fnmatch, substr; or class: of the result, see queue.Class
	Priority int64
	Final    bool
	Actions  []Action
}

// Problem is a row of a [Config] that makes no sense and was left out.
type Problem struct {
	Table string // where the settings have it: "errors", "paused", "rewrite_actions", ...
	ID    int64
	Err   error // names the column first
}

// Error names the row and what is wrong with it.
func (p Problem) Error() string { return fmt.Sprintf("%s %d: %v", p.Table, p.ID, p.Err) }

// Unwrap returns what is wrong.
func (p Problem) Unwrap() error { return p.Err }

// The tables that problems name.
const (
	tablePools      = "pools"
	tablePoolIPs    = "poolips"
	tableErrors     = "errors"
	tablePaused     = "paused"
	tableStarted    = "started with"
	tableDelegates  = "delegates"
	tableTriggers   = "rewrite_triggers"
	tableConditions = "rewrite_conditions"
	tableRewrites   = "rewrite_actions"
	tablePatterns   = "response_patterns"
	tableResponses  = "response_actions"
)
