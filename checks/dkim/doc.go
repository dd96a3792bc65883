// Package dkim verifies the DKIM signatures of a mail (RFC 6376, with RFC 8301 on algorithms and RFC 8463 on Ed25519).
//
// [Checker.Check] goes like this:
//
//  1. The header is indexed, and the DKIM-Signature fields are read from the top: the newest come first, and no more
//     than MaxSignatures are looked at. One that cannot be read, is forbidden, or is out of time has its result here,
//     and costs nothing more.
//  2. The keys are asked for, all at once, each name only once.
//  3. The body is read once and hashed for all signatures that still stand.
//  4. Each of them is compared with the body's hash and checked against the header.
//
// Every signature has a result of its own; a mail without any has one result that says none. The verdicts are those of
// RFC 8601 §2.7.1:
//
//	pass       the signature holds
//	fail       it does not: the mail was changed, the signature has expired, or its key or algorithm is too weak to count
//	policy     it may hold, but is not accepted: it leaves out the end of the body, or takes too much work to verify
//	neutral    it cannot be read
//	permerror  there is no usable key, or the signature leaves out From
//	temperror  the key could not be asked for now: never a fail
//
// The JSON of a result is
//
//	{"dkim":"pass","domain":"example.org","selector":"s1","header.i":"@example.org","header.b":"dzdVyOfA",
//	 "algorithm":"rsa-sha256","bits":2048}
//
// with "length" and "unsigned" when the signature has an l= tag (signed bytes, and bytes behind them), "testing" when
// the domain says that it only tries DKIM out, and "reason" when there is something to explain.
package dkim
