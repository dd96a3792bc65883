package template

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error says what is wrong with a template, or why it could not be run to its end.
type Error struct {
	Line, Column int    // of the tag, from 1; columns are characters
	Tag          string // the tag, as it stands in the text; shortened
	Reason       string
}

// Error implements error.
func (e *Error) Error() string {
	return "line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) + ": " + e.Tag + ": " + e.Reason
}

// longestTag is how many bytes of a tag an error shows.
const longestTag = 80

// errorAt makes the error of the tag that begins at an offset of the text.
func errorAt(text string, at int, reason string) *Error {
	before := text[:at]
	start := strings.LastIndexByte(before, '\n') + 1
	return &Error{
		Line:   strings.Count(before, "\n") + 1,
		Column: utf8.RuneCountInString(before[start:]) + 1,
		Tag:    tagAt(text[at:]),
		Reason: reason,
	}
}

func tagAt(text string) string {
	end := strings.IndexByte(text, '}') + 1
	if line := strings.IndexAny(text, "\r\n"); end == 0 && line >= 0 {
		end = line
	}
	if end == 0 {
		end = len(text)
	}
	if end <= longestTag {
		return strings.ToValidUTF8(text[:end], "?")
	}
	return strings.ToValidUTF8(text[:longestTag], "") + "..."
}
