// Package rabbitmq keeps queues on a RabbitMQ broker, so that several machines share them and programs in any language
// publish and read: a message is the JSON of package queue, in gzip or not. It implements queue.Queue and queue.Parker
// in full, and queue.Inspector as far as AMQP goes.
//
// [Open] makes Options.Publishers connections that publish, and Options.Consumers that consume when that is first
// needed. Connections that break are made anew, with a growing delay between attempts, at whichever host answers; the
// log hears of an outage when it begins and when it is over. Queues are declared when they are first used.
//
// # Publishing
//
//  1. Publish encodes each message into a buffer, for which it waits until Options.Budget has room, and gives it to a
//     publisher: one connection with one goroutine that writes. Callers wait with their contexts, whatever the broker
//     does.
//  2. The publisher sends it, mandatory, when fewer than Options.Throttle of its messages are unconfirmed.
//  3. The broker confirms it when it is on disk. Then, and when all others of the same Publish are, Publish returns
//     nil.
//
// What is sent and not confirmed when the connection breaks, or within Options.ConfirmTimeout, is queue.ErrUnknown.
// While the broker is away, or takes nothing because of an alarm, Publish fails at once with queue.ErrUnavailable. A
// message for which there is no queue comes back: the queue is declared again and the message published once more, or,
// with Options.NoDeclare, Publish fails. What is larger than the broker takes is queue.ErrTooLarge; see
// [Queue.MaxMail].
//
// # Consuming
//
// A consumer begins with a prefetch of Options.MinQoS. When that many messages have come and are small enough, a second
// subscription adds the rest; when what was read takes more than half of Options.Budget, it ends again, and beyond the
// budget messages wait undecoded. Messages that cannot be decoded are handed out with Raw and Err. Those in gzip may
// become no larger than Options.MaxMessageSize.
//
// Settle publishes the successors, and acknowledges the original once all of them are confirmed. AMQP confirms no
// acknowledgements, and the broker hands out again what was not acknowledged when a channel ended. So this is
// remembered for an hour when a channel was cut, by the bytes of the message, which hold its id and its results:
//
//	the delivery was                          a redelivery
//	out, and still is                         belongs to that delivery, and is not handed out again
//	settled after the cut                     is acknowledged
//	settled shortly before, with an           is acknowledged, if the message has an id
//	acknowledgement that may be lost
//	released                                  is handed out
//
// An acknowledgement is beyond doubt when the broker has answered a question that was asked ten seconds after it: by
// then it is on the broker's disk, too. Identical messages without an id, published by strangers, are told apart by
// their number.
//
// The broker closes a channel over which a delivery was out for longer than its consumer_timeout, half an hour: do not
// keep one for over ten minutes, but park it. It stays settleable all the same, as after any other cut.
//
// # Delays
//
// A message that is not due, for a queue that this process reads, goes into the ladder, a fixed set of queues named
// after their own: outbox.delay.1s, 3s, 10s, 30s, 1m, 3m, 10m, 30m, 1h, 3h, 10h and 1d. Each holds what it gets for
// that long; then the message goes on to the longest step that is not beyond the time that remains, or to the outbox,
// where the consumer looks again: it is handed out if it is due, or kept in memory for the last second. So there are
// few queues, and a short delay is never stuck behind a long one.
//
// A process that consumes the outbox moves what waits on its ladder, with a consumer for each step: it holds the first
// message, whose time is over first, publishes it at its time where it goes, confirmed, and then acknowledges it.
// Movers of several processes hold one message each. None is kept for longer than 20 seconds: it is given back, and
// comes again at once. When messages come late, because there are many, or nobody was there to move them, a mover takes
// several at a time.
//
// Any other queue is read by somebody else, who may know nothing of ladders: what is published there goes there at
// once, and the time is in the message, as nextattempt. A consumer of this package heeds it. [Queue.BringBack] fetches
// what versions before had put on ladders that nobody moves.
//
// The broker has a way of its own, a queue-level time to live and dead-lettering. It is not used: the plain way may
// lose messages, and the one that is safe, at-least-once from quorum queues since RabbitMQ 3.10, stands still in 3.10
// when the node of the target's leader is gone for good, with messages that nobody can reach.
//
// # Parking
//
// Park publishes the message, as it came, to a queue of this process for its queue and key, and then acknowledges it.
// Unpark takes messages out of it into memory, Options.FlushQoS at most, where they go ahead of all others. What was
// parked for queue.MaxParked is published to the end of the queue it belongs to.
//
// A parking queue belongs to one process, which an exclusive queue shows to be alive: only so can it be deleted safely
// when it is empty and unused, which AMQP cannot do for quorum queues in one step. It is deleted a minute after all
// that was in it was finished. A directory, outbox.parked, holds the names of all; consumers look there every five
// minutes for parking queues of processes that are gone, pass on what they find, and delete parking queues that were
// empty for an hour.
//
// # What a crash leaves
//
//	this process ends while                    then
//	publishing                                 the caller was told nothing; the message may be there
//	a delivery is out                          the broker hands it out again
//	settling, successors not confirmed         it is handed out again; some successors may be there: duplicates, no loss
//	settling, original not acknowledged        the same
//	parking, or moving into the ladder         the message may be there twice
//	messages are parked, or unparked           consumers elsewhere, or the next one, have them within five minutes
//
// When the broker crashes, what it has confirmed is there again, with one exception: a quorum queue on a single node
// gets no leader any more when the power is cut within seconds of its first declaration (seen with 3.10). Its messages
// stay on disk until somebody tells the broker to elect one.
//
// When a node of a cluster is gone for good, quorum queues hand out again what was out over it, unless that
// subscription had been cancelled: then it stays with the node until somebody has the cluster forget that. So
// subscriptions are only cancelled when a consumer ends, or its memory is full, and what was not handed out is given
// back at once.
//
// Nothing survives that is published with Options.NotPersistent, or into queues declared with Options.NotDurable. The
// queues of the ladder and for parking are of Options.QueueType, always durable, and use no exchange.
package rabbitmq
