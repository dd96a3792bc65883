// Package radius lets users log in with their password at a RADIUS server (RFC 2865), by PAP.
//
// A login goes like this:
//
//  1. [Authenticator.Authenticate] turns away what no server needs to see: an empty name or password, a name longer
//     than 253 bytes, a password longer than 128 (RFC 2865 section 5.2), or one with a NUL, which PAP uses as padding.
//  2. A socket with a free identifier is looked for, or opened. Each of its 256 identifiers is used once; then the
//     socket takes no more, so that an answer that is late cannot meet another request. A socket closes when nothing is
//     in flight. It is connected: the kernel drops what comes from any other address.
//  3. An Access-Request goes out with the Message-Authenticator first (RFC 3579 section 3.2), then User-Name,
//     User-Password, NAS-Identifier, and the client's address as Calling-Station-Id where it is known.
//  4. It is sent again, unchanged, after Options.Retransmit and then ever later, until Options.Timeout. Neither that a
//     port is closed nor that the network is down ends this earlier: servers restart.
//  5. A datagram is taken for the answer when its identifier, its Response Authenticator and its Message-Authenticator
//     are right. All others are ignored.
//  6. Access-Accept lets the user in. Access-Reject does not, nor does Access-Challenge: SMTP and HTTP have no way to
//     put another question. No answer says that nothing could be found out.
//
// # Replies without Message-Authenticator
//
// The Response Authenticator alone, an MD5 sum, does not keep somebody on the way from turning a Reject into an Accept
// (CVE-2024-3596, "BlastRADIUS"). So a reply that has it, but no Message-Authenticator, ends the login without an
// answer, and the error says so. Servers such as FreeRADIUS before 3.2.5 send none unless configured to;
// Options.Lenient, or message-authenticator=optional in an address, takes their word. A wrong Message-Authenticator, or
// Proxy-State, which the attack needs and we never send, has a reply ignored even so.
//
// RADIUS protects passwords weakly: let it run over networks that you trust.
package radius
