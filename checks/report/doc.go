// Package report recognises and reads mails that machines send about mail: notifications of delivery and of
// disposition, complaints, and reports on DMARC and TLS. [Recognise] tells what a mail is, at next to no cost for mail
// that is none of these. [Parse] reads what the report says: whose mail it is about, what became of it and why, the id
// of the mail that was sent, and counts.
//
// [Recognise] goes like this:
//
//  1. The header says whether the mail has parts. Usual mail, a text or a text with its HTML, is done with here or
//     after a look at its few parts.
//  2. The parts are walked over from the top, line by line, with no more than their headers in memory. Mails inside the
//     mail are not looked into: a report that somebody forwards is none.
//  3. Within a multipart/report (RFC 6522) the type of a part tells the kind: message/delivery-status (RFC 3464),
//     message/disposition-notification (RFC 8098), message/feedback-report (RFC 5965). The types of TLS reports (RFC
//  8460. count anywhere.
//  4. Reports on DMARC (RFC 7489, RFC 9990) have no type of their own: attachments that may be one, by name or by type,
//     are decoded, unpacked from gzip or zip, and their first elements looked at; TLS reports are found so, too. When
//     the content is unreadable, the subject and the file name together decide.
//  5. What a program sends and is none of these may still be a report, of a form without a type: a notification of
//     Amazon SES in JSON, a complaint that Microsoft passes on, or a bounce of the kind that was usual before there
//     were standards.
//
// Bounces of that kind are read so, by the words in forms.go, which are data; nothing depends on which program wrote
// them:
//
//  1. sender tells by the header whether a program speaks. What came over a list was written by people.
//  2. The fields of a notification that stand in a wrong place, such as the text, are taken where they are.
//  3. Otherwise the copy of the mail is cut off the text, and what is in front of it searched for recipients: lines
//     that begin with an address, sentences that name one, addresses beneath a reason, and in the end any address that
//     nothing speaks against.
//  4. What a server replied is looked for next to each of them, then in the rest of the text. Where several replies are
//     quoted, one that tells why counts more than one that tells that time is up.
//  5. The less the sender is sure to be a program, the more must show that this is a bounce: a phrase in the subject, a
//     reply, the returned mail.
//
// A mail can say anything, so everything has a limit: how much of it is looked at, how many parts, how deep, how many
// attachments are opened, and how much comes out of a compressed one. Whoever exceeds them is not recognised, or its
// report refused as too large, at no cost to others: reading a mail takes less than 64 MiB of memory, whatever it is.
// Nothing here starts a goroutine, writes a file, or panics.
package report
