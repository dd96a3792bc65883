package tlsreport

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/internal/wholefile"
)

// State says what became of a report.
type State string

// The states.
const (
	// its day, or its time to be sent, has not come; whether the domain wants it is not asked yet
	Waiting State = "waiting"
	Sent    State = "sent"     // by mail: it is in the queue; by HTTPS: it was taken
	Failed  State = "failed"   // nobody took it; it is tried again
	GivenUp State = "given-up" // nobody took it for a day, or it is too large
)

// Entry is a report: what it says in short, and what became of it.
type Entry struct {
	Domain   string   `json:"domain"`
	Day      string   `json:"day"`      // that it is about, UTC: 2006-01-02
	Policies []string `json:"policies"` // types of RFC 8460 §4.4
	Good     int64    `json:"good"`     // sessions
	Failed   int64    `json:"failed"`
	Types    []string `json:"types,omitempty"` // of failures
	State    State    `json:"state"`
	// address that took it, or that was tried last: "mailto:…" or "https:…"
	To      string    `json:"to,omitempty"`
	At      time.Time `json:"at,omitzero"`       // when it was sent, or tried last
	Next    time.Time `json:"next,omitzero"`     // when it is tried next; zero: never
	Problem string    `json:"problem,omitempty"` // why it was not sent
}

const (
	maxHistory = 10_000 // reports, the newest
	historyAge = 31 * 24 * time.Hour
	maxProblem = 500 // bytes
)

// entry tells of a report.
func entry(day, domain string, all []*counted) Entry {
	e := Entry{Domain: domain, Day: day, State: Waiting}
	for _, c := range all {
		e.Good += c.Good
		if !slices.Contains(e.Policies, c.Policy.Type) {
			e.Policies = append(e.Policies, c.Policy.Type)
		}
		for i := range c.Failures {
			e.Failed += c.Failures[i].Sessions
			if !slices.Contains(e.Types, c.Failures[i].Type) {
				e.Types = append(e.Types, c.Failures[i].Type)
			}
		}
	}
	return e
}

// attempt is what came of the last try to send a report.
type attempt struct {
	at  time.Time
	to  string
	err error
}

// tell makes an entry say what came of an attempt.
func (a *attempt) tell(e *Entry, s State) {
	e.State, e.At, e.To = s, a.at, human.Cut(a.to, maxProblem)
	if a.err != nil {
		e.Problem = human.Cut(a.err.Error(), maxProblem)
	}
}

// Reports returns the reports of the last month: the newest day first, and those of a day by their domains. Of a day
// that is not over there is one for each domain, whether it will want it or not.
func (r *Reporter) Reports() []Entry {
	r.mu.Lock()
	all := slices.Clone(r.history)
	for day, domains := range r.tally {
		for domain, counts := range domains {
			e, id := entry(day, domain, counts), r.id(day, domain)
			e.Next = dayStart(day).Add(24*time.Hour + delay(id))
			if a, ok := r.tried[id]; ok {
				a.tell(&e, Failed)
				e.Next = a.at.Add(again)
			}
			all = append(all, e)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(strings.Compare(b.Day, a.Day), strings.Compare(a.Domain, b.Domain), b.At.Compare(a.At))
	})
	return all
}

// record keeps what became of a report for good. r.mu is held.
func (r *Reporter) record(e Entry) {
	oldest := dayOf(r.now().Add(-historyAge))
	all := slices.DeleteFunc(slices.Concat(r.history, []Entry{e}), func(e Entry) bool { return e.Day < oldest })
	r.history = all[max(0, len(all)-maxHistory):]
	r.changed = true
}

// readHistory reads what became of earlier reports; nothing when there is no file.
func readHistory(path string) (all []Entry, err error) {
	text, err := os.ReadFile(path)
	switch {
	case path == "" || errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e Entry) bool { return e.Domain == "" || dayStart(e.Day).IsZero() }), nil
}

func writeHistory(path string, all []Entry) error {
	if path == "" {
		return nil
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return wholefile.Write(path, text, time.Time{})
}
