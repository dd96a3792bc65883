// Package throttle says how fast mail may leave: the contract between the delivery engine, which asks, and those who
// count.
//
// A [Throttler] knows the [Limits] of every [Path], which leads from a local address to a site. The engine asks it like
// this:
//
//  1. Before it opens a connection it calls Connect. A zero [Wait] means go ahead: the connection is counted, as
//     starting until [Conn].Established, and until Close.
//  2. Before each mail it calls [Conn].Send, which reserves room for one mail of that size in the minute. Cancel gives
//     back what was reserved for a mail that did not go after all.
//  3. A wait that is not zero says for how long, and which limit of which rule is the reason. The engine does not poll:
//     it comes back when the time is over, or when the function that it gave to Changed is called.
//  4. What came of an attempt it tells with Observe, so that floods and warm-up schedules can react.
//
// Limits over a minute are smooth and exact: a hundred mails a minute go about every 600 ms, not in a burst at
// the start of each minute, and no 60 seconds see more than a hundred.
//
// Package local counts within this process; package rules finds the limits of a path in ordered rules, floods and
// schedules; package throttletest examines an implementation against this contract. [Unlimited] limits nothing.
//
// [Slots] is something else that sending shares: the connections of the whole process, incoming and outgoing, within
// one limit and one for each side.
package throttle
