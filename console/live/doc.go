// Package live has the pages of what happens now: the overview with its graph, the tables of domains, local addresses
// and tags, the page of each of them, and the switch that pauses delivery. Live.Pages returns them for a frame.
//
// Figures come from memory, by package monitor. Why mail waits is asked of package admin in the background, and made
// into one sentence for each domain: attention.
//
// # Files
//
// From top to bottom; a file uses what stands below it.
//
//   - pages.go: which pages there are
//   - overview.go, subject.go, export.go, tables.go: all mail; one domain, address or tag; tables as CSV, and tables
//   - throttle.go, hosts.go: what the page of a domain offers beside its figures
//   - reverse.go: whether the names of local addresses agree with the DNS
//   - bar.go, pause.go: what is chosen, and the switch on top of pages
//   - attention.go, failing.go: what holds mail back, and what is not accepted
//   - figures.go, waiting.go: figures, the graph, and what the queues hold
//   - filter.go, rows.go: what figures are about, and names to choose from
//   - live.go: Live and its fields
package live
