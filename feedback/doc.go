// Package feedback is what happens to reports about mail that was sent: bounces that come later, complaints, requests
// for no more mail, reports on DMARC and TLS. A [Desk] joins each of them to the message that it is about, tells what
// it found, and has recipients suppressed as the rules say.
//
//  1. Intake publishes reports to a queue of their own, so that whoever sends one waits for nothing. [Desk.Run] takes
//     them from there, as many at once as wait, and [report.Parse] reads them (read.go).
//     [OneClick] makes such reports of requests over HTTP.
//  2. The desk finds out which message a report is about (join.go): by the signed return path that it came to, by an
//     ENVID that is such a token, by what it returns of the mail, and by the send log. Signatures are checked before
//     anything is looked up, and look-ups for reports that prove nothing are few.
//  3. Only reports that prove something may act: those that came to a signed return path, or name its token as the
//     ENVID, and complaints for whose sender DKIM or SPF passed, where the operator lists that sender (trust.go).
//     Reports that prove nothing are counted, and that is all.
//  4. The [Policy] in force counts of how many mails the same was reported, each mail once, and has the recipient
//     suppressed at its threshold (policy.go).
//  5. What became of it is a [Record], in a journal of bounded size (journal.go). Then the report goes on to the queue
//     for reports, with the records as its property feedback, or is done with. After a crash in between it comes again,
//     and is known by its id.
//
// Mail that is refused while it is being sent counts like a bounce that comes later: the desk is a monitor.Monitor that
// hears of it (refused.go).
package feedback
