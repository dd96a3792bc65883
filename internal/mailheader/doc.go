// Package mailheader reads and edits the header of a mail where it lies in memory, without parsing it into a tree.
//
// A mail is a byte slice. Its header is everything up to the first empty line ([Length]); a mail without one is all
// header. A [Scanner] walks over the fields in one pass and allocates nothing: a [Field] is a window on the mail, with
// its name, its value as it stands ([Field.Value]) or on one line ([AppendUnfolded]). Fields are taken out with [Cut],
// which moves what remains, and written with [AppendField], which keeps line ends out of values and folds long ones.
//
// Lines end in CRLF; a bare LF is understood as well. Lines that are no field (no colon, or a name with blanks in it)
// are passed on as fields without a name, so that one odd line does not hide the fields behind it. Only when the very
// first line is not a field does the mail have no header at all ([Headless]).
package mailheader
