package smtptest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// load builds flights and mails. All but the numbers is prepared once.
type load struct {
	source *Source
	mail   string // "MAIL FROM:<…>\r\n"
	head   string // what every header begins with
	text   []byte // the empty line and the body, but for what is of one mail
	sum    uint32 // of the body
}

func newLoad(s *Source) *load {
	l := &load{source: s, mail: "MAIL FROM:<" + s.From + ">\r\n"}
	l.head = s.Header + "From: <" + s.From + ">\r\nTo: <undisclosed@" + s.Domains[0] + ">\r\n" +
		"Subject: A mail from the source\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
	text := filler(max(s.Size-len(l.header(nil, 1_000_000))-len(l.end(nil, 1_000_000))+1, 0))
	l.sum = crc32.Checksum(text, castagnoli)
	l.text = append([]byte("\r\n"), text...)
	return l
}

// filler returns n bytes of text in lines; none begins with a dot.
func filler(n int) []byte {
	words := strings.Fields("the quick relay carries mail across quiet rivers while patient queues wait for morning and every letter finds its door")
	text := make([]byte, 0, n+80)
	for i, width := 0, 0; len(text) < n; i++ {
		word := words[(i*7+i/5)%len(words)]
		text = append(text, word...)
		if width += len(word) + 1; width > 60 {
			text, width = append(text, '\r', '\n'), 0
		} else {
			text = append(text, ' ')
		}
	}
	if n < 2 {
		return nil
	}
	text = bytes.TrimSuffix(text[:n-2], []byte{'\r'})
	return append(append(text, "."[:n-2-len(text)]...), '\r', '\n') // no lone CR
}

// first returns the number of the first recipient of mail i (from 0).
func (l *load) first(i int64) int64 { return l.source.First + i*int64(l.source.Recipients) }

// commands appends MAIL, the RCPTs and DATA of mail i.
func (l *load) commands(dst []byte, i int64) []byte {
	dst = append(dst, l.mail...)
	for k := range int64(l.source.Recipients) {
		dst = l.rcpt(dst, l.first(i)+k)
	}
	return append(dst, "DATA\r\n"...)
}

func (l *load) rcpt(dst []byte, n int64) []byte {
	dst = append(dst, "RCPT TO:<s"...)
	if !l.source.NoNumbers {
		dst = strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, '@')
	dst = append(dst, l.source.Domains[uint64(n)%uint64(len(l.source.Domains))]...)
	return append(dst, ">\r\n"...)
}

// header appends the header of the mail whose first recipient is n, without the empty line.
func (l *load) header(dst []byte, n int64) []byte {
	dst = append(dst, l.head...)
	dst = append(dst, "Message-ID: <"...)
	dst = strconv.AppendInt(dst, n, 10)
	dst = append(dst, "@source.test>\r\n"...)
	if l.source.NoNumbers {
		return dst
	}
	dst = append(dst, seqField...)
	dst = strconv.AppendInt(dst, n, 10)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, int64(l.source.Recipients), 10)
	dst = append(append(dst, "\r\n"...), sumField...)
	sum := l.sum
	if l.source.Personal {
		end := l.end(nil, n)
		sum = crc32.Update(sum, castagnoli, end[:len(end)-len(".\r\n")])
	}
	return fmt.Appendf(dst, "%08x\r\n", sum)
}

// end appends what ends the mail whose first recipient is n: its own line, if it has one, and the final dot.
func (l *load) end(dst []byte, n int64) []byte {
	if l.source.Personal {
		dst = append(strconv.AppendInt(append(dst, "This is mail "...), n, 10), "\r\n"...)
	}
	return append(dst, ".\r\n"...)
}
