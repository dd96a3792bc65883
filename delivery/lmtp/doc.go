// Package lmtp delivers over LMTP (RFC 2033), to the server of the mailboxes, such as Dovecot: over TCP or a socket of
// the file system.
//
// The protocol is SMTP but for its greeting, LHLO, and for one reply to a mail for each of its recipients. As a
// delivery.Transaction has one recipient, that is one reply, and smtpout's client does it all: pipelining, the envelope
// of the next mail behind the one before, SIZE, 8BITMIME, SMTPUTF8, time-outs, and what comes of servers that hang,
// break or talk nonsense. What is left here is the way to the server.
//
// Mail that stays here leaves from nowhere: addresses, pools and external MTAs are for mail that goes out, and a
// connection to an LMTP server is not bound to any of them. A socket of the file system needs no TLS: whatever security
// a message asks for, nobody is in between.
package lmtp
