package prometheus

import (
	client "github.com/prometheus/client_golang/prometheus"

	"github.com/sluicemail/sluice/monitor"
)

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
	m.collectTimes(to)
	m.collectQueues(to)
	m.collectDamage(to)
	m.collectHook(to)
	if m.Traces != nil {
		exported, lost := m.Traces()
		to <- client.MustNewConstMetric(traced, client.CounterValue, float64(exported), "exported")
		to <- client.MustNewConstMetric(traced, client.CounterValue, float64(lost), "lost")
	}
	if m.Version != "" {
		to <- client.MustNewConstMetric(build, client.GaugeValue, 1, m.Version)
	}
}

func (m *Metrics) collectClasses(to chan<- client.Metric) {
	for name, counts := range m.classes.all() {
		for kind, outcome := range map[monitor.Kind]string{monitor.Retried: "deferred", monitor.Failed: "failed",
			monitor.NotTried: "not-tried"} {
			if n := counts[kind].Load(); n > 0 {
				to <- client.MustNewConstMetric(classified, client.CounterValue, float64(n), name, outcome)
			}
		}
	}
	for how, n := range m.secured.all() {
		to <- client.MustNewConstMetric(secured, client.CounterValue, float64(n.Load()), how.Policy, how.Mode, how.Failure,
			how.Protocol)
	}
	for domain, counts := range m.domains.all() {
		counts.collect(to, byDomain, domain)
	}
	for source, counts := range m.sources.all() {
		name := other
		if source.IsValid() {
			name = source.String()
		}
		counts.collect(to, bySource, name)
	}
}

func (c *replyCount) collect(to chan<- client.Metric, d *client.Desc, name string) {
	for i := range c {
		to <- client.MustNewConstMetric(d, client.CounterValue, float64(c[i].Load()), name, replyNames[i])
	}
}

func (m *Metrics) collectTimes(to chan<- client.Metric) {
	to <- m.delivery.metric(deliveryTime, &ages)
	to <- m.age.metric(queueAge, &ages)
	to <- m.intake.metric(intakeTime, &moments)
	to <- m.sync.metric(syncTime, &moments)
	for i := range m.stages {
		to <- m.stages[i].metric(stageTime, &moments, stageNames[i])
	}
	for i := range m.attempts {
		to <- m.attempts[i].metric(attemptTime, &moments, replyNames[i])
	}
	for i := range m.lookups {
		to <- m.lookups[i].metric(lookupTime, &moments, lookupNames[i])
	}
	for name, h := range m.checks.all() {
		to <- h.metric(checkTime, &moments, name)
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
