// Package prometheus counts what happens since the start and shows it to Prometheus.
//
// [Metrics] is a monitor.Monitor: it stands beside monitor.Live, and adds one atomic addition to each event, on a cache
// line that belongs to the event's kind alone. It is also a Collector of prometheus/client_golang, with names that
// begin with "sluice_"; [Metrics.Handler] shows it, together with what the Go runtime and the process tell about
// themselves.
//
// How long things took is counted in histograms of its own, of which each time costs two atomic additions: the age of
// messages when they are tried and delivered, the stages of an attempt, taking mail in, and what others tell: the sync
// of the queue on disk (Synced), look-ups (Asked), checks (Checked).
//
// Figures are totals of the whole server. There may be a hundred thousand domains, addresses and tags; the console
// shows those of the last minute. Metrics.Domains and Metrics.Sources have some domains and addresses told apart all
// the same. docs/metrics.md lists all figures.
//
// Files, from top to bottom: metrics.go (events become figures), collect.go (figures are shown), figures.go (names and
// texts), labels.go, histogram.go, bounded.go.
package prometheus
