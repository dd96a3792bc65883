package report

import "strings"

// cutReturned cuts the copy of the mail off the text of a bounce: where a line announces it, and else where the header
// of a mail begins.
func cutReturned(text string) (before, copied string) {
	at := 0
	for line := range strings.Lines(text) {
		if returned.MatchString(line) {
			return text[:at], strings.TrimLeft(text[at+len(line):], "-=#* \t\r\n")
		}
		if headerLine.MatchString(line) && beginsHeader(text[at:]) {
			return text[:at], text[at:]
		}
		at += len(line)
	}
	return text, ""
}

// maxBefore is how many fields of a header may stand before one that shows that it is a mail's.
const maxBefore = 20

// beginsHeader reports whether a text begins with the header of a mail: at least three fields, with one among them that
// people do not write.
func beginsHeader(text string) bool {
	fields, trace := 0, false
	for line := range strings.Lines(text) {
		if (line[0] == ' ' || line[0] == '\t') && fields > 0 {
			continue
		}
		name, _, is := strings.Cut(strings.ToLower(line), ":")
		if !is || strings.ContainsAny(name, " \t") {
			return false
		}
		fields++
		trace = trace || name == "received" || name == "message-id" || name == "return-path"
		if fields >= 3 && trace || fields > maxBefore {
			return trace
		}
	}
	return false
}
