// Package prometheus counts what happens since the start and shows it to Prometheus.
//
// [Metrics] is a monitor.Monitor: it stands beside monitor.Live, and adds one atomic addition to each event, on a cache
// line that belongs to the event's kind alone. It is also a Collector of prometheus/client_golang, with names that
// begin with "sluice_"; [Metrics.Handler] shows it, together with what the Go runtime and the process tell about
// themselves.
//
// Figures are totals of the whole server. Domains, addresses and tags are no labels: there may be a hundred thousand of
// them, and the console shows those of the last minute.
package prometheus
