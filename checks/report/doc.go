// Package report recognises and reads mails that machines send about mail: notifications of delivery and of disposition,
// complaints, and reports on DMARC and TLS. [Recognise] tells what a mail is, at next to no cost for mail that is none of these. [Parse]
// reads what the report says: whose mail it is about, what became of it and why, the id of the mail that was sent, and counts.
//
// [Recognise] goes like this:
//
//  1. The header says whether the mail has parts. Usual mail, a text or a text with its HTML, is done with here or after a look at
//     its few parts.
//  2. The parts are walked over from the top, line by line, with no more than their headers in memory. Mails inside the
//     mail are not looked into: a report that somebody forwards is none.
//  3. Within a multipart/report (RFC 6522) the type of a part tells the kind: message/delivery-status (RFC 3464),
//     message/disposition-notification (RFC 8098), message/feedback-report (RFC 5965). The types of TLS reports (RFC 8460) count
//     anywhere.
//  4. Reports on DMARC (RFC 7489, RFC 9990) have no type of their own: attachments that may be one, by name or by type, are decoded,
//     unpacked from gzip or zip, and their first elements looked at; TLS reports are found so, too. When the content is
//     unreadable, the subject and the file name together decide.
//  5. What a program sends and is none of these is a bounce of the kind that was usual before there were standards when its
//     first text says, in one of the usual phrases or with a reply code, which addresses could not be reached.
//
// A mail can say anything, so everything has a limit: how much of it is looked at, how many parts, how deep, how many
// attachments are opened, and how much comes out of a compressed one. Whoever exceeds them is not recognised, at no cost to
// others. Nothing here starts a goroutine, writes a file, or panics.
package report
