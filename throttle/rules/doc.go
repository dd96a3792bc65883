// Package rules says what limits each path has: from tables of rules, from floods that answers set off, and from
// schedules by which addresses are warmed up. It is the Rules of a local.Table:
//
//	live := new(rules.Live)
//	throttler := local.New(&local.Table{Base: base, Rules: live})
//	live.Attach(throttler.Invalidate)
//	set, problems := rules.Compile(config)
//	live.Set(set)
//
// # Rules
//
// A [Config] is plain values, as they come from a settings database. [Compile] makes a [Set] of it, which never
// changes; rows that make no sense are left out and told. Each [Rule] has values and any number of patterns: source
// address or pool × domain. For each limit the most specific rule that sets it wins, value by value: one whose pattern
// names an address (or pool) and a domain, then a domain, then an address, then neither. Between equals the lower
// priority number wins, then the rule that comes first. What no rule sets has its value from the configuration.
//
// A path leads to a site, which is many domains: a rule for a domain concerns the site that the domain belongs to, as
// [Live.Alias] was told.
//
// # Schedules
//
// A [Schedule] is a warm-up: from day to day other values. A day counter for each (source address, site) goes on by one
// on each calendar day on which mail was sent, and stays at the last step. The day's values hold from its beginning,
// before the first mail of the day is counted. A schedule's values take the place of the configuration's; where a rule
// sets a value as well, the stricter one counts, so that a schedule never lets loose what a rule holds. Of several
// schedules the most specific one holds, as with rules.
//
// Counters are kept by a [DayStore]: loaded and saved in the background, a second after a change, and again and again
// while the store fails. Until they are loaded, unknown pairs are on their first day; nothing is saved before, and what
// was counted meanwhile is added.
//
// A clock that is set back by no more than a day moves no counter; one that is set back further, or that jumps ahead,
// moves it by one day.
//
// # Floods
//
// A [Flood] is an answer after which a path is to slow down. When an answer that is not a success matches, the path
// pauses; then the flood's values hold for a while; then it is over. Answers that match during the pause belong to
// mails that were already under way and change nothing; later ones begin the pause anew, or, of a flood without a
// pause, prolong it. Of several active floods, of rules and schedules, the strictest value of each limit counts; 0 and
// unset values restrict nothing. Each phase ends by a timer; nothing polls.
//
// Floods, counters and aliases outlive [Live.Set]: a flood goes on, with its new values, when the new set has one of
// the same name and id.
//
// # Cost
//
// The throttler remembers the limits of each path until something changes, so mail that flows costs nothing here. Paths
// with the same rules share one [throttle.Limits]. What is kept is bounded: aliases, counters and active floods.
package rules
