package prometheus

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

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
	// Version is shown as a label of sluice_build_info; "": not shown.
	Version string

	events   [kinds]padded
	bytesIn  padded
	bytesOut padded
	classes  sync.Map // of string and *classCount
	known    atomic.Int32

	secured atomic.Pointer[map[monitor.TLS]*atomic.Uint64]
	growing sync.Mutex // of secured
}

// classCount is how many attempts failed because of a class, by how.
type classCount [kinds]atomic.Uint64

// maxClasses bounds how many classes are told apart; there are fewer.
const maxClasses = 100

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
	case monitor.Delivered:
		m.bytesOut.n.Add(uint64(max(e.Bytes, 0)))
	}
	if e.Class != "" {
		m.class(e.Class)[e.Kind].Add(1)
	}
	switch e.Kind {
	case monitor.Delivered, monitor.Retried, monitor.Failed:
		if n := m.secure(&e.TLS); n != nil {
			n.Add(1)
		}
	}
}

// maxSecured bounds how many ways to be secured are told apart; there are fewer.
const maxSecured = 500

// secure returns the count of a way to be secured; nil: there are too many.
func (m *Metrics) secure(how *monitor.TLS) *atomic.Uint64 {
	if all := m.secured.Load(); all != nil {
		if n := (*all)[*how]; n != nil {
			return n
		}
	}
	m.growing.Lock()
	defer m.growing.Unlock()
	grown := map[monitor.TLS]*atomic.Uint64{}
	if all := m.secured.Load(); all != nil {
		if n := (*all)[*how]; n != nil || len(*all) >= maxSecured {
			return n
		}
		maps.Copy(grown, *all)
	}
	n := new(atomic.Uint64)
	grown[*how] = n
	m.secured.Store(&grown)
	return n
}

// class returns the counts of a class; what there are too many of is other.
func (m *Metrics) class(name string) *classCount {
	if known, ok := m.classes.Load(name); ok {
		return known.(*classCount)
	}
	if m.known.Load() >= maxClasses {
		name = "other"
	}
	made, loaded := m.classes.LoadOrStore(strings.Clone(name), new(classCount))
	if !loaded {
		m.known.Add(1)
	}
	return made.(*classCount)
}

// Tap implements monitor.Monitor: sessions are of no interest here.
func (m *Metrics) Tap(monitor.Session) monitor.Transcript { return monitor.NoTranscript() }

// Describe implements Collector. It describes nothing, since the labels of queues are not known beforehand.
func (m *Metrics) Describe(chan<- *client.Desc) {}

// Collect implements Collector.
func (m *Metrics) Collect(to chan<- client.Metric) {
	for _, c := range counters {
		to <- client.MustNewConstMetric(c.desc, client.CounterValue, float64(m.count(c.kind)))
	}
	to <- client.MustNewConstMetric(received, client.CounterValue, float64(m.bytesIn.n.Load()))
	to <- client.MustNewConstMetric(sent, client.CounterValue, float64(m.bytesOut.n.Load()))
	for _, g := range gauges {
		var n float64
		for _, kind := range g.up {
			n += float64(m.count(kind))
		}
		for _, kind := range g.down {
			n -= float64(m.count(kind))
		}
		to <- client.MustNewConstMetric(g.desc, client.GaugeValue, max(n, 0))
	}
	m.collectClasses(to)
	if all := m.secured.Load(); all != nil {
		for how, n := range *all {
			to <- client.MustNewConstMetric(secured, client.CounterValue, float64(n.Load()), how.Policy, how.Mode, how.Failure,
				how.Protocol)
		}
	}
	m.collectQueues(to)
	m.collectDamage(to)
	m.collectHook(to)
	if m.Version != "" {
		to <- client.MustNewConstMetric(build, client.GaugeValue, 1, m.Version)
	}
}

func (m *Metrics) collectClasses(to chan<- client.Metric) {
	for name, counts := range m.classes.Range {
		for kind, outcome := range map[monitor.Kind]string{monitor.Retried: "deferred", monitor.Failed: "failed",
			monitor.NotTried: "not-tried"} {
			if n := counts.(*classCount)[kind].Load(); n > 0 {
				to <- client.MustNewConstMetric(classified, client.CounterValue, float64(n), name.(string), outcome)
			}
		}
	}
}

func (m *Metrics) collectQueues(to chan<- client.Metric) {
	if m.Queues == nil {
		return
	}
	counts, ok := m.Queues()
	up := 0.0
	if ok {
		up = 1
	}
	to <- client.MustNewConstMetric(queueUp, client.GaugeValue, up)
	for _, c := range counts {
		to <- client.MustNewConstMetric(queued, client.GaugeValue, float64(c.Messages), c.Queue, c.State)
	}
}

func (m *Metrics) collectDamage(to chan<- client.Metric) {
	if m.Damage == nil {
		return
	}
	d, ok := m.Damage()
	if !ok {
		return
	}
	to <- client.MustNewConstMetric(damagedPlaces, client.CounterValue, float64(d.Places))
	to <- client.MustNewConstMetric(damagedMessages, client.CounterValue, float64(d.Messages))
	to <- client.MustNewConstMetric(damagedMails, client.CounterValue, float64(d.Mails))
	to <- client.MustNewConstMetric(damagedBytes, client.CounterValue, float64(d.Bytes))
}

