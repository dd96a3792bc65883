// Package arc validates the Authenticated Received Chain of a mail (RFC 8617): what the hosts on its way found out
// about it, each finding sealed by the host that made it.
//
// Every host adds a set of three fields with its number in the chain: ARC-Authentication-Results, what it found;
// ARC-Message-Signature, a DKIM signature of the mail as it left the host; ARC-Seal, a signature of the sets so far.
// [Checker.Check] goes by RFC 8617 §5.2:
//
//  1. The sets are collected. They must be complete and numbered from 1 without gaps, 50 at most; the first seal must
//     say cv=none, the others cv=pass. A newest seal that says cv=fail ends the chain.
//  2. The newest message signature must hold: it is the only one that must fit the mail as it is now.
//  3. Every seal must hold, from the newest to the oldest.
//  4. How far back older message signatures still hold is found out as well: the first one that does not shows who
//     changed the mail.
//
// There is one result: none without any set, pass, fail with the reason, or temperror when a key could not be asked for
// now. Its JSON is
//
//	{"arc":"pass","instance":2,"domain":"lists.example.org","selector":"s1","sealers":["example.com","lists.example.org"],"oldest-pass":0}
//
// where sealers are in the order in which the mail met them, and oldest-pass is the oldest instance whose signature
// still fits the mail, 0 when all do (RFC 8617 §5.2). That a chain passes says who vouches for the mail, not that they
// can be trusted.
package arc
