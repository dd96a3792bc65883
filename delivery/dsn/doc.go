// Package dsn makes the mails that tell a sender what became of a mail: delivery status notifications, bounces for
// short (RFC 3461, RFC 3464, RFC 6522, RFC 6533; MailerQ 5.13, sending-bounces).
//
// A [Notifier] is asked whenever an attempt ended. What happens then:
//
//  1. Whether the sender wants to know: the notify of the message, or else the configured one, names the event. NEVER
//     is never. SUCCESS is passed on to a server that announced DSN, and answered here only when that ends here:
//     delivered says that the mail is in a mailbox, relayed that a server took it that tells nothing. The action
//     expanded (RFC 3464 §2.3.3) is never said: nothing here makes several addresses of one.
//  2. To whom: the envelope of the mail. Nobody is told of what became of a notification, which has no envelope, so
//     that there are no loops; a failure of one goes to DoubleTo, and a failure of that one nowhere.
//  3. How much: at most PerHour to one address, since a forged sender would get them all.
//  4. The mail is written: a text for people in the language of the original, with the reason and what can be done;
//     the fields for programs; the original's header, or all of it when ret is FULL and the original not large.
//
// What comes out is the message to publish. The engine makes it one of the successors that take the place of the
// message in one step, so that a crash leaves either the message, which fails again and is told of then, or its result
// and the notification. None is lost. A second one is made only where the first may have left already when the step was
// lost: on the embedded queue, whose settlements are written some milliseconds later, and on RabbitMQ when this
// process is killed between the confirmation of the notification and the acknowledgement of its message.
//
// Nothing that a server, a client or a message says can begin a field or a line of its own.
//
// # Files
//
//	notifier.go  Notifier: whether, to whom, how much
//	compose.go   the parts of the mail
//	status.go    the fields for programs
//	original.go  what is returned of the mail
//	texts.go     what people read, by language
package dsn
