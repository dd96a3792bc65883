// Package enqueue joins the SMTP server of package smtpin to a queue: it takes mail in and answers 250 when every
// recipient's message is stored durably.
//
// A [Backend] is an smtpin.Backend. Its sessions collect a transaction, and then do this with the mail:
//
//  1. Who may send what is decided at RCPT, after Backend.BlockedSender had its say at MAIL. Backend.Authenticator
//     knows who may log in, and Backend.Local which addresses are local: [Locals] and [Blocklist] look up in lists of
//     any length. A client that may relay (smtpin.Conn.Trusted) sends to anybody, any other only to addresses that are
//     local. Recipients that would have needed a login are refused, or kept for the refused queue when there is one.
//     The id of each recipient's message is made as the mail begins.
//  2. The mail is collected behind a Received field of our own: in memory, in a piece of just the right size, or,
//     beyond Backend.MemoryLimit, in a spool file that has no name and that the queue may adopt. All recipients share
//     it.
//  3. The header is looked at once, while it is in memory: too large a header, more than 100 Received fields, and
//     x-mq-* fields, which are taken out and become properties of the messages when the client may relay. A value that
//     cannot be understood refuses the mail: sending it in another way than was asked for could be worse.
//  4. What is known about the mail as a whole is found out. [Checks] has the checks look at it, all at once, while the
//     client waits for its reply; what they know about the client itself they were asked for when it said EHLO. Their
//     results go into each message, they may have the mail refused, and the header gets an Authentication-Results
//     field, above our Received field, or another subject. Package report tells whether the mail is a report.
//  5. Each recipient gets a message, and a queue: see [Queues].
//  6. All of them go to the queue in one Publish, which the end of the connection does not cancel. Its errors become
//     replies: 452 4.3.1 for queue.ErrFull, 552 5.3.4 for queue.ErrTooLarge, 451 4.3.0 for any other.
//  7. The monitor is told of each message, and the client gets a 250 of several lines, whose first is free text and
//     each further one reads "ID for RCPT". Over LMTP each recipient gets a reply of its own.
//
// # Checks
//
// The mail is read where it lies, by the checks as by the queue, and a header that was edited is put in front of it
// without touching the rest: in memory there is room for it, and a mail in a spool file is joined to it as the queue
// stores it, which costs a large mail the adoption of its file. Only where recipients that are local and others get
// different headers is the mail stored twice. Without Checks nothing of this costs anything.
//
// All clients' mail is checked. Clients that have logged in are exempt from two consequences: refusal by DMARC, since
// it is for us to sign their mail, and by a block list, where home users are.
//
// # Mixed transactions
//
// Over SMTP one reply answers for all recipients. A client that may not relay is refused the recipients that are not
// local at RCPT, and its local recipients get the mail. With a refused queue the refusal comes after the mail instead,
// as long as no good recipient was named before; a local recipient that follows is then put off with 452 4.5.3, so that
// the client sends to it in a transaction of its own. When a good one was named before, the refusal comes at RCPT as
// ever, and the refused queue gets its message when the mail has come.
//
// # Header fields that become properties
//
// See the fields of queue.Message: x-mq-envelope, x-mq-ip and x-mq-tag (both may come several times), x-mq-pool,
// x-mq-delayed (its NextAttempt), x-mq-maxdelivertime, x-mq-maxattempts, x-mq-retries, x-mq-inlinecss, x-mq-keepmime,
// x-mq-requiretls, x-mq-{results,failure,success,retry}-queue,
// x-mq-smarthost-{hostname,port,username,password,plaintext} and x-mq-dsn-{notify,ret,orcpt,envid}. Any other x-mq-NAME
// sets the property NAME, in Extra, unless that name is one of a message's own, which are ignored. Values in encoded
// words (RFC 2047) are decoded. When a field comes again, the last one counts. One of the four queues set switches off
// the queues that are not, as does an empty value; none may name the outbox or a queue of received mail.
package enqueue
