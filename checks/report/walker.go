package report

import (
	"bufio"
	"bytes"
	"io"
)

// walker goes over the parts of a mail.
type walker struct {
	mail   io.ReaderAt
	size   int64
	named  bool    // the subject is that of an aggregate report
	levels []level // the multiparts that are open, outermost first
	parts  int
	opened int

	lines *bufio.Reader
	pos   int64 // of lines in the mail
}

// level is a multipart.
type level struct {
	boundary string
	report   bool // multipart/report
}

// walk goes over the parts below top, whose body starts at an offset.
func (w *walker) walk(top part, start int64) Kind {
	w.pos = start
	w.lines = bufio.NewReaderSize(io.NewSectionReader(w.mail, start, max(0, min(w.size-start, maxScan))), 8<<10)
	w.open(top)
	for len(w.levels) > 0 && w.parts < maxParts && w.nextPart() {
		header, again := w.header()
		for again { // a part that ends within its header
			header, again = w.header()
		}
		if header == nil {
			return None
		}
		w.parts++
		p := parsePart(header)
		if p.multipart() {
			w.open(p)
			continue
		}
		if kind := w.look(p, w.pos); kind != None {
			return kind
		}
	}
	return None
}

// open enters a multipart, unless it is too deep.
func (w *walker) open(p part) {
	if p.boundary != "" && len(w.levels) < maxDepth {
		w.levels = append(w.levels, level{boundary: p.boundary, report: p.mediaType == "multipart/report"})
	}
}

// nextPart reads on to where a part begins; false: there is none.
func (w *walker) nextPart() bool {
	for {
		line, err := w.line()
		if w.delimiter(line) {
			return true
		}
		if err != nil || len(w.levels) == 0 {
			return false
		}
	}
}

// header reads the header of a part; nil when it does not end. again says that another part has begun instead.
func (w *walker) header() (header []byte, again bool) {
	for {
		line, err := w.line()
		if w.delimiter(line) {
			return nil, true
		}
		if len(w.levels) == 0 || len(header)+len(line) > maxHeader {
			return nil, false
		}
		header = append(header, line...)
		if len(bytes.TrimRight(line, "\r\n")) == 0 && err == nil {
			return header, false
		}
		if err != nil {
			return nil, false
		}
	}
}

// line returns the next line, or the beginning of a long one, whose rest is skipped.
func (w *walker) line() ([]byte, error) {
	line, err := w.lines.ReadSlice('\n')
	w.pos += int64(len(line))
	if err != bufio.ErrBufferFull {
		return line, err
	}
	line = bytes.Clone(line)
	for err == bufio.ErrBufferFull {
		var more []byte
		more, err = w.lines.ReadSlice('\n')
		w.pos += int64(len(more))
	}
	return line, err
}

// delimiter reports whether a part begins behind a line. Multiparts that the line ends are left (RFC 2046 §5.1.2).
func (w *walker) delimiter(line []byte) bool {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return false
	}
	text := bytes.TrimRight(line[2:], " \t\r\n")
	for i := len(w.levels) - 1; i >= 0; i-- {
		rest, ok := bytes.CutPrefix(text, []byte(w.levels[i].boundary))
		switch {
		case ok && len(rest) == 0:
			w.levels = w.levels[:i+1]
			return true
		case ok && string(rest) == "--":
			w.levels = w.levels[:i]
			return false
		}
	}
	return false
}

// inReport reports whether the current part belongs to a multipart/report.
func (w *walker) inReport() bool {
	return len(w.levels) > 0 && w.levels[len(w.levels)-1].report
}

// look tells what a part that starts at an offset says about the mail.
func (w *walker) look(p part, start int64) Kind {
	switch p.mediaType {
	case "application/tlsrpt+json", "application/tlsrpt+gzip": // RFC 8460 §5.3
		return TLSRPT
	}
	if w.inReport() {
		switch p.mediaType {
		case "message/delivery-status", "message/global-delivery-status": // RFC 3464, RFC 6533
			return DSN
		case "message/disposition-notification", "message/global-disposition-notification":
			return MDN
		case "message/feedback-report":
			return ARF
		}
	}
	if !p.mayBeReport(w.named) || w.opened >= maxOpened {
		return None
	}
	w.opened++
	if kind := sniff(w.content(p, start)); kind != None {
		return kind
	}
	if w.named && p.namedLikeDMARC() {
		return DMARC
	}
	return None
}

// content returns a reader of a part, decoded.
func (w *walker) content(p part, start int64) io.Reader {
	return decode(io.NewSectionReader(w.mail, start, max(0, min(w.size-start, maxPacked))), p.encoding)
}
