// Package template fills the values of a message's data into the text of its mail: MailerQ's personalisation
// (MailerQ 5.13, personalization, personalization-programming, personalization-modifiers).
//
// What happens to a text, step by step:
//
//  1. Compile reads it once: scanner finds the tags between braces and the text around them, parser makes a tree of
//     statements and expressions. Regular expressions that are written out are compiled here too. A Cache keeps what
//     was compiled, so that a campaign whose mails have one text compiles it once.
//  2. ParseData reads the data of one message; objects keep the order of their members.
//  3. Run runs the tree: it looks values up, and hands what is printed to a Printer piece by piece, so that what is the
//     same in every mail need not be looked at again; Append is Run into a buffer. A value that is not there prints
//     nothing.
//
// A template is somebody else's program. It ends after MaxSteps, writes at most MaxOutput bytes, nests at most
// MaxNesting deep, and makes no value longer than MaxOutput; modifiers reckon the length of a result before making it.
// Each limit is an *Error, as is what cannot be parsed, with the place in the text.
//
// Nothing is escaped unless the template asks for it, as in MailerQ.
//
// Files: template.go, cache.go; then run.go, statements.go, expressions.go, operators.go; modifiers.go,
// textmodifiers.go, pattern.go; parser.go, tags.go, scanner.go; data.go, decoder.go, value.go; error.go.
package template
