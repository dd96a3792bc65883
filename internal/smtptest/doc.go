// Package smtptest holds the two ends between which a mail server is tried: a [Sink] that receives mail and misbehaves
// on request, and a [Source] that produces load. Both are made to cost as little CPU as possible, because they share
// the machine with what is measured: one read takes in a whole pipelined flight, one write answers it, nothing is
// allocated for a mail.
//
// # How arrivals are counted
//
// A Source numbers the recipients of its mails. Mail n to k recipients carries the header field
//
//	X-Sluice-Seq: n/k
//
// and goes to the addresses s‹n›@…, s‹n+1›@… up to s‹n+k-1›@…. A Sink notes each number in a [Tally], so that in the
// end it knows which numbers came, which came twice, and whether a mail reached the wrong recipient. A second field,
//
//	X-Sluice-Sum: crc
//
// is the CRC-32C of what follows the header (eight hexadecimal digits); with Sink.Verify it shows mail that was
// damaged.
//
// # How a sink misbehaves
//
// [Rule] values say at which stage of a session what happens to whom, for which share of the cases. [ParseScript] reads
// them from text. Without any rule, recipients choose for themselves by their name: see [Sink.NoNames]. A [Profile] has
// the rules of a provider, with limits for each address that connects.
package smtptest
