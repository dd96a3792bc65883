// Package part changes the texts of a mail and nothing else: the subject, the display names and addresses in From and
// To, and the parts that are text/plain or text/html and no attachments. All else, down to boundaries, the order of
// fields, preambles and attachments, is byte for byte what it was.
//
// What happens, step by step:
//
//  1. Parse takes the mail apart (tree.go). It does not look into message/rfc822. A part that is signed or encrypted is
//     an *Error: what is in it cannot be changed.
//  2. Each Text decodes itself when it is asked for (Text.Decode): transfer encoding and charset of a part, encoded
//     words of a field. What cannot be decoded is an *Error that names the part.
//  3. Text.Set takes the new text and encodes it again: in the charset and transfer encoding that the part had, if they
//     can hold it, or else UTF-8 and quoted-printable (encode.go). Line breaks in a field become spaces, so that a
//     value never adds a field; a line in a part that looks like a boundary is encoded so that it is none.
//  4. Mail.Append writes the mail with what was set in place.
//
// Addresses are more than text: what is printed into From or To by a template goes through Protect, so that a comma in
// a name does not make two addresses of one (addresses.go).
//
// Files: mail.go; text.go, field.go, addresses.go; encode.go, transfer.go, charset.go; tree.go, boundary.go; error.go.
package part
