// Package local is the throttle of one process: it keeps its counts in memory.
//
// # Limits
//
// The limits in force are a [Table]: base values, and rules that may give a path values of its own. [Throttler.Set]
// puts another table in force by exchanging one pointer. What the rules said about a path is remembered until the next
// table, or until [Throttler.Invalidate] says that it changed, as it does when a flood begins or ends.
//
// A path whose limits say that it is paused neither connects nor sends until then. [Throttler.Explain] tells all values
// of a path, where each comes from, and which of them hold mail back now; package rules adds its floods and schedules.
//
// # Rates
//
// Messages and connects are spaced evenly, by the generic cell rate algorithm: each one moves the theoretical arrival
// time of the next by a minute's N-th part, and may come a little before that time, but not more. The little is 30
// seconds ÷ N, between 10 and 300 milliseconds, so that callers that are late now and then still reach their rate. It
// is paid for by a spacing that is larger by as much, so that
//
//   - no 60 seconds ever have more than N, wherever they begin;
//   - a steady supply gets N a minute, less one at most, up to N = 6,000, and less N/6,000 beyond;
//   - there is no burst, neither at the start nor when a minute begins.
//
// Bytes are spaced in the same way by the size of each mail. Since mails differ in size, a log of the last minute, in
// steps of half a second, keeps the sum exact as well; it costs up to one per cent of the rate. A mail larger than a
// whole minute's bytes goes when nothing else went for a minute.
//
// Time is the process's own, which does not jump when the machine's clock is set.
//
// When a limit changes, what is not yet paid for is kept in messages or bytes, not in seconds: a raised limit works at
// once.
//
// # Accounts
//
// Each path and each target address has an account, made with its first connection and dropped when it has no
// connections and nothing to remember. Counts of a target address are shared by all paths that lead there; where rules
// give these paths different rates for it, each keeps to its own. Simultaneous connections are counted even where they
// are not limited, so that a limit that is set later finds them. Sending over a path without limits costs one atomic
// load.
//
// An account that refused somebody remembers which paths, and what for. The goroutine that makes room tells these, from
// the goroutine that closed, established or cancelled, after all locks are released.
package local
