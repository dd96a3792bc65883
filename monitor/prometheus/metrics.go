package prometheus

import (
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluicemail/sluice/monitor"
)

// Metrics counts events. The zero Metrics is ready; set its fields before use.
type Metrics struct {
	// Queues returns the number of messages by the name of a queue and their state in it ("ready", "delayed", "parked",
	// "out"). It is called for each request, and ok is false when the queues cannot be asked. Nil: queues are not
	// shown.
	Queues func() (counts []QueueCount, ok bool)
	// Damage returns what the queue has found lost since it was opened; false when it cannot be damaged. Nil: not
	// shown.
	Damage func() (QueueDamage, bool)
	// Hook returns how posting results goes. Nil: there is no web hook.
	Hook func() Hook
	// Traces returns how many spans a collector took, and how many were lost. Nil: there are no traces.
	Traces func() (exported, lost uint64)
	// Version is shown as a label of sluice_build_info; "": not shown.
	Version string
	// Domains and Sources are how many recipient domains and source addresses are told apart: the first that there were
	// results of. Others are counted together as "other". Zero: no domain or address is shown.
	Domains, Sources int

	events   [kinds]padded
	bytesIn  padded
	bytesOut padded
	classes  bounded[string, classCount]
	secured  bounded[monitor.TLS, atomic.Uint64]
	domains  bounded[string, replyCount]
	sources  bounded[netip.Addr, replyCount]

	delivery, age, intake, sync histogram
	stages                      [stages]histogram
	attempts                    [replies]histogram
	lookups                     [lookups]histogram
	checks                      bounded[string, histogram]
}

// classCount is how many attempts failed because of a class, by how; replyCount is how many ended with a reply of a
// kind.
type (
	classCount [kinds]atomic.Uint64
	replyCount [replies]atomic.Uint64
)

// There are fewer classes, ways to be secured, and checks than these.
const (
	maxClasses = 100
	maxSecured = 500
	maxChecks  = 50
)

// other is the label of what there is too much of.
const other = "other"

// QueueCount is how many messages of a queue are in a state.
type QueueCount struct {
	Queue, State string
	Messages     int
}

// QueueDamage is what a queue has lost, as far as it knows.
type QueueDamage struct {
	Places, Messages, Mails int
	Bytes                   int64
}

// Hook is how posting results goes. What is counted is since the start.
type Hook struct {
	Up                    bool
	Waiting, DeadLetters  int64   // results
	Posted, Refused, Lost int64   // results: taken, refused for good, and dropped as the journal was full
	Requests, Failed      int64   // requests, and those that are tried again
	Seconds               float64 // that all requests took together
}

const kinds = monitor.Reported + 1

// padded is a counter on a cache line of its own.
type padded struct {
	n atomic.Uint64
	_ [56]byte
}

// Observe implements monitor.Monitor.
func (m *Metrics) Observe(e *monitor.Event) {
	if e.Kind >= kinds {
		return
	}
	m.events[e.Kind].n.Add(1)
	switch e.Kind {
	case monitor.MessageReceived:
		m.bytesIn.n.Add(uint64(max(e.Bytes, 0)))
		m.intake.note(&moments, e.Stages.Intake())
	case monitor.Attempted:
		m.age.note(&ages, age(e))
	case monitor.Delivered:
		m.bytesOut.n.Add(uint64(max(e.Bytes, 0)))
		m.delivery.note(&ages, age(e))
		m.ended(e)
	case monitor.Retried, monitor.Failed:
		m.ended(e)
	case monitor.ConnReady, monitor.ConnFailed:
		m.stages[connect].note(&moments, e.Stages.Connect)
		m.stages[greeting].note(&moments, e.Stages.Greeting)
		m.stages[handshake].note(&moments, e.Stages.TLS)
	}
	if e.Class != "" {
		m.classes.of(e.Class, maxClasses, other, strings.Clone)[e.Kind].Add(1)
	}
}

// age is how long a message is on its way.
func age(e *monitor.Event) time.Duration {
	if e.Since.IsZero() {
		return 0
	}
	return e.Time.Sub(e.Since)
}

// ended counts the end of an attempt.
func (m *Metrics) ended(e *monitor.Event) {
	m.secured.of(e.TLS, maxSecured, monitor.TLS{Policy: other}, same).Add(1)
	m.stages[envelope].note(&moments, e.Stages.Envelope)
	m.stages[mail].note(&moments, e.Stages.Mail)
	reply := replyOf(e)
	m.attempts[reply].note(&moments, e.Stages.Attempt())
	if m.Domains > 0 {
		m.domains.of(e.Domain, m.Domains, other, strings.Clone)[reply].Add(1)
	}
	if m.Sources > 0 {
		m.sources.of(e.MTA.Unmap(), m.Sources, netip.Addr{}, same)[reply].Add(1)
	}
}

func same[K any](key K) K { return key }

// Tap implements monitor.Monitor: sessions are of no interest here.
func (m *Metrics) Tap(monitor.Session) monitor.Transcript { return monitor.NoTranscript() }

// Synced notes how long the queue took to make a batch durable. Like Asked and Checked it never blocks, and may be
// called at any time.
func (m *Metrics) Synced(took time.Duration) { m.sync.note(&moments, took) }

// Asked notes how long a look-up in the DNS took. What it found is an answer, or that there is none; failed says that
// neither could be had.
func (m *Metrics) Asked(took time.Duration, failed bool) {
	outcome := answered
	if failed {
		outcome = unanswered
	}
	m.lookups[outcome].note(&moments, took)
}

// Checked notes how long a check of a mail took.
func (m *Metrics) Checked(check string, took time.Duration) {
	m.checks.of(check, maxChecks, other, strings.Clone).note(&moments, took)
}

// Handler shows m, the Go runtime and the process in Prometheus' text form.
func (m *Metrics) Handler() http.Handler {
	registry := client.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: 4})
}
