// Package verp makes return paths that lead back to the mail they were made for, and reads them: an address such as
// bounce+TOKEN@bounces.example.org, whose token names a message and is signed. A bounce that comes to such an address
// is about a mail that left here, whatever else it says (variable envelope return path, as in ezmlm and BATV).
//
//  1. [ParseTemplate] reads where the token goes: "bounce+{token}@bounces.{domain}", or a domain alone.
//  2. [Paths.Make] signs what a token says with the newest key that all instances had time to learn of, and puts it
//     into the template. It takes less than a microsecond.
//  3. [Paths.Open] finds a token in an address or in another text, whatever forwarders made of the text around it (SRS,
//     BATV, upper case), and checks its signature before anything else is looked at.
//
// # The token
//
// A token is lower case base32hex without padding (RFC 4648 §7), which survives a change of case. Its bytes are
//
//	1     what follows: a bit for what it is good for, two for the form of the id, one for a tag, three for the key
//	2     day of signing, counted from 2020-01-01
//	4     check of the recipient: the start of its HMAC-SHA256
//	2     digest of the first tag, if there is one and room for it
//	0…    the id of the message
//	10    the start of the HMAC-SHA256 of all before
//
// The local part of an address has at most 64 octets (RFC 5321 §4.5.3.1.1), of which the template takes some. Ids of
// the kind made here are packed five bits a digit, others are written as they are, and what does not fit becomes a
// digest of eight bytes, by which a message can be recognised but not found.
//
// The recipient does not fit. Its check tells whether an address that a report names is the one that the mail was for;
// it is keyed, so that nobody can find an address of his own with the check of another's.
package verp
