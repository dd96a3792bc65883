package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/reverse"
	"github.com/sluicemail/sluice/preflight"
)

// Finding is something that is wrong, or could be better.
type Finding struct {
	Check    string             `json:"check"` // that found it
	ID       string             `json:"id"`
	Severity preflight.Severity `json:"severity"`
	Where    string             `json:"where"`  // an address, a domain, a file, …
	What     string             `json:"what"`   // is wrong
	Remedy   string             `json:"remedy"` // what to do
}

// Check is one thing that is looked at.
type Check struct {
	Name  string
	Looks string // at what
	run   func(*round)
}

// Outcome is how a check went.
type Outcome struct {
	Check        string `json:"check"`
	Looks        string `json:"looks-at"`
	Findings     int    `json:"findings"`
	Milliseconds int64  `json:"milliseconds"`
	Late         bool   `json:"late,omitempty"` // it was broken off: there may be more to find
}

// Report is what an examination found.
type Report struct {
	Time         time.Time `json:"time"`
	Milliseconds int64     `json:"milliseconds"`
	Findings     []Finding `json:"findings"` // the worst first
	Checks       []Outcome `json:"checks"`
}

// Worst returns the severity of the worst finding, "" without any.
func (r *Report) Worst() preflight.Severity {
	for _, s := range preflight.Severities() {
		if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == s }) {
			return s
		}
	}
	return ""
}

// patience is how long an examination may take.
const patience = 30 * time.Second

// Examine runs all checks at once. It returns within half a minute, or soon after ctx ends, with what was found by
// then.
func Examine(ctx context.Context, m *Machine) *Report { return examine(ctx, m, Checks()) }

func examine(ctx context.Context, m *Machine, checks []Check) *Report {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := time.Now()
	r := &Report{Time: m.now(), Checks: make([]Outcome, len(checks)), Findings: []Finding{}}
	rounds := make([]*round, len(checks))
	var running sync.WaitGroup
	for i, c := range checks {
		rounds[i] = &round{Machine: m, ctx: ctx, check: c.Name}
		running.Go(func() {
			c.run(rounds[i])
			r.Checks[i] = Outcome{Check: c.Name, Looks: c.Looks, Findings: len(rounds[i].found),
				Milliseconds: time.Since(begun).Milliseconds(), Late: ctx.Err() != nil}
		})
	}
	running.Wait()
	for _, one := range rounds {
		slices.SortFunc(one.found, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.ID, b.ID))
		})
		r.Findings = append(r.Findings, one.found...)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return rank(a.Severity) - rank(b.Severity) })
	r.Milliseconds = time.Since(begun).Milliseconds()
	return r
}

func rank(s preflight.Severity) int { return slices.Index(preflight.Severities(), s) }

// round is one check while it runs. It may tell of findings from many goroutines.
type round struct {
	*Machine
	ctx   context.Context
	check string

	mu    sync.Mutex
	found []Finding
}

func (r *round) tell(s preflight.Severity, id, where, what, remedy string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, Finding{Check: r.check, ID: id, Severity: s, Where: where, What: what, Remedy: remedy})
}

func (r *round) fail(id, where, what, remedy string) {
	r.tell(preflight.Error, id, where, what, remedy)
}

func (r *round) warn(id, where, what, remedy string) {
	r.tell(preflight.Warning, id, where, what, remedy)
}

func (r *round) note(id, where, what, remedy string) {
	r.tell(preflight.Notice, id, where, what, remedy)
}

// unknown tells that a question had no answer.
func (r *round) unknown(where string, err error) {
	r.note("no-answer", where, fmt.Sprintf("nothing could be found out: %v", err),
		"try again later, or look at the DNS servers")
}

// missing reports whether an error says that there is no such thing; what is not known is told.
func (r *round) missing(where string, err error) bool {
	if err != nil && !reverse.NotFound(err) {
		r.unknown(where, err)
		return false
	}
	return err != nil
}

// atOnce is how many questions of one check are under way at a time.
const atOnce = 16

// each does something for every item, several at a time.
func each[T any](items []T, do func(T)) {
	var running sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, item := range items {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			do(item)
		})
	}
	running.Wait()
}
