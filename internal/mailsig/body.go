package mailsig

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// bodyHash hashes a body that arrives in pieces, in canonical form, up to a limit. Empty lines at the end do not count,
// so they are held back as a number until something follows them.
type bodyHash struct {
	form  Form
	limit int64 // of canonical bytes that are hashed; -1: all
	sum   hash.Hash

	total int64     // canonical bytes so far
	lines int64     // line ends held back
	space bool      // relaxed: a blank is held back
	cr    bool      // a CR is held back, which may begin a line end
	out   [512]byte // gathers what is not hashed as it stands
	n     int       // bytes of it
	final [sha256.Size]byte
	done  bool // final is the hash
}

func newBodyHash(form Form, limit int64) *bodyHash {
	return &bodyHash{form: form, limit: limit, sum: sha256.New()}
}

// write takes a piece of the body.
func (h *bodyHash) write(b []byte) {
	for len(b) > 0 {
		if !h.cr && !h.space {
			n := canonicalLines(b, h.form)
			h.whole(b[:n])
			b = b[n:]
		}
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line = b[:i+1]
		}
		h.line(line)
		b = b[len(line):]
	}
}

// canonicalLines returns the length of the whole lines at the start of b that are in canonical form: those of most
// mails are, to the last one. A CR within a line is text.
func canonicalLines(b []byte, form Form) int {
	n := 0
	for {
		i := bytes.IndexByte(b[n:], '\n')
		if i <= 0 || b[n+i-1] != '\r' {
			return n
		}
		if form == Relaxed && !relaxed(b[n:n+i-1]) {
			return n
		}
		n += i + 1
	}
}

// relaxed reports whether the text of a line has one blank at a time, none at its end, and no tabs.
func relaxed(text []byte) bool {
	return !bytes.HasSuffix(text, []byte(" ")) && bytes.IndexByte(text, '\t') < 0 && !bytes.Contains(text, []byte("  "))
}

// whole takes lines in canonical form.
func (h *bodyHash) whole(b []byte) {
	text := b
	for bytes.HasSuffix(text, []byte("\r\n")) {
		text = text[:len(text)-2]
	}
	if len(text) > 0 {
		h.text(text)
	}
	h.lines += int64(len(b)-len(text)) / 2
}

// line takes a line that is not, or a part of one.
func (h *bodyHash) line(b []byte) {
	for len(b) > 0 {
		if n := plain(b, h.form); n > 0 && !h.cr {
			h.text(b[:n])
			b = b[n:]
			continue
		}
		h.special(b[0])
		b = b[1:]
	}
}

// plain returns how many bytes at the start of b need no thought.
func plain(b []byte, form Form) int {
	if form == Simple {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[:i]
		}
		if i := bytes.IndexByte(b, '\r'); i >= 0 {
			b = b[:i]
		}
		return len(b)
	}
	for i, c := range b {
		if c > ' ' || !blank(c) {
			continue
		}
		if c != ' ' || i == 0 || i+1 == len(b) || blank(b[i+1]) { // else the one blank between two words
			return i
		}
	}
	return len(b)
}

// special takes one byte that may be part of a line end or of a run of blanks.
func (h *bodyHash) special(c byte) {
	cr := h.cr
	h.cr = false
	switch {
	case c == '\n': // with or without the CR before it
		h.lines++
		h.space = false
		return
	case cr:
		h.char('\r') // it stood alone
	}
	switch {
	case c == '\r':
		h.cr = true
	case h.form == Relaxed && (c == ' ' || c == '\t'):
		h.space = true
	default:
		h.char(c)
	}
}

// char takes one byte that stays what it is.
func (h *bodyHash) char(c byte) {
	h.flush()
	h.put(c)
}

// text takes bytes that stay what they are.
func (h *bodyHash) text(b []byte) {
	h.flush()
	h.emit(b...)
}

// flush gives out what was held back.
func (h *bodyHash) flush() {
	for ; h.lines > 0; h.lines-- {
		h.put('\r')
		h.put('\n')
	}
	if h.space {
		h.put(' ')
		h.space = false
	}
}

// put is emit for one byte.
func (h *bodyHash) put(c byte) {
	if h.n == len(h.out) {
		h.spill()
	}
	if h.limit < 0 || h.total < h.limit {
		h.out[h.n] = c
		h.n++
	}
	h.total++
}

// emit counts canonical bytes and hashes those within the limit, gathered into larger pieces.
func (h *bodyHash) emit(b ...byte) {
	before := h.total
	h.total += int64(len(b))
	if h.limit >= 0 {
		b = b[:max(0, min(int64(len(b)), h.limit-before))]
	}
	if len(b) > len(h.out)-h.n {
		h.spill()
		if len(b) > len(h.out) {
			h.sum.Write(b)
			return
		}
	}
	h.n += copy(h.out[h.n:], b)
}

// spill hashes what was gathered.
func (h *bodyHash) spill() {
	h.sum.Write(h.out[:h.n])
	h.n = 0
}

// finish ends the body: with one line end, and without any for an empty one in relaxed form (RFC 6376 §3.4.4).
func (h *bodyHash) finish() {
	if h.cr {
		h.cr = false
		h.char('\r')
	}
	h.space = false
	if h.form == Simple || h.total > 0 {
		h.put('\r')
		h.put('\n')
	}
	h.spill()
	h.sum.Sum(h.final[:0])
	h.done = true
}
