// Package addr takes mail addresses apart and judges their syntax.
//
// An address is written local@domain. Split and Domain take one apart without judging it; Parse and Valid judge it,
// after RFC 5321 §4.1.2 (and RFC 6531 §3.3 where UTF-8 is allowed) or loosely. ParsePath reads the path of a MAIL or
// RCPT command.
//
// Quoted local parts stay quoted everywhere, so that an address can go out again as it came in.
package addr
