// Package delivery is the way out: an [Engine] takes messages from an outbox and sees each of them to its result. Where a
// message goes it asks a [Router] (package mx), how it gets there is a [Sender]'s business (package smtpout), how fast
// that may be a throttle.Throttler's.
//
// # The way of a message
//
//  1. handle gets it from the queue, in the queue's own goroutine, and never blocks. admit finishes at once what may not
//     or cannot be sent: it is expired, its attempts are used up, its addresses are impossible, it has no mail.
//  2. route asks the router for what it knows without asking anybody. What it does not know is looked up, by
//     routing.lookUp, while the message waits.
//  3. place chooses the source address (source) and puts the message into the ready list of its path (path.add).
//  4. path.advance wakes an idle connection, or opens one: connection.run makes it (round.hosts, round.try), and
//     connection.serve takes one message after the other from the ready list (path.take) and sends it (deliver). The
//     throttle is asked for each. With a mail, the connection may send the first commands of the next one (ahead).
//  5. attempted judges the outcome, and delivered, fail or retry makes the successors of the message: its results for
//     the queues that want them, and another attempt.
//  6. settler replaces the message by its successors, in one step of the queue, never in the goroutine of a connection.
//
// # Paths
//
// A path leads from one local address to one site; all domains whose mail goes to the same hosts are one site. Messages
// that need more protection than others, or another login, have a path of their own. A path has a ready list, up to a
// limit, and the connections that work on it. It is forgotten after a minute with nothing to do.
//
// # Growth
//
// The first connection of a path is made at once. Another one is made when each that there is has ten messages waiting
// (or as many as the throttle says), or when none of them took a message for 15 seconds; no more are being made at a time
// than are open, so that they double at most. Connections without work wait for it, 5 seconds unless the throttle says
// otherwise; the one that became idle last is the first to work again, so that the others can end.
//
// All connections together are limited by [Slots]. When these are taken, the paths that want one stand in line, first
// those that have no connection at all. For the first in line, the connection that has been idle longest ends; where none
// is idle, one of a path that has at least two more; and where all have only one, one that has carried its share of 20.
//
// # Memory
//
// At most [Engine.Prefetch] messages are in memory; their mails stay where the queue has them. What the ready list of a
// path has no room for is parked in the queue, by recipient domain, and fetched again when the list is less than half
// full; meanwhile new messages fill only half of it, so that they do not overtake the old ones for ever. When memory
// becomes short, slow paths give up what exceeds an even share, and then paths without a connection all they have; a path
// that flows is left in peace. So neither a site that is slow nor a thousand that are dead hold up anybody else's mail.
// What has waited for five minutes is parked in any case, as brokers want their deliveries back.
//
// Messages whose route is being looked up wait for the one look-up of their domain, in at most half of the memory; beyond
// that they are parked. So a DNS that does not answer holds up no mail whose route is known.
//
// # Failures, and what counts as an attempt
//
// A round of connecting tries the hosts by preference, equal ones in random order, up to eight addresses. An address that
// does not answer is left alone by all paths for a moment. When the whole round fails, the path is off-line: for 30 seconds
// at first, then twice as long each time up to 15 minutes, give or take a tenth. One message, the first in line, gets
// the failure as its attempt; the others wait, and nothing is counted against them. While other connections of the path
// work, the failure only stops its growth. A connection that breaks, or hears 421, before it delivered anything
// counts like a round that failed.
//
// A reply of 4yz to a mail, a time-out, nonsense and a broken connection are attempts, to be repeated after the next of
// the retry intervals; 5yz ends the message, except to our own set-up (bind, STARTTLS, AUTH), which an operator can mend
// before the message expires. No attempt are: waiting, for whatever reason; the end of the engine; a connection that
// ends, after it delivered others, before the remote had a part in this mail, or with a 421 (that is believed three
// times, then it is an attempt after all).
//
// A message whose attempts are used up, or whose time is over, is finished with one more result, process/timeout. Its time
// is its maxdelivertime, or [RetryPolicy.Lifetime] after it was first read, written into it then. The last attempt is
// never after that.
//
// # The end
//
// [Engine.Shutdown] stops reading, lets the mails on their way be finished, ends look-ups and connections in the making,
// and gives what waits back to the queue, unchanged; connections say QUIT, and all that was done is settled. [Engine.Close],
// or the end of the ctx of Run, breaks connections off instead. Settling is not broken off: a queue that does not answer
// has five more seconds, or else a mail that was delivered would be delivered again. Either way no message is lost and
// none is settled twice.
//
// While the queue is unavailable nothing is lost either: what is done is settled when it answers again, what is not done
// goes on, and nothing new is read once the memory is full.
package delivery
