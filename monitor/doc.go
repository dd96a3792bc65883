// Package monitor is how the rooms of a mail server tell what happens in them, and how others look on.
//
// Whoever does something worth knowing calls [Monitor.Observe] with an [Event], on the path of every message. Whoever
// holds an SMTP session, in either direction, opens a [Transcript] with [Monitor.Tap] and asks it before each flight
// whether anybody watches. Implementations take what they need during the call and never block; [Several] joins them,
// [Discard] is the one that ignores everything, and package logfile writes log files.
//
// # Live
//
// [Live] answers what a console asks while mail flows:
//
//  1. Observe counts each event into the second in which it happened: in total, for its local address (MTA), its
//     recipient domain and its tags. State is divided into shards by domain, so that no lock is common to all messages,
//     and nothing is allocated for an event whose names are known already.
//  2. Snapshot sums up the last 60 complete seconds, for all or for what a Filter selects, second by second. Domains,
//     MTAs and Tags list the sums of every name. What is going on right now (messages in memory, connections that
//     start, work or idle, clients) is kept as gauges from events that come in pairs.
//  3. Memory is bounded: at most so many names of a kind are kept. Beyond that the one that was quiet for longest is
//     dropped, and what it had counted moves to a row for all others, so that sums stay right.
//  4. Answers lists the last different replies that made deliveries to a domain fail.
//  5. Sessions lists who talks now. Watch returns a Watcher that gets the flights of the sessions its filter selects,
//     those already under way included. Each watcher has a bounded buffer of its own: when it is slow it loses flights
//     and learns how many, and nobody waits for it.
package monitor
