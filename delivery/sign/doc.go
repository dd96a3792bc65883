// Package sign puts DKIM signatures (RFC 6376, RFC 8463) on mail just before it is sent.
//
// One mail goes through [Signer.Sign] like this:
//
//  1. The header is read, and the domain of the first address in From found. [Keys], compiled from the settings, know
//     which of their keys sign mail from that domain. Keys that depend on the DNS take part only while [Published]
//     knows that the DNS has the public key. With no key there, and none in the message, the mail goes as it is.
//  2. The mail is hashed, its body in the forms to be signed, with the keys of the message. Signatures of the same mail
//     with the same keys that are younger than [Signer.Reuse] are used again, so that 1,000 recipients cost one
//     signature, whether they share a body or each has a copy. Connections that want the same one at a time wait for
//     the first. Signatures that expire are reused for an eighth of their validity. A key that is to expire at a
//     certain time (x=) signs no more from then on, and is not looked at.
//  3. Keys of the message are parsed, or found in a [KeyCache]. They come together with those of the settings, in the
//     order of their priorities: the lower one is nearer the top. Where both have a key for the same record in the DNS,
//     the message's is used.
//  4. The body is read once for all signatures. Memory does not grow with it.
//  5. The result is a body of the signatures and the mail where it already lies ([queue.Body]).
//
// From, To, Cc, Subject, Date, Reply-To, MIME-Version and the Content fields are signed once more often than the mail
// has them, and so are the fields that a key names: one that is added on the way breaks the signature. Message-ID,
// Sender, References, the Resent and List fields and Feedback-ID are signed where they are.
//
// A mail without From cannot be signed (RFC 6376 §5.4): keys of the settings leave it alone, keys of the message make
// it fail.
//
// Of the keys for arc, one adds an ARC set (RFC 8617) above the signatures: what the checks found when the mail came
// in, a signature of the mail as it leaves, those DKIM-Signatures included, and a seal of the sets so far. What the
// seal says of the chain before it is what the check arc found; a chain that did not hold gets one set that says so,
// and no other after that. A chain that nobody looked at is left alone.
//
// A signature is over the mail as it is handed over. Where a remote takes it only changed, because of eight-bit text or
// lone CRs in it, what came of it is to be signed instead: see delivery.Finisher. Signatures are remembered by the
// content that they are over, so either form is signed once for many recipients.
//
// Private keys never appear in errors. Signing is done by internal/mailsig, which verifies too: one canonicalisation
// serves both, the body is read once for several signatures, and a body of nothing but line ends needs no memory.
package sign
