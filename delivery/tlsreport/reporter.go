package tlsreport

import (
	"cmp"
	"context"
	"hash/fnv"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
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
	// Path is the file in which what was counted is kept. Empty: it is not kept.
	Path string
	// MaxDomains bounds the domains of a day. Zero: 50,000.
	MaxDomains int
	Logger     *slog.Logger     // nil: slog.Default
	Now        func() time.Time // nil: time.Now

	mu      sync.Mutex
	tally   tally
	changed bool
}

const (
	spread    = 12 * time.Hour // of a day during which its reports go out
	again     = time.Hour
	saveEvery = time.Minute
	sendTime  = 10 * time.Minute // for all reports that are due
)

// Open reads what was counted before. It is called before anything else.
func (r *Reporter) Open() (err error) {
	r.Organisation = cmp.Or(r.Organisation, r.Host)
	r.tally, err = readTally(r.Path)
	return err
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
	f := failure{Type: s.Violation.Type, Host: host, HELO: s.HELO, Reason: s.Violation.Reason}
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
	tried := map[string]time.Time{} // reports that could not be sent, by id
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.sendDue(ctx, tried)
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
func (r *Reporter) sendDue(ctx context.Context, tried map[string]time.Time) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	for _, j := range r.due(tried) {
		if ctx.Err() != nil {
			return
		}
		id := r.id(j.day, j.domain)
		done, err := r.send(ctx, j.day, j.domain, j.all)
		if err != nil {
			r.logger().Warn("TLS report could not be sent", "domain", j.domain, "day", j.day, "again", !done, "error", err)
		}
		if !done {
			tried[id] = r.now()
			continue
		}
		delete(tried, id)
		r.forget(j)
	}
}

// due returns the reports to be sent now, and forgets days whose time is over.
func (r *Reporter) due(tried map[string]time.Time) (jobs []job) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for day, domains := range r.tally {
		end := dayStart(day).Add(24 * time.Hour)
		if now.Sub(end) > 24*time.Hour || now.Before(end.Add(-25*time.Hour)) { // a clock that jumped back
			delete(r.tally, day)
			r.changed = true
			continue
		}
		for domain, all := range domains {
			if id := r.id(day, domain); now.After(end.Add(delay(id))) && now.Sub(tried[id]) >= again {
				jobs = append(jobs, job{day, domain, all})
			}
		}
	}
	return jobs
}

// delay is how long after the end of the day a report goes out: any time, and the same after a restart.
func delay(id string) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return time.Duration(h.Sum64() % uint64(spread))
}

// forget drops what a report was about, on the disk too.
func (r *Reporter) forget(j job) {
	r.mu.Lock()
	delete(r.tally[j.day], j.domain)
	if len(r.tally[j.day]) == 0 {
		delete(r.tally, j.day)
	}
	r.changed = true
	r.mu.Unlock()
	r.save()
}

// save keeps what was counted, if that changed.
func (r *Reporter) save() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Path == "" || !r.changed {
		return
	}
	if err := r.tally.write(r.Path); err != nil {
		r.logger().Warn("what TLS reports are to say cannot be kept", "error", err)
		return
	}
	r.changed = false
}

func (r *Reporter) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Reporter) logger() *slog.Logger { return cmp.Or(r.Logger, slog.Default()) }
