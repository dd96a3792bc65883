package tlsreport

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/internal/wholefile"
	"github.com/sluicemail/sluice/queue"
)

// Resolver is what a Reporter asks of the DNS; *resolver.Resolver is one.
type Resolver interface {
	TXT(ctx context.Context, name string) (*resolver.Result[string], error)
}

// Reporter counts sessions and sends reports. Its fields are not to be changed once it is in use; its methods are safe
// for concurrent use.
type Reporter struct {
	Host         string // the name of this MTA
	Organisation string // that sends; "": Host
	From         string // the address from which reports come
	Resolver     Resolver
	// Publish has a report go out as a mail.
	Publish func(context.Context, *queue.Message) error
	// Client posts reports. It must not be led into one's own network.
	Client *http.Client
	// Path is the file in which what was counted is kept, History the one of what became of reports. Empty: it is not
	// kept.
	Path, History string
	// MaxDomains bounds the domains of a day. Zero: 50,000.
	MaxDomains int
	Logger     *slog.Logger     // nil: slog.Default
	Now        func() time.Time // nil: time.Now

	mu      sync.Mutex
	tally   tally
	tried   map[string]attempt // reports that could not be sent, by id
	history []Entry            // what became of the others, the oldest first; replaced, never changed
	changed bool
	saved   time.Time // when both were written last
	saving  sync.Mutex
}

const (
	spread    = 12 * time.Hour // of a day during which its reports go out
	again     = time.Hour
	saveEvery = time.Minute
	saveSent  = 5 * time.Second  // while reports go out
	sendTime  = 10 * time.Minute // for all reports that are due
	maxReason = 300              // bytes of why a session failed: certificates may say anything
)

// Open reads what was counted before, and what became of earlier reports. A file that is damaged is told, and begun
// anew. It is called before anything else.
func (r *Reporter) Open() error {
	r.Organisation = cmp.Or(r.Organisation, r.Host)
	r.tried = map[string]attempt{}
	var err, damaged error
	if r.tally, err = readTally(r.Path); err != nil {
		err = fmt.Errorf("%s: %w", r.Path, err)
	}
	if r.history, damaged = readHistory(r.History); damaged != nil {
		damaged = fmt.Errorf("%s: %w", r.History, damaged)
	}
	return errors.Join(err, damaged)
}

// Count counts a session with a host of a domain.
func (r *Reporter) Count(domain, host string, policy Policy, s delivery.TLSSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.tally.under(dayOf(r.now()), domain, &policy, cmp.Or(r.MaxDomains, 50000))
	if c == nil {
		return
	}
	r.changed = true
	if s.Violation == nil {
		c.add(nil)
		return
	}
	f := failure{Type: s.Violation.Type, Host: host, HELO: s.HELO, Reason: human.Cut(s.Violation.Reason, maxReason)}
	if s.From.IsValid() {
		f.From = s.From.String()
	}
	if s.To.IsValid() {
		f.To = s.To.String()
	}
	c.add(&f)
}

// Run sends what is due and keeps what was counted, until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	defer r.save()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.sendDue(ctx)
			r.save()
		}
	}
}

// job is a report to be sent.
type job struct {
	day, domain string
	all         []*counted
}

// sendDue sends the reports whose time has come.
func (r *Reporter) sendDue(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	for _, j := range r.due() {
		if ctx.Err() != nil {
			return
		}
		to, done, err := r.send(ctx, j.day, j.domain, j.all)
		if err != nil {
			r.logger().Warn("TLS report could not be sent", "domain", j.domain, "day", j.day, "again", !done, "error", err)
		}
		r.settle(j, attempt{r.now(), to, err}, done)
	}
}

// settle notes what came of a report. One that need not be tried again is forgotten, on the disk too before long.
func (r *Reporter) settle(j job, a attempt, done bool) {
	id := r.id(j.day, j.domain)
	r.mu.Lock()
	if !done {
		r.tried[id] = a
		r.mu.Unlock()
		return
	}
	delete(r.tried, id)
	if a.to != "" || a.err != nil { // the domain wants reports
		e := entry(j.day, j.domain, j.all)
		if a.tell(&e, Sent); a.err != nil {
			e.State = GivenUp
		}
		r.record(e)
	}
	delete(r.tally[j.day], j.domain)
	if len(r.tally[j.day]) == 0 {
		delete(r.tally, j.day)
	}
	r.changed = true
	late := r.now().Sub(r.saved).Abs() >= saveSent
	r.mu.Unlock()
	if late {
		r.save()
	}
}

// due returns the reports to be sent now, and gives up days whose time is over, and those to come, which a clock that
// jumped back leaves.
func (r *Reporter) due() (jobs []job) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for day, domains := range r.tally {
		end := dayStart(day).Add(24 * time.Hour)
		if now.Sub(end) > 24*time.Hour || now.Before(end.Add(-25*time.Hour)) {
			r.giveUp(day, domains)
			continue
		}
		for domain, all := range domains {
			id := r.id(day, domain)
			if a, tried := r.tried[id]; now.After(end.Add(delay(id))) && (!tried || now.Sub(a.at).Abs() >= again) {
				jobs = append(jobs, job{day, domain, copied(all)})
			}
		}
	}
	return jobs
}

// copied are counts that nobody adds to: a clock that jumps back may have sessions of a day counted while it is
// told of.
func copied(all []*counted) []*counted {
	own := make([]*counted, len(all))
	for i, c := range all {
		one := *c
		one.Failures = slices.Clone(c.Failures)
		own[i] = &one
	}
	return own
}

// giveUp forgets a day, and records the reports that were tried. r.mu is held.
func (r *Reporter) giveUp(day string, domains map[string][]*counted) {
	for domain, all := range domains {
		id := r.id(day, domain)
		if a, tried := r.tried[id]; tried {
			e := entry(day, domain, all)
			a.tell(&e, GivenUp)
			r.record(e)
			delete(r.tried, id)
		}
	}
	delete(r.tally, day)
	r.changed = true
}

// delay is how long after the end of the day a report goes out: any time, and the same after a restart.
func delay(id string) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return time.Duration(h.Sum64() % uint64(spread))
}

// save keeps what was counted and what became of reports, if that changed. Sessions are counted while it writes.
func (r *Reporter) save() {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	if r.Path == "" || !r.changed {
		r.mu.Unlock()
		return
	}
	counts, err := json.Marshal(r.tally)
	sent := r.history
	r.changed, r.saved = false, r.now()
	r.mu.Unlock()
	if err == nil {
		err = wholefile.Write(r.Path, counts, time.Time{})
	}
	if err := cmp.Or(err, writeHistory(r.History, sent)); err != nil {
		r.logger().Warn("what TLS reports are to say cannot be kept", "error", err)
		r.mu.Lock()
		r.changed = true
		r.mu.Unlock()
	}
}

func (r *Reporter) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Reporter) logger() *slog.Logger { return cmp.Or(r.Logger, slog.Default()) }
