package preflight

import (
	"bytes"
	"strconv"

	"github.com/sluicemail/sluice/internal/human"
)

// checkLines looks at what the mail is made of: line ends, lengths, characters, size. A text without any CRLF is a
// file of this machine's, whose lines end in LF: they leave with CRLF.
func (v *view) checkLines() {
	text := v.mail.Text
	local := !bytes.Contains(text, []byte("\r\n"))
	var told [ruleCount]bool
	tell := func(r rule, line int) {
		if !told[r] {
			told[r] = true
			v.add(r, rules[r].Meaning+": line "+strconv.Itoa(line))
		}
	}
	for n, pos := 1, 0; pos < len(text); n++ {
		end := bytes.IndexByte(text[pos:], '\n')
		next := pos + end + 1
		if end < 0 {
			end, next = len(text)-pos, len(text)
		}
		line := text[pos : pos+end]
		switch {
		case len(line) > 0 && line[len(line)-1] == '\r':
			line = line[:len(line)-1]
		case next > pos+end && !local:
			tell(bareLF, n)
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			tell(bareCR, n)
		}
		if len(line) > longLine {
			if pos < v.header {
				tell(headerLong, n)
			} else {
				tell(bodyLong, n)
			}
		}
		pos = next
	}
	if bytes.IndexByte(text, 0) >= 0 {
		v.add(nul, "")
	}
	if eightBit(text[:v.header]) {
		v.add(headerEightBit, "")
	}
	v.checkSize()
}

func eightBit(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// checkSize compares the size with what receivers take: Apple 20 MB, Gmail 50 MB.
func (v *view) checkSize() {
	const (
		apples = 20_000_000
		gmails = 50_000_000
	)
	switch size := v.mail.size(); {
	case size > gmails:
		v.add(tooLarge, "the mail has "+human.Size(size)+", Gmail takes 50 MB, Apple 20 MB")
	case size > apples:
		v.add(tooLarge, "the mail has "+human.Size(size)+", Apple takes 20 MB")
	}
}
