// Package mailsig verifies what DKIM (RFC 6376) and ARC (RFC 8617) share: signatures over the header and body of a
// mail, with keys from the DNS.
//
// A check goes through it like this:
//
//  1. [NewMessage] indexes the header of a mail once, so that signatures find the fields they sign without searching.
//  2. [ParseSignature] reads a DKIM-Signature, an ARC-Message-Signature or an ARC-Seal and says what is wrong with one
//     that cannot be judged. It costs no look-up.
//  3. [Keys.Fetch] gets the key of a signature and judges its size before any arithmetic is done with it.
//  4. [Message.HashBody] reads the body once for all signatures of a mail, whatever ways of canonicalisation they use.
//  5. [Message.Verify] compares the hashes and checks the signature; [VerifySeal] does it for an ARC-Seal, which covers
//     ARC's own fields instead of the mail.
//
// A [Problem] tells why a signature does not hold, and whether it was the signature, the key, or the DNS. Everything a
// mail can make long has a limit: signatures, lists of fields, key records, keys. Lines that end in a bare LF are taken
// as if they ended in CRLF, since that is what a signer has seen or made of them.
package mailsig
