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
//  3. Changes take the new texts and encode them again: in the charset and transfer encoding that the part had, if they
//     can hold it, or else UTF-8 and quoted-printable (encode.go). Line breaks in a field become spaces, so that a
//     value never adds a field; a line in a part that looks like a boundary is encoded so that it is none.
//  4. Changes.Append writes the mail with what was set in place.
//
// A new text is Set as a whole, or printed piece by piece. For the latter, a Form has what is printed each time it is
// used, the paragraphs between the tags of a template: their lines are encoded, and looked through for what would need
// another encoding, once. A Writer looks only at the values and at the lines that they stand in. What comes out is the
// same either way.
//
// Addresses are more than text: a value that is printed into From or To is protected, so that a comma in a name does
// not make two addresses of one (addresses.go).
//
// Files: mail.go, text.go; form.go, changes.go; field.go, addresses.go; encode.go, transfer.go, charset.go; tree.go,
// boundary.go; error.go.
package part
