package wire

import (
	"bytes"

	"github.com/emersion/go-smtp"
)

// LineEnds says what becomes of bytes that a next hop may read otherwise than we do: a CR or LF that stands alone,
// which some take for the end of a line, and a NUL, at which some take text to end and which others drop, so that what
// was apart is joined (RFC 5321 §2.3.8, RFC 5322 §3.5). No policy lets them end a line of the protocol.
//
// All other bytes pass as they are, since nobody is known to cut lines or mails at them:
//
//   - Bytes from 0x80 on, declared with BODY=8BITMIME or not: clients that do not declare them are many, and whoever
//     sends the mail on looks at the bytes themselves (RFC 6152 §3 has a server that offers 8BITMIME take them).
//   - Control characters, 0x1A, VT, FF, DEL and NEL included: RFC 5322 §4.1 has them as obsolete text. They end lines
//     on screens and in files of other systems, not in SMTP.
//   - Lines of more than 998 bytes, of the header too: they are common in mail made by programs, and a next hop that
//     folds them does so with CRLF and a blank, which begins no field. Sending them on is smtpout's care.
//   - Dots: they are doubled when the mail is sent on, whatever line they stand on.
type LineEnds uint8

const (
	// RejectBare refuses the mail with errLineEnd or errNUL.
	RejectBare LineEnds = iota
	// NormaliseBare makes a bare CR or LF a CRLF of the mail's text, and leaves a NUL out.
	NormaliseBare
	// KeepBare keeps them. It is for mails that come as BINARYMIME (RFC 3030), which has chunks instead of lines: whoever
	// sends them on does so likewise, or makes text of them.
	KeepBare
)

// Errors with which the reading of a mail ends early. They are the replies to give, after Drain.
var (
	// errLineEnd refuses a mail with a CR or LF that stands alone (RFC 5321 §2.3.8).
	errLineEnd = &smtp.SMTPError{
		Code: 550, EnhancedCode: smtp.EnhancedCode{5, 6, 11}, Message: "Lines of the mail must end in CRLF",
	}
	// errNUL refuses a mail with a NUL.
	errNUL = &smtp.SMTPError{
		Code: 550, EnhancedCode: smtp.EnhancedCode{5, 6, 11},
		Message: "The mail has a NUL character, which mail must not have",
	}
	// ErrTooLarge refuses a mail of more than the allowed size (RFC 1870 §6.3). It is the value that go-smtp's server
	// uses.
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
	stopNUL              // a NUL
)

// A window narrows what span looks at after a byte that is dealt with by itself, so that a mail full of those takes no
// more time than its length is worth. Zero is wide open.
type window int

const narrowest window = 64

func (w *window) of(b []byte) []byte {
	if *w > 0 && int(*w) < len(b) {
		return b[:*w]
	}
	return b
}

func (w *window) narrow() { *w = narrowest }

func (w *window) widen() {
	if *w *= 2; *w > inputSize {
		*w = 0
	}
}

// span returns how much of b can be handed on as it is, and what comes after it. The text before b does not end in half
// a CRLF.
func span(b []byte) (n int, why stop) {
	n, why = lines(b)
	if nul := bytes.IndexByte(b[:n], 0); nul >= 0 {
		return nul, stopNUL
	}
	return n, why
}

// lines is span without regard to NULs.
func lines(b []byte) (n int, why stop) {
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
