// Package redis shares limits between instances: what several of them send from one address to one site, or to one
// target address, is together no more than the limit.
//
//	limits := local.New(table)
//	throttler, err := redis.New(limits, []string{"redis://:password@10.0.0.9:6379/0"}, redis.Options{})
//
// A [Throttler] is made of a local one. All that has to do with rules, floods, schedules and single connections stays
// there, and the local limits hold whatever happens. Shared are messages, bytes and connects a minute, and simultaneous
// connections; not how many of these are starting or idle.
//
// # Leases
//
// Neither Connect nor Send ever waits for Redis. Units of a limit are leased in advance, by one goroutine, and spent
// here. A connection that finds no units is refused, asked for, and told by Changed when the units are there, a round
// trip later as a rule. While units are spent they are leased ahead, more the faster they go, up to those of half a
// second. What is not spent within a second of having asked is given back. A path that nobody uses costs nothing; one
// round trip serves all that is wanted at the time, in pieces of 200 so that no other client of Redis waits long.
//
// Messages and connects are leased by the generic cell rate algorithm, by one script, in the time of Redis' own clock.
// The theoretical arrival time may lie half a second ahead, and leases live for a second; so units are spaced by a
// limit's part of 61.5 seconds instead of 60. With that no minute, wherever it begins, has more than the limit over all
// instances, and 97.5 per cent of it are reached when there is work. A lease counts from when it was asked for, so that
// the clocks of instances do not matter. Bytes are kept exact by a log of the last 61 seconds, in steps of half a
// second. Connections are leased for 15 seconds, renewed every four, kept for a second after they were closed, and
// given up earlier when another instance goes short: each has its part then, as its connections end.
//
// # When Redis is away
//
// It is away when it does not answer within [Options.Timeout], or with an error, or with nonsense. From then on each
// instance keeps to its own share of the limits, [Options.Share], by default divided by the number of instances last
// seen, and looks every two seconds whether Redis is back. That is logged once, both ways. Mail waits for half a second
// at most. What was spent meanwhile is told to Redis before more is leased.
//
// A Redis that was emptied, or restarted, or whose clock was set, begins another epoch. For its first five seconds it
// leases nothing and is told what went in the last minute, while instances keep to their own shares, as if it were
// away; one that has just started waits. An epoch is also what a new, empty Redis begins with.
//
// Exactness over all instances holds while they see the same Redis. While it is away, or for a minute after, it is that
// of the shares: an instance that nobody had seen yet, or one that is cut off alone, can make the sum exceed the limit.
//
// # Keys
//
// All begin with [Options.Prefix]; instances with different prefixes do not know of each other. Each has a time to
// live: a limit's until it is as good as unused, the members' ten seconds, the epoch's a day.
//
//	PREFIX:epoch            when Redis began to remember, and when it was last asked
//	PREFIX:members          hash of instances, until when they count
//	PREFIX:p:SOURCE>SITE:m  messages of a path; b bytes, c connects, s connections
//	PREFIX:t:ADDRESS:m:N    messages to a target, for paths whose limit is N
//
// Redis 7 is expected; any that runs scripts over hashes will do. The user needs the commands of the script, EVAL,
// EVALSHA, and nothing else.
package redis
