package admin

import (
	"context"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor"
)

// Path is the way from a source address to a site, and what governs it.
type Path struct {
	Source string `json:"source,omitempty"` // "": the system chooses
	Site   string `json:"site"`
	// Security is what connections of the path need at least.
	Security string `json:"security,omitempty"`

	Ready    int `json:"ready"`    // messages in memory
	Parked   int `json:"parked"`   // domains of which messages are parked
	Open     int `json:"open"`     // established connections
	Starting int `json:"starting"` // connections being made
	Idle     int `json:"idle"`     // established ones without work

	Offline   time.Time `json:"offline,omitzero"` // when the back-off ends
	LastError string    `json:"last-error,omitempty"`
	NoSlot    bool      `json:"no-slot,omitempty"`   // all connections of the server are taken
	Resolving int       `json:"resolving,omitempty"` // messages that wait for DNS
	Oldest    time.Time `json:"oldest,omitzero"`     // since when the first in line waits

	Limits   []LimitValue `json:"limits"`            // effective values, with their origin
	Binding  []Binding    `json:"binding,omitempty"` // what holds mail back now, the longest first
	Floods   []Flood      `json:"floods,omitempty"`
	Schedule *Warmup      `json:"schedule,omitempty"`
}

// LimitValue is the effective value of a limit.
type LimitValue struct {
	Limit string `json:"limit"`          // as in the settings
	Value int64  `json:"value"`          // 0: unlimited
	Unit  string `json:"unit,omitempty"` // "a minute", "bytes", "seconds"
	Rule  string `json:"rule"`           // where it comes from
}

// Binding is a limit that holds mail back now.
type Binding struct {
	Limit string    `json:"limit"`
	Rule  string    `json:"rule,omitempty"`
	Until time.Time `json:"until,omitzero"` // zero: when a connection is closed or established
}

// Flood is a flood pattern that is active on a path.
type Flood struct {
	Name   string    `json:"name"`
	Source string    `json:"source,omitempty"`
	Site   string    `json:"site"`
	Phase  string    `json:"phase"` // "paused", "reduced"
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"` // end of the phase
	End    time.Time `json:"end,omitzero"`   // end of the flood
	Text   string    `json:"text,omitempty"` // the answer that set it off
}

// Host is an address that mail to a domain goes to.
type Host struct {
	Name    string     // of the host, as its MX record has it; "": an address that no name is known of
	Address netip.Addr // never zero
}

// Held is mail that waits in the queue because of a pause: that to a domain, that with a tag, or, when both are "", all
// that a pause of addresses or pools holds.
type Held struct {
	Domain   string    `json:"domain,omitempty"`
	Tag      string    `json:"tag,omitempty"`
	Rule     string    `json:"rule"` // the pause: "pause 12"
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"` // zero: until it is ended
	Messages int       `json:"messages"`
	Flowing  bool      `json:"flowing,omitempty"` // the pause is over, and the messages come back piece by piece
}

// Warmup is how far the schedule of a path is.
type Warmup struct {
	Schedule string `json:"schedule"`
	Day      int    `json:"day"`
	LastDay  int    `json:"last-day"`
	LastSent string `json:"last-sent,omitempty"`
}

// Explain tells what governs the mail to a domain: all paths when it is "". Only paths from source when that is valid.
func (a *Admin) Explain(ctx context.Context, domain string, source netip.Addr) ([]Path, error) {
	if domain != "" {
		domain = addr.Fold(domain)
		if !addr.ValidDomain(domain, addr.Loose|addr.UTF8) {
			return nil, invalid("domain", domain, "a domain")
		}
	}
	if a.Paths == nil {
		return []Path{}, nil
	}
	paths, err := a.Paths(ctx, domain, source)
	if paths == nil {
		paths = []Path{}
	}
	return paths, err
}

// ActiveFloods lists the floods that are active.
func (a *Admin) ActiveFloods() []Flood {
	if a.Floods == nil {
		return []Flood{}
	}
	if all := a.Floods(); all != nil {
		return all
	}
	return []Flood{}
}

// HeldByPauses lists what pauses hold in the queue. An error is the queue's.
func (a *Admin) HeldByPauses(ctx context.Context) ([]Held, error) {
	if a.Held == nil {
		return []Held{}, nil
	}
	list, err := a.Held(ctx)
	if list == nil {
		list = []Held{}
	}
	return list, err
}

// Resume lets mail go on that floods hold on the paths from a source address (not valid: any) to a site or domain; only
// the floods with a name when that is not "". It returns how many those were. Their reduced limits hold from then on.
func (a *Admin) Resume(ctx context.Context, source netip.Addr, site, name string) (int, error) {
	if site == "" {
		return 0, invalid("site", nil, "the site or domain of the path")
	}
	if a.ResumeFlood == nil {
		return 0, nil
	}
	n := a.ResumeFlood(source, addr.Fold(site), name)
	a.did(ctx, "flood ended", "site", site, "source", source, "flood", name, "floods", n)
	return n, nil
}

// Stats returns the figures of the last 60 seconds.
func (a *Admin) Stats(f monitor.Filter) *monitor.Snapshot {
	if a.Live == nil {
		return &monitor.Snapshot{Time: a.now()}
	}
	f.Domain = addr.Fold(f.Domain)
	return a.Live.Snapshot(f)
}

// StatsBy returns the figures of the last 60 seconds for each "domain", "mta", "tag" or "class" of results; nil for
// another kind.
func (a *Admin) StatsBy(kind string) []monitor.Row {
	rows := []monitor.Row{}
	if a.Live == nil {
		return rows
	}
	switch kind {
	case "domain":
		return append(rows, a.Live.Domains()...)
	case "mta":
		return append(rows, a.Live.MTAs()...)
	case "tag":
		return append(rows, a.Live.Tags()...)
	case "class":
		return append(rows, a.Live.Classes()...)
	}
	return nil
}

// Service is a part of the server, or something it depends on.
type Service struct {
	Name   string    `json:"name"` // "smtp 25", "delivery", "settings database"
	Up     bool      `json:"up"`   //
	Since  time.Time `json:"since,omitzero"`
	Detail string    `json:"detail,omitempty"` // version, or what is wrong
	// Controllable services can be stopped and resumed by [Admin.SetService]; Stopped tells that one was.
	Controllable bool `json:"controllable,omitempty"`
	Stopped      bool `json:"stopped,omitempty"`
}

// ServiceStates returns how the parts of the server and what it depends on are doing; the settings database comes
// first.
func (a *Admin) ServiceStates(ctx context.Context) []Service {
	all := []Service{}
	if a.Settings != nil {
		state := a.Settings.State()
		s := Service{Name: "settings database", Up: state.Err == nil, Since: state.Since}
		if state.Err != nil {
			s.Detail = state.Err.Error()
		}
		all = append(all, s)
	}
	if a.Services != nil {
		all = append(all, a.Services(ctx)...)
	}
	return all
}

// SetService stops or resumes a service.
func (a *Admin) SetService(ctx context.Context, name string, run bool) error {
	if a.Control == nil {
		return unsupported("no service can be stopped here")
	}
	if err := a.Control(ctx, name, run); err != nil {
		return err
	}
	a.did(ctx, "service switched", "service", name, "running", run)
	return nil
}