func (m *Metrics) collectHook(to chan<- client.Metric) {
	if m.Hook == nil {
		return
	}
	h, up := m.Hook(), 0.0
	if h.Up {
		up = 1
	}
	to <- client.MustNewConstMetric(hookUp, client.GaugeValue, up)
	to <- client.MustNewConstMetric(hookWaiting, client.GaugeValue, float64(h.Waiting))
	to <- client.MustNewConstMetric(hookDead, client.GaugeValue, float64(h.DeadLetters))
	for outcome, n := range map[string]int64{"taken": h.Posted, "refused": h.Refused, "lost": h.Lost} {
		to <- client.MustNewConstMetric(hookResults, client.CounterValue, float64(n), outcome)
	}
	to <- client.MustNewConstMetric(hookFailed, client.CounterValue, float64(h.Failed))
	to <- client.MustNewConstSummary(hookSeconds, uint64(h.Requests), h.Seconds, nil)
}

func (m *Metrics) count(k monitor.Kind) uint64 { return m.events[k].n.Load() }

// Handler shows m, the Go runtime and the process in Prometheus' text form.
func (m *Metrics) Handler() http.Handler {
	registry := client.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: 4})
}

func desc(name, help string, labels ...string) *client.Desc {
	return client.NewDesc("sluice_"+name, help, labels, nil)
}

// What follows is never changed.
var (
	received   = desc("received_bytes_total", "Bytes of mail received, counted for each recipient.")
	sent       = desc("delivered_bytes_total", "Bytes of mail delivered.")
	queued     = desc("queue_messages", "Messages in a queue.", "queue", "state")
	classified = desc("failures_total",
		"Attempts that failed, and messages that ended without one, by the class of the result.",
		"class", "outcome")
	secured = desc("tls_attempts_total", "Attempts over the wire, by the policy that the recipient publishes about TLS, how it "+
		"was violated (RFC 8460), and the protocol; in clear text that is empty.", "policy", "mode", "failure", "protocol")
	queueUp = desc("queue_up", "Whether the queues could be asked: 1, or 0.")

	damagedPlaces = desc("queue_damaged_places_total",
		"Places at which the queue on disk was found damaged since the start.")
	damagedMessages = desc("queue_damaged_messages_total",
		"Messages that the queue on disk has lost by damage, as far as is known.")
	damagedMails = desc("queue_damaged_mails_total",
		"Mails that the queue on disk has lost by damage; their messages fail.")
	damagedBytes = desc("queue_damaged_bytes_total", "Bytes of the queue on disk that were found damaged.")

	hookUp      = desc("webhook_up", "Whether the web hook took what was posted last: 1, or 0.")
	hookWaiting = desc("webhook_waiting_results", "Results in the journal that the web hook has not taken yet.")
	hookDead    = desc("webhook_dead_letters", "Results that the web hook refused for good and that were not sent again.")
	hookResults = desc("webhook_results_total",
		"Results that the web hook took or refused for good, and that were lost as the journal was full.", "outcome")
	hookFailed = desc("webhook_failed_requests_total",
		"Requests that the web hook did not take and that are tried again.")
	hookSeconds = desc("webhook_request_seconds", "Requests to the web hook, and how long they took.")

	build = desc("build_info", "The version that runs.", "version")
)

var counters = []struct {
	kind monitor.Kind
	desc *client.Desc
}{
	{monitor.ClientConnected, desc("clients_total", "Connections that came in.")},
	{monitor.ClientRefused, desc("clients_refused_total", "Connections refused at the greeting.")},
	{monitor.CommandRefused, desc("commands_refused_total", "Commands of clients that were refused.")},
	{monitor.MessageReceived, desc("received_total", "Messages received, one for each recipient.")},
	{monitor.Picked, desc("processed_total", "Messages read from the outbox.")},
	{monitor.Parked, desc("parked_total", "Messages set aside again.")},
	{monitor.Reassigned, desc("reassigned_total", "Messages that took another source address than planned.")},
	{monitor.NotTried, desc("not_tried_total", "Messages finished without an attempt.")},
	{monitor.Attempted, desc("attempts_total", "Attempts over the wire.")},
	{monitor.Delivered, desc("delivered_total", "Messages delivered.")},
	{monitor.Retried, desc("retried_total", "Attempts that failed for now.")},
	{monitor.Failed, desc("errors_total", "Messages that failed for good.")},
	{monitor.Strange, desc("strange_total", "Replies that make no sense.")},
	{monitor.ConnStarting, desc("connects_total", "Outgoing connections begun.")},
	{monitor.ConnFailed, desc("connects_failed_total", "Outgoing connections that could not be made.")},
	{monitor.Reported, desc("reported_total", "Reports about mail that was sent, such as bounces.")},
}

var gauges = []struct {
	desc     *client.Desc
	up, down []monitor.Kind
}{
	{desc("clients", "Clients connected."), []monitor.Kind{monitor.ClientConnected},
		[]monitor.Kind{monitor.ClientDisconnected}},
	{desc("messages_in_memory", "Messages taken from the outbox."), []monitor.Kind{monitor.Picked},
		[]monitor.Kind{monitor.Parked, monitor.Left}},
	{desc("connections_starting", "Outgoing connections not yet established."), []monitor.Kind{monitor.ConnStarting},
		[]monitor.Kind{monitor.ConnReady, monitor.ConnFailed}},
	{desc("connections_active", "Outgoing connections at work."), []monitor.Kind{monitor.ConnReady, monitor.ConnBusy},
		[]monitor.Kind{monitor.ConnIdle, monitor.ConnClosed}},
	{desc("connections_idle", "Outgoing connections without work."), []monitor.Kind{monitor.ConnIdle},
		[]monitor.Kind{monitor.ConnBusy}},
}
