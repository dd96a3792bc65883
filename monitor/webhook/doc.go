// Package webhook posts the results of mails to a web server, in batches of JSON, and loses none of them on the way.
//
//	hook, err := webhook.Open(webhook.Options{Queue: q, Name: "webhooks", Dir: "/var/lib/mtad/queue/webhook",
//		Terms: func() *webhook.Terms { return terms.Load() }})
//
// # The way of a result
//
//  1. Settling a message, the delivery engine publishes its result into a queue of the hook's own
//     (delivery.QueueNames.Hook). It is part of the settlement: where the message is gone from the outbox its result is
//     in that queue, after kill -9 and after a power cut.
//  2. [Hook]'s intake reads that queue (take), makes lines of JSON without what the [Filter] says, and appends those of
//     0.3 seconds to the journal. When they are synced, they are settled (flush).
//  3. The sender makes batches of what the journal has (cut) and posts them (post), several at a time if it may. A
//     result of a message never goes while an earlier one of that message is on its way.
//  4. An answer of 2xx ends a batch. One of 4xx has it kept as dead letters, but for 408, 425 and 429; the same request
//     would be refused again. Anything else, redirects, bad certificates and silence included, has the whole hook
//     pause: a second, and twice as long each time up to five minutes, give or take a fifth, and no less than
//     Retry-After says (an hour is the most that is believed). One batch then tries it, and the others follow.
//  5. How far all batches are done is noted in the journal: that is the checkpoint.
//
// So every result arrives at least once. One arrives twice when mtad ends between a post and its note, or between
// journal and queue: results have an id that is the same each time, the message-id and the number of its attempts.
//
// A Monitor would be told earlier and for less, but what it is told is in memory: the end of the process between an
// event and the next write would lose what was settled already.
//
// # The journal
//
// Lines in files of a sixteenth of the limit, numbered from 1 on. Results that were taken stay until their room is
// needed, so that [Hook.Replay] can send them again from any number that is still there. When the limit is reached the
// oldest file goes, and with it results that nobody has taken yet, if the web server is away for so long: they are
// counted ([State]) and told in the log. Delivery never waits for any of this. While the journal cannot be written at
// all, results wait in the queue.
//
// Memory holds what is between queue and journal, at most 8,000 results, and the batches of up to 1 MiB that are on
// their way.
//
// # Requests
//
// The body is an array of objects:
//
//	[{"id":"1-f3a9/1","at":"2026-11-30T12:00:00Z","final":true,"message":{…}}, …]
//
// message is what results queues and send-bin-log-file have, without secrets; its last result is the one that is told.
// With a secret, [SignatureHeader] has v1= and HMAC-SHA256 of the value of [TimestampHeader], a dot and the body, in
// hexadecimal digits. [Verify] is for receivers: it compares in constant time, and refuses time stamps that are further
// than [Window] from its clock, so that nobody can send an old request again.
//
// # Files
//
//   - hook.go: Options, Terms, Open and Close
//   - state.go: how it is doing, and Replay
//   - line.go: results as JSON
//   - intake.go: from the queue into the journal
//   - sender.go, batch.go, post.go: from the journal to the web server
//   - dead.go: what was refused for good
//   - journal.go: lines on disk
//   - filter.go, sign.go: what is left out; signatures
package webhook
