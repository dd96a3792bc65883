// Package edit changes the header of a mail just before it is sent, as the message's property headers asks for, without
// copying the mail.
//
// [Apply] reads the header alone, writes a new one into memory, and returns a body that consists of the new header and
// the old content, where that already lies. All edits see the header as it came, in one pass:
//
//   - remove takes out all fields of a name; what another edit adds under that name stays.
//   - replace puts the new value in the place of the first field of its name and takes out the others; where there is
//     none it is appended. Several values of one name take that place together.
//   - update does the same, but adds nothing where there is no such field. Where both are given for a name, update has
//     the last word.
//   - append (or add) puts fields at the end of the header, in their order, replaced ones that were missing before
//     them.
//   - prepend puts fields above the header, the first one topmost.
//
// Names are compared without case. Line ends in values become blanks, long values are folded, and bytes beyond ASCII go
// as they are: a caller that needs encoded words (RFC 2047) writes them. Fields that are not touched stay byte for byte
// what they were, so that signatures over them hold. A mail that has no empty line after its header, or no header at
// all, gets one.
//
// Signing comes after this, and so does what makes the mail fit for a remote: see delivery.Finisher.
package edit
