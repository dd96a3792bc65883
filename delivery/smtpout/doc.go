// Package smtpout is the SMTP client that mail leaves with: it implements delivery.Sender and delivery.Connection.
//
// # A connection
//
// [Sender.Open] goes through these steps; a failure is a *delivery.Failure that names the state it happened at.
//
//  1. connect, from the hop's source address (states bind, connect; handshake for a proxy in [Sender.Dial]).
//  2. greet reads the greeting (intro).
//  3. hello says EHLO and notes what the remote can do; refused with 5xx, HELO (ehlo, helo).
//  4. secure does STARTTLS as the level of security asks for, notes cipher and certificate, and says EHLO again
//     (starttls). With optional security it does nothing; with opportunistic it is enough that the handshake succeeds;
//     required insists on it; verified also on a certificate that chains up to a root and is valid for one of the hop's
//     names. When an opportunistic handshake fails, Open dials once more and stays in clear text, if
//     [Sender.ClearFallback] allows that.
//  5. login does AUTH PLAIN, LOGIN or CRAM-MD5 when the hop has credentials, only under TLS unless told otherwise
//     (authplain, authlogin, authusername, authpassword, authcram, authresponse).
//
// # A mail
//
// Deliver goes through these steps.
//
//  1. prepare looks at addresses and body, once: is it ASCII, does it need dots stuffed, would DATA damage it? What
//     this remote cannot take is declined here with a reply of our own making: 552 5.3.4 over its SIZE, 553 5.6.7 when
//     SMTPUTF8 is needed and missing (see utf8.go), 553 5.1.3 and 5.1.7 for impossible addresses, 554 5.6.3 for a mail
//     that would have to be changed but bears the signature of its author. Others are made fit: see below.
//  2. begin writes MAIL, RCPT and DATA in one flight.
//  3. envelope reads the replies to them (mailfrom, rcptto, data), withdraw tidies up after a refusal.
//  4. message writes the mail and its final dot in one flight, together with MAIL, RCPT and DATA of the next mail, when
//     the caller has one; then it reads the reply (message). For that next mail, steps 2 and 3 cost no round trip: the
//     replies came with those of the mail before.
//
// So with PIPELINING (RFC 2920) the round trips of a mail are:
//
//	first mail of a connection               2   envelope; content
//	on a reused connection                   2
//	begun behind the mail before, to 1 MiB   1
//	by BDAT, to 1 MiB                        1   envelope and content together
//	a refused recipient                      1   none when begun behind the mail before
//
// and a mail that was begun behind the one before costs one write and one read. Without PIPELINING each command waits
// for its reply: 4 round trips, 5 after a refusal, for its RSET. Opening a connection costs 1 for TCP, 1 for EHLO (the
// greeting comes unasked), 3 more for TLS 1.3, and 1 to 3 for AUTH.
//
// # LMTP
//
// With [Sender.LMTP] the same is LMTP (RFC 2033), which greets with LHLO and has a reply to the mail for each of its
// recipients: for the one that a mail has here. A server that sends one reply too many gets out of step, and would have
// the next mail refused for the one before it; that shows at the reply to DATA, and the next mail is tried again.
//
// # The body
//
// A body in memory (one with a method Bytes) that has no line beginning with a dot goes to the socket from where it
// lies, in the same system call as what follows it. Other bodies pass through a pooled buffer of 64 KiB: small ones at
// once, files piece by piece. DATA is the rule: it costs as many round trips as BDAT, was not slower when measured (see
// BenchmarkDeliver), and no content goes out before the remote agreed to take it. A remote with CHUNKING gets mails
// with NULs or lines of more than 998 bytes by BDAT.
//
// A mail that the remote may not get as it is is made fit: bytes beyond ASCII become quoted-printable or base64 for one
// without 8BITMIME, also one that knows HELO alone; lone CRs and LFs, which RFC 5321 §2.3.8 forbids and with which one
// mail could smuggle in another, become CRLF unless the remote has CHUNKING and BINARYMIME. That is done before the
// mail is signed: the transaction's [delivery.Finisher] edits it, has it fitted, and signs what came of it, so that
// signatures hold. A signature that the mail came with would not: such a mail is not changed. It goes as it is where
// that is allowed, when only its header has bytes beyond ASCII for one, and is declined where not (RFC 6152 §3).
//
// # Sessions of TLS
//
// A connection takes up the TLS session of an earlier one to the same address, where the same is demanded, which costs
// a fraction of a handshake. Policies judge the certificates of the session as if they had come just now; when they
// find them wanting, or the remote cannot go on with the session, it is forgotten and the remote gets a connection
// without.
//
// # When things go wrong
//
// Every reply is bounded in size, lines and time; no wait is without a time-out. A reply that is none, or has a code
// that makes no sense at its place, is result invalid and ends the connection, as do 421, time-outs and closing. A
// remote that announced PIPELINING and lets a flight of commands time out gets one at a time for some hours: it may
// have lost all but the first. What counts is the first refusal: replies to commands behind it are read and dropped. A
// remote that refuses the recipient and takes DATA all the same gets an empty mail (RFC 2920 §3.1). RSET goes out only
// where an envelope was left open, in the flight of the next mail.
//
// A transaction is Unsent when the remote had no part in its outcome: the connection had been used before and was
// closed, without a word, before any of this mail's content went; or the mail was begun behind another one during which
// the connection broke; or we broke off before the mail was complete.
//
// Close says QUIT and does not wait for the answer.
package smtpout
