// Package rabbitmq keeps queues on a RabbitMQ broker, so that several machines share them and programs in any language
// publish and read: a message is the JSON of package queue, in gzip or not. It implements queue.Queue and queue.Parker in
// full, and queue.Inspector as far as AMQP goes.
//
// [Open] makes Options.Publishers connections that publish, and Options.Consumers that consume when that is first needed.
// Connections that break are made anew, with a growing delay between attempts, at whichever host answers; the log hears of
// an outage when it begins and when it is over. Queues are declared when they are first used.
//
// # Publishing
//
//  1. Publish encodes each message into a buffer, for which it waits until Options.Budget has room, and gives it to a
//     publisher: one connection with one goroutine that writes. Callers wait with their contexts, whatever the broker does.
//  2. The publisher sends it, mandatory, when fewer than Options.Throttle of its messages are unconfirmed.
//  3. The broker confirms it when it is on disk. Then, and when all others of the same Publish are, Publish returns nil.
//
// What is sent and not confirmed when the connection breaks, or within Options.ConfirmTimeout, is queue.ErrUnknown. While
// the broker is away, or takes nothing because of an alarm, Publish fails at once with queue.ErrUnavailable. A message for
// which there is no queue comes back: the queue is declared again and the message published once more, or, with
// Options.NoDeclare, Publish fails. What is larger than the broker takes is queue.ErrTooLarge; see [Queue.MaxMail].
//
// # Consuming
//
// A consumer begins with a prefetch of Options.MinQoS. When that many messages have come and are small enough, a second
// subscription adds the rest; when what was read takes more than half of Options.Budget, it ends again, and beyond
// the budget messages wait undecoded. Messages that cannot be decoded are handed out with Raw and Err. Those in gzip may
// become no larger than Options.MaxMessageSize.
//
// Settle publishes the successors, and acknowledges the original once all of them are confirmed. AMQP confirms no
// acknowledgements, and the broker hands out again what was not acknowledged when a channel ended. So this is remembered
// for an hour when a channel was cut, by the bytes of the message, which hold its id and its results:
//
//	the delivery was                          a redelivery
//	out, and still is                         belongs to that delivery, and is not handed out again
//	settled after the cut                     is acknowledged
//	settled shortly before, with an           is acknowledged, if the message has an id
//	acknowledgement that may be lost
//	released                                  is handed out
//
// An acknowledgement is beyond doubt when the broker has answered a question that was asked ten seconds after it: by then it
// is on the broker's disk, too. Identical messages without an id, published by strangers, are told apart by their number.
//
// The broker closes a channel over which a delivery was out for longer than its consumer_timeout, half an hour: do not
// keep one for over ten minutes, but park it. It stays settleable all the same, as after any other cut.
//
// # Delays
//
// A message that is not due goes into the ladder, a fixed set of queues named after their own: outbox.delay.1s, 3s, 10s,
// 30s, 1m, 3m, 10m, 30m, 1h, 3h, 10h and 1d. Each holds what it gets for that long and hands it to the outbox, where the
// consumer looks again: it is handed out if it is due, kept in memory for the last second, or goes on to the longest step
// that is not beyond the time that remains. So there are few queues, and a short delay is never stuck behind a long one.
//
// The steps are quorum queues that dead-letter at least once and reject what they cannot take, whatever the
// other queues are: plain dead-lettering may lose messages. A broker before 3.10 has none of that. There, consumers of the
// queue look at the head of each step themselves, and publish it to the queue, confirmed, before they remove it.
//
// # Parking
//
// Park publishes the message, as it came, to a queue of this process for its queue and key, and then acknowledges it.
// Such a queue is a step of the ladder of queue.MaxParked: what is left in it, by a crash too, comes back by itself.
// Unpark takes messages out of it into memory, Options.FlushQoS at most, where they go ahead of all others.
//
// A parking queue belongs to one process, which an exclusive queue shows to be alive: only so can it be deleted safely
// when it is empty and unused, which AMQP cannot do for quorum queues in one step. It is deleted a minute after all that
// was in it was taken out, or an hour after the last message went in. A directory, outbox.parked, holds the names of all;
// consumers look there every ten minutes for parking queues of processes that are gone, and delete those that were empty
// for an hour.
//
// # What a crash leaves
//
//	this process ends while                    then
//	publishing                                 the caller was told nothing; the message may be there
//	a delivery is out                          the broker hands it out again
//	settling, successors not confirmed         it is handed out again; some successors may be there: duplicates, no loss
//	settling, original not acknowledged        the same
//	parking, or moving into the ladder         the message may be there twice
//	messages are parked, or unparked           they come back within queue.MaxParked
//
// When the broker crashes, what it has confirmed is there again, with one exception: a quorum queue on a single node gets
// no leader any more when the power is cut within seconds of its first declaration (seen with 3.10). Its messages stay on
// disk until somebody tells the broker to elect one.
//
// When a node of a cluster ends, what waits on the ladder may come up to three minutes late: that is after how long the
// broker tries again to pass on what it could not while its target had no leader. RabbitMQ 3.10 has been seen to ask
// only the leader that is gone, when the target is a quorum queue: then this part of the ladder stands still, and loses
// nothing, until the node is back or the leader of the ladder's own queue is moved.
//
// Nothing survives that is published with Options.NotPersistent, or into queues declared with Options.NotDurable. The
// ladder and the parking queues are always durable, and use no exchange.
package rabbitmq
