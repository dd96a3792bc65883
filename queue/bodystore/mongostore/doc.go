// Package mongostore keeps mails in a collection of MongoDB, in MailerQ's layout (MailerQ 5.13, message-store-options),
// so that both find each other's mails. A mail is one document:
//
//	_id       the key
//	value     the mail, binary; a string is read, too
//	expire    when it may be removed
//	modified  when it was stored
//	encoding  "gzip" when the value is compressed, else "identity"
//
// A mail of more than 15 MiB, since a document may have 16, is a master document with keys (the ids of its parts, in
// order) and size in the place of value, and a document for each part, with parent (the key), value, offset, expire and
// modified. Parts are written first: with the master, which is one write, the mail is there as a whole. The parts of
// the mail that it replaces stay for ten minutes, for consumers that are reading it.
//
// A key that is no text in UTF-8, or has a NUL, is stored as "hex:" and its bytes in hexadecimal; so is one that begins
// like that.
package mongostore
