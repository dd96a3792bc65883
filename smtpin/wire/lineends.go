package wire

import (
	"bytes"

	"github.com/emersion/go-smtp"
)

// LineEnds says what becomes of a CR or LF that stands alone in a mail. Neither policy lets it end a line of the protocol.
type LineEnds uint8

const (
	// RejectBare refuses the mail with ErrLineEnd.
	RejectBare LineEnds = iota
	// NormaliseBare makes it a CRLF of the mail's text.
	NormaliseBare
)

// Errors with which the reading of a mail ends early. They are the replies to give, after Drain.
var (
	// ErrLineEnd refuses a mail with a CR or LF that stands alone (RFC 5321 §2.3.8).
	ErrLineEnd = &smtp.SMTPError{
		Code: 550, EnhancedCode: smtp.EnhancedCode{5, 6, 11}, Message: "Lines of the mail must end in CRLF",
	}
	// ErrTooLarge refuses a mail of more than the allowed size (RFC 1870 §6.3). It is the value that go-smtp's server uses.
	ErrTooLarge = smtp.ErrDataTooLarge
)

var crlf = []byte("\r\n")

// stop says why a span ends.
type stop uint8

const (
	stopEnd  stop = iota // no more input
	stopCR               // a CR is the last byte of the input
	stopDot              // a dot begins the next line
	stopBare             // a CR or LF stands alone
)

// span returns how much of b can be handed on as it is, and what comes after it. The text before b does not end in half a
// CRLF.
func span(b []byte) (n int, why stop) {
	i := 0 // start of a line
	for {
		j := bytes.IndexByte(b[i:], '\r')
		if j < 0 {
			if k := bytes.IndexByte(b[i:], '\n'); k >= 0 {
				return i + k, stopBare
			}
			return len(b), stopEnd
		}
		if k := bytes.IndexByte(b[i:i+j], '\n'); k >= 0 {
			return i + k, stopBare
		}
		i += j
		if i+1 == len(b) {
			return i, stopCR
		}
		if b[i+1] != '\n' {
			return i, stopBare
		}
		i += 2
		if i < len(b) && b[i] == '.' {
			return i, stopDot
		}
	}
}
