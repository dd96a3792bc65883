// Package maildir delivers into Maildirs, from which IMAP and POP3 servers read: it implements delivery.Sender for
// targets such as
//
//	maildir:///var/mail/{domain}/{user}?quota=2G
//
// # Where a mail goes
//
// [Parse] reads a target. In its path stand {user}, the local part of the recipient in lower case, without what follows
// a +; {detail}, what follows; and {domain}, in lower case and A-labels. A folder (Maildir++) is one more part of the
// path that begins with a dot: with .{detail} at the end, mail to jo+lists@ goes into the folder "lists", mail to jo@
// into the inbox. Parameters are:
//
//	quota=2G    bytes that the mails of a user may have, with K, M, G or T; see below
//	mode=660    permissions of files, three octal digits; directories get the fitting ones. Default: 600
//	create=no   a user without a directory is unknown, 550 5.1.1. Default: it is made with the first mail
//
// What a recipient's address brings into a path is one name, never several: addresses whose parts are empty, begin with
// a dot, hold a slash or a control character, or are too long for a name, are refused with 553 5.1.3. The directories
// in front of the first one with a {name} must be there: what should be a mounted disk and is not is not written to.
//
// # A mail
//
// connection.deliver does what https://cr.yp.to/proto/maildir.html says:
//
//  1. write puts the mail into a file in tmp, under a name that nobody else has: Return-Path, Delivered-To, then the
//     mail as it is, with LF for CRLF. Its file is synced.
//  2. The file is renamed into new, and the directory new is synced. Only then is the mail delivered.
//
// So a crash leaves a file in tmp that nobody reads, or a mail in new whose message is delivered again, as with a
// connection that broke before the reply; it never loses one. Files that have been in tmp for 36 hours are removed,
// once a day for each Maildir that gets mail. Names end in ",S=" and the size, which Dovecot and Courier read in place
// of the file.
//
// Each mail has syncs of its own. Where many connections deliver at the same time the file system makes one commit of
// many syncs: with sixteen, ext4 here took ten times as many mails a second as with one. One syncfs for many mails was
// another half faster, and not taken: it waits for everything on the disk, the queue's own log among it.
//
// # When things go wrong
//
// A full disk is 452 4.3.1, a user without room 452 4.2.2; a directory that is missing or closed to us, or whose tmp
// and new are on different file systems, 451 4.3.5; what else the system says, 451 4.3.0. The message is tried again
// later. Replies name no directories, as senders get to read them: the result's To does.
//
// # Quota
//
// The size of a user's mails is kept in the file maildirsize (Maildir++, as Courier and Dovecot's quota driver
// "maildir" write it): it is made when there is a quota, and obeyed where a server has made one. It counts what lies in
// the inbox and all folders. Several mails at the same time may overdraw it by their sizes.
package maildir
