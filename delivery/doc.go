// Package delivery is the way out: an [Engine] takes messages from an outbox and sees each of them to its result. Where
// a message goes it asks a [Router] (package mx), how it gets there is a [Sender]'s business (package smtpout), how
// fast that may be a throttle.Throttler's.
//
// # The way of a message
//
// way.go has it from top to bottom, but for what connections do.
//
//  1. handle gets it from the queue, in the queue's own goroutine, and never blocks. admit and present finish at once
//     what may not or cannot be sent: it is expired, its attempts are used up, its addresses are impossible, it has no
//     mail. handOver gives it to another instance that has its addresses. applyRules asks the operator's rules, see
//     below; they change it, end it, pause it, or choose where it leaves from (plan).
//  2. route asks the router for what it knows without asking anybody. What it does not know is looked up, by
//     routing.lookUp, while the message waits.
//  3. place chooses the source address, unless plan did already, and puts the message into the ready list of its path
//     (path.add).
//  4. path.advance wakes an idle connection, or opens one: connection.run makes it (round.hosts, round.try), and
//     connection.serve takes one message after the other from the ready list (path.take) and sends it (deliver). The
//     throttle is asked for each. With a mail, the connection may send the first commands of the next one (ahead).
//  5. core.classify gives what was not accepted its class (package receivers), connection.attempted looks what the
//     outcome says of connection and path, respond asks the rules for replies, and conclude has the message delivered,
//     failed or retried, as judge decides.
//  6. A settling.Settler replaces the message by its successors, in one step of the queue, never in the goroutine of a
//     connection: its results for the queues that want them, and another attempt.
//
// What is decided about a message is decided by functions that know no engine and change nothing: policy (by the
// settings), planner (where it leaves from), ruling (what the rules say), judge (what a reply means). [Engine.Why] asks
// the same ones. Paths and look-ups know the Engine by the interface engine, and share a core with it.
//
// # Paths
//
// A path leads from one local address to one site; all domains whose mail goes to the same hosts are one site. Messages
// that need more protection than others, or another login, have a path of their own. A path has a ready list, up to a
// limit, and the connections that work on it. It is forgotten after a minute with nothing to do.
//
// # Steering
//
// A [Steering] is what an operator decided: who gets no mail, what is rewritten, refused, paused or redirected, and
// what becomes of replies. [Engine.Steering] is asked for the one in force for each message; one that never changes is
// made of each state of the settings, and [Engine.Steered] says that there is another one.
//
// Of the addresses that a message may leave from, each is redirected first; one that is refused or paused then is left
// out. When none is left, the message is parked if one of them is paused, and ends with the refusal otherwise: 4yz is a
// result like that of a remote, after which the message is tried again, 5yz is final. All of that comes before the DNS
// is asked. Rules about the address of the remote are applied when a connection to it is to be made, and before each
// mail over one: where it is paused, other addresses are tried, and when all are, what waits is parked.
//
// Each job knows which steering it was planned by. The goroutine that takes it from a list, or puts it there, finds
// that another one is in force and asks again (replan): so nothing begins that was decided against, however much waits.
// All that waits is gone through in pieces meanwhile (reexamine). What was begun ahead of its turn is given up with its
// connection; what is on the wire is finished. A message is rewritten once each time it is read, whatever rules come
// while it is in memory.
//
// An aside.Registry remembers what is parked under which key, and because of what: a pause, want of room, or an address
// that no instance is known to have. It has it come back when that is over.
//
// A rule for replies can have a message fail, or wait for exactly as long as it says; say that a reply is final or not,
// that it concerns the message alone or puts the whole path off-line, that it is greylisting, or that another address
// of the site is to be tried before the attempt counts (fallBack: over a path of its own that leaves out the ones
// before). After a success it can only change what is reported, never have the mail sent again.
//
// # Why
//
// [Engine.Why] tells of one message where it waits and why, in plain values and in a sentence; [Engine.Paths] and
// [Engine.Held] tell of all that waits in memory, and of all that is parked because of pauses.
//
// # Mails that are elsewhere
//
// A message can come with a key instead of its mail, which is in a message store then ([Store]). Such a mail is fetched
// when a connection stands and the message is next: while the one before it is on its way (connection.fetch), so that a
// store that answers soon costs no time, and no more mails are open than connections have in hand. It is closed when
// the message is settled, or goes back into a list; a retry goes back into the queue with its key alone.
//
// A mail that is not there ends the message as storage/lost, one that cannot be used as storage/invalid. When the store
// cannot be asked, or takes too long, the message is put off with no attempt counted, and the connection goes on with
// other mail (notFetched); if that lasts, the message expires. How large the mail is may be unknown until it is
// fetched: the throttle is then asked again, with its true size.
//
// # Mails that are made
//
// A message with the properties data or inlinecss, or an object for its mime, has its mail made by Engine.Render, which
// package render fits into. That happens once for each attempt, for as many mails at a time as there are processors. A
// mail that is there takes microseconds: the connection that waits for it does that itself (mails.rendered). One that
// has to be fetched, or is an object and may name downloads, is made by another goroutine (mails.obtain) while the
// connection sends others. What the queue keeps is the message as it came. A failure ends the message with the state
// that it names; one that may pass has it wait, with no attempt counted.
//
// # Mails to many
//
// With [Engine.MultiRecipient], messages that are the same but for their recipients go as one mail, as far as they are
// next on the connection (connection.join): same sender, same mail byte for byte, the same things asked for, and
// nothing in them that is of one recipient: no template, header edits or keys of their own, no return path of their
// own. The throttle counts each of them, each has its own result and is settled by itself, so that nothing is shared
// once the reply is there. A recipient that is one too many for the remote (452, or 4.5.3) goes with the next mail, and
// no later mail over the connection has more. Mail that could be joined is not begun behind the one before it.
//
// # Growth
//
// The first connection of a path is made at once. Another one is made when each that there is has ten messages waiting
// (or as many as the throttle says), or when none of them took a message for 15 seconds; no more are being made at a
// time than are open, so that they double at most. Connections without work wait for it, 5 seconds unless the throttle
// says otherwise; the one that became idle last is the first to work again, so that the others can end.
//
// All connections together are limited by [Slots]. When these are taken, the paths that want one stand in line, first
// the paths that have no connection at all. For the first in line, the connection that has been idle longest ends;
// where none is idle, one of a path that has at least two more; and where all have only one, one that has carried its
// share of 20. Connections make room in the same way where a limit on simultaneous connections, to an address or of a
// path, keeps out another path that has none or fewer (contended).
//
// # Memory
//
// At most [Engine.Prefetch] messages are in memory; their mails stay where the queue has them. What the ready list of a
// path has no room for is parked in the queue, by recipient domain, and fetched again when the list is less than half
// full; meanwhile new messages fill only half of it, so that they do not overtake the old ones for ever. When memory
// becomes short, slow paths give up what exceeds an even share, and then paths without a connection all they have; a
// path that flows is left in peace. So neither a slow site nor a thousand dead ones delay mail to others. While more
// than half of the memory is taken, nothing is fetched for a path that could not send it now: one that connects, or
// waits for a limit. So thousands of dead sites cost an attempt of one message now and then, and nothing in between.
// What has waited for five minutes is parked in any case, as brokers want their deliveries back.
//
// Messages whose route is being looked up wait for the one look-up of their domain, in at most half of the memory;
// beyond that they are parked. So a DNS that does not answer delays no mail whose route is known.
//
// # Failures, and what counts as an attempt
//
// A round of connecting tries the hosts by preference, equal ones in random order, up to eight addresses. An address
// that does not answer is left alone by all paths for a moment. When the whole round fails, the path is off-line: for
// 30 seconds at first, then twice as long each time up to 15 minutes, give or take a tenth. One message, the first in
// line, gets the failure as its attempt; the others wait, and nothing is counted against them. While other connections
// of the path work, the failure only stops its growth. A connection that breaks, or hears 421, before it proved the
// path to work counts like a round that failed. What proves it is any reply to a mail that makes sense (answered), a
// refusal as well: a remote that says that there is no such recipient is there.
//
// A reply of 4yz to a mail, a time-out, nonsense and a broken connection are attempts, to be repeated after the next of
// the retry intervals; 5yz ends the message, except where the remote has not seen anything of it: a greeting of 554, or
// 5yz to EHLO and HELO, STARTTLS or AUTH, concern all mail of the path and may be mended before the message expires
// (ofPath). A rule for replies that calls such a reply final applies to all that waits. No attempt are: waiting, for
// whatever reason; the end of the engine; being next on a connection whose remote had enough of it (hadEnough,
// Transaction.Unsent): that closes before it has a part in this mail, or answers 421, or answers MAIL with any 4yz
// after it took others. Such a mail is spared: it goes at once, as the first one of a new connection (path.firstFor),
// and what comes of it there is its attempt. Connections make room for new ones that are needed so.
//
// A remote that stops connections at the same number of mails again and again is learnt (learned): later connections to
// it say QUIT before. [Engine.Learned] tells the number.
//
// A message whose attempts are used up, or whose time is over, is finished with one more result, process/timeout. Its
// time is its maxdelivertime, or [RetryPolicy.Lifetime] after it was first read, written into it then. The last attempt
// is never after that.
//
// # The end
//
// [Engine.Shutdown] stops reading, lets the mails on their way be finished, ends look-ups and connections in the
// making, and gives what waits back to the queue, unchanged; connections say QUIT, and all that was done is settled.
// [Engine.Close], or the end of the ctx of Run, breaks connections off instead. Settling is not broken off: a queue
// that does not answer has five more seconds, or else a mail that was delivered would be delivered again. Either way no
// message is lost and none is settled twice.
//
// While the queue is unavailable nothing is lost either: what is done is settled when it answers again, what is not
// done goes on, and nothing new is read once the memory is full.
//
// # Locks
//
// Their order is the table in internal/locks. Tests that are built with the tag lockorder hold every lock that is taken
// against it.
//
// # Files
//
// A file uses what stands below it.
//
//   - engine.go: Engine, its defaults, Run, Shutdown
//   - whytext.go, why.go, explain.go: why mail waits
//   - way.go: the way of a message
//   - elsewhere.go: messages for other instances
//   - unheeded.go: properties that have no effect
//   - paths.go: all paths, and their upkeep
//   - routing.go: look-ups of routes, and what waits for them
//   - outcome.go: what an attempt says of its connection
//   - dial.go: making a connection
//   - reexamine.go: new rules for what waits on paths and connections
//   - take.go: how connections get messages, and idle
//   - connection.go: a connection, and the goroutine that serves it
//   - together.go: one mail to the recipients of several messages
//   - contended.go: room below limits on connections that paths share
//   - slots.go: paths that wait for a connection slot
//   - ready.go: how messages get to a path, and how it grows
//   - parking.go: how much a path takes, and what it parks and fetches again
//   - reports.go: what connections tell their path
//   - path.go: a path
//   - idle.go: its idle connections
//   - backoff.go, allowance.go: how it leaves its site alone after failures, and what the throttle has it wait for
//   - paused.go: what is parked because of pauses
//   - core.go: what all of these share, and the interface engine
//   - memory.go: how many messages are in memory
//   - life.go: until when an engine begins new work, and finishes what was begun
//   - steered.go: the rules in force
//   - fetch.go, render.go: how mails are got from the store, and made
//   - learned.go, offline.go: what is known of remotes and of source addresses
//   - joblist.go: lists of such messages
//   - job.go: a message in memory
//   - plan.go: where a message may leave from
//   - admit.go: whether it may be sent, how often, how long
//   - reply.go: what a reply means
//   - verdict.go, letter.go: what is decided, and about what
//   - sources.go, steering.go, route.go, tlspolicy.go, store.go, notifier.go, sender.go: the contracts
package delivery
