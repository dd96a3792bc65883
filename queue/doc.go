// Package queue is where mail waits: the contract between those who publish messages and those who deliver them, and
// the messages themselves.
//
// A [Message] is one mail to one recipient, a plain struct whose fields are the properties of its JSON form. Whoever
// takes mail in makes one for each recipient and hands them to [Queue.Publish], which returns when all are durable. A
// consumer gets each as a [Delivery] and owes exactly one of three things for it:
//
//   - [Delivery.Settle] removes it and stores its successors (results, a retry, a bounce) in one step;
//   - [Delivery.Release] gives it back, as if nothing had happened;
//   - [Parker.Park] sets it aside for a while, on engines that can, so that it blocks nothing behind it.
//
// The life of a message in a queue:
//
//	            Publish
//	               │
//	 NextAttempt   ▼               Consume
//	Delayed ───► Ready ─────────────────────────► Out ──Settle──► gone, successors stored
//	               ▲ ▲                            │ │
//	               │ └─────────Release────────────┘ │ Park
//	               └─Unpark, MaxParked── Parked ◄───┘
//
// Engines live in packages of their own: memory forgets when it ends, disk is an embedded log, and a broker serves
// several machines. What they may add to the contract are the interfaces [Inspector], [Parker] and [Atomic], asked for
// by type assertion. Package queuetest examines an engine against all that is written here.
//
// A mail itself is a [Body]: anything with ReadAt and Size, in memory or in a file. Messages to several recipients
// share one Body value, and engines store it once.
//
// A message has two written forms. [AppendJSON] and [Unmarshal] are for the world: readable, complete, tolerant of
// numbers in quotes, and exact about what is wrong. [AppendBinary] and [DecodeBinary] are for engines: short, quick,
// and without the mail. [Message.AppendRecord] and [Message.Property] are for logs: they leave out mail and secrets.
//
// An error that matters to the caller wraps one of [ErrFull], [ErrTooLarge], [ErrUnavailable], [ErrRefused],
// [ErrUnknown], [ErrClosed], [ErrLocked], [ErrSettled] or [ErrNotFound].
package queue
