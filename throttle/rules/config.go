package rules

import (
	"fmt"
	"net/netip"
	"time"
)

// Config is what a [Set] is made of. The zero Config has no rules.
type Config struct {
	Rules     []Rule
	Floods    []Flood
	Schedules []Schedule
	// Pools tells which pool a source address belongs to.
	Pools map[netip.Addr]string
}

// Values are limits by their names in the settings, see [throttle.Fields], in the units there. A name that is missing,
// or has a negative value, is left to the less specific rule; zero is unlimited.
type Values map[string]int64

// Pattern says which paths are meant. Empty fields mean all; where both Source and Pool are given, both have to match.
type Pattern struct {
	ID     int64
	Source netip.Addr // the zero Addr: all
	Pool   string     // a pool of source addresses
	Domain string     // exact, or with the wildcards * ? [a-z]; "*" is as good as empty
}

// Rule is a named set of limits.
type Rule struct {
	ID       int64
	Name     string // "" is told as "capacity ID"
	Priority int64  // between rules that match equally well the lower number wins, then the one that comes first
	Values   Values
	Patterns []Pattern // none: the rule concerns nothing
}

// Flood is a pattern of answers and what happens after one.
type Flood struct {
	ID      int64
	Name    string // "" is told as "ID"
	Pattern string
	Type    string     // exact, regex, fnmatch or substr; case makes no difference
	Source  netip.Addr // the zero Addr: all
	Domain  string     // as in Pattern
	// Pause is how long nothing is sent; then Values hold for Duration.
	Pause, Duration time.Duration
	Values          Values
}

// Schedule is a warm-up.
type Schedule struct {
	ID       int64
	Name     string    // "" is told as "ID"
	Steps    []Step    // in any order
	Patterns []Pattern // none: the schedule concerns nothing
}

// Step has the values from a day on, counted from 1. Those of the first step hold before its day, too.
type Step struct {
	ID     int64
	Day    int
	Values Values
}

// Problem is something in a [Config] that makes no sense and was left out.
type Problem struct {
	Table string // where the settings have it: "capacity", "capacity_rules", "flood_responses", ...
	ID    int64
	Err   error
}

// Error names the row and what is wrong with it.
func (p Problem) Error() string { return fmt.Sprintf("%s %d: %v", p.Table, p.ID, p.Err) }

// Unwrap returns what is wrong.
func (p Problem) Unwrap() error { return p.Err }
