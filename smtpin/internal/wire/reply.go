package wire

import (
	"strconv"
	"strings"
)

// Status is an enhanced status code (RFC 3463). The zero Status is none.
type Status [3]int

// Reply adds a reply to the replies that wait. Lines of text are separated by "\n"; each bears the enhanced code (RFC
// 2034 §4). Control characters become spaces, so that no text can make a reply of its own.
func (c *Conn) Reply(code int, status Status, text string) {
	for {
		line, rest, more := strings.Cut(text, "\n")
		c.line(code, status, more, line)
		if !more {
			break
		}
		text = rest
	}
	if len(c.out) >= outputFull {
		c.Flush()
	}
}

// line adds one line of a reply.
func (c *Conn) line(code int, status Status, more bool, text string) {
	out := strconv.AppendInt(c.out, int64(code), 10)
	if more {
		out = append(out, '-')
	} else {
		out = append(out, ' ')
	}
	if status != (Status{}) {
		out = strconv.AppendInt(out, int64(status[0]), 10)
		out = append(out, '.')
		out = strconv.AppendInt(out, int64(status[1]), 10)
		out = append(out, '.')
		out = strconv.AppendInt(out, int64(status[2]), 10)
		out = append(out, ' ')
	}
	at := len(out)
	out = append(out, text...)
	for i, b := range out[at:] {
		if b < ' ' || b == 0x7f {
			out[at+i] = ' '
		}
	}
	c.out = append(out, '\r', '\n')
}

// ReplyOnce writes ready-made text straight away, as far as the connection takes it without waiting. It is for refusals
// that must not hold anything up.
func ReplyOnce(w interface{ Write([]byte) (int, error) }, code int, status Status, text string) {
	var c Conn
	c.line(code, status, false, text)
	w.Write(c.out)
}
