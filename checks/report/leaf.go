package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// leaf is a part that has no parts of its own, with its content.
type leaf struct {
	part
	inReport bool // directly in a multipart/report
	mail     io.ReaderAt
	from, to int64
}

// leaves returns the parts below top, whose body starts at an offset; top itself when it has none, as text when it
// should have some.
func (w *walker) leaves(top part, start int64) []leaf {
	whole := []leaf{{part: top, mail: w.mail, from: start, to: w.size}}
	if !top.multipart() {
		return whole
	}
	if all := w.parted(top, start); len(all) > 0 {
		return all
	}
	whole[0].mediaType = "text/plain"
	return whole
}

// parted returns the parts below a multipart.
func (w *walker) parted(top part, start int64) []leaf {
	w.pos = start
	w.lines = bufio.NewReaderSize(io.NewSectionReader(w.mail, start, max(0, min(w.size-start, maxSpan))), 8<<10)
	w.open(top)
	var all []leaf
	open := false // the last leaf goes on
	for len(w.levels) > 0 && len(all) < maxParts {
		depth, at := len(w.levels), w.pos
		line, err := w.line()
		begins := w.delimiter(line)
		if open && (begins || len(w.levels) < depth) {
			all[len(all)-1].to, open = at, false
		}
		for begins {
			var header []byte
			header, begins = w.header()
			if header == nil {
				continue
			}
			p := parsePart(header)
			if p.multipart() && p.boundary != "" {
				w.open(p)
			} else {
				if p.multipart() { // without a boundary, there is but text
					p.mediaType = "text/plain"
				}
				all, open = append(all, leaf{part: p, inReport: w.inReport(), mail: w.mail, from: w.pos, to: w.size}), true
			}
		}
		if err != nil {
			break
		}
	}
	return all
}

// content returns a reader of the content, decoded.
func (l *leaf) content() io.Reader {
	return decode(io.NewSectionReader(l.mail, l.from, max(0, l.to-l.from)), l.encoding)
}

// read returns the decoded content, which may be of so many bytes. An encoding that breaks off ends it.
func (l *leaf) read(limit int) ([]byte, error) {
	data, _ := io.ReadAll(io.LimitReader(l.content(), int64(limit)+1))
	if len(data) > limit {
		return nil, fmt.Errorf("%s of more than %d bytes: %w", l.mediaType, limit, ErrLarge)
	}
	return data, nil
}

// unpacked returns a reader of the content, decoded and unpacked, that fails beyond so many bytes.
func (l *leaf) unpacked(limit int64) (io.Reader, error) {
	in, err := unpack(l.content())
	if err != nil {
		return nil, err
	}
	text := bufio.NewReader(&limited{in, limit, limit})
	if _, err := skipSpace(text); err != nil { // and a byte order mark, which JSON does not know
		return nil, err
	}
	return text, nil
}

// limited fails once more than limit bytes were read.
type limited struct {
	in       io.Reader
	n, limit int64 // how many are left, of how many
}

func (l *limited) Read(p []byte) (int, error) {
	if l.n < 0 {
		return 0, fmt.Errorf("more than %d bytes when unpacked: %w", l.limit, ErrLarge)
	}
	n, err := l.in.Read(p[:min(int64(len(p)), l.n+1)])
	if l.n -= int64(n); l.n < 0 {
		n-- // the one too many
	}
	return n, err
}

// typesOf are the types of parts that are certainly reports of a kind.
var typesOf = map[Kind][]string{TLSRPT: {"application/tlsrpt+json", "application/tlsrpt+gzip"}}

// firstReadable reads the reports of a kind that are attached until one can be read.
func firstReadable[T any](leaves []leaf, kind Kind, parse func(*leaf) (T, error)) (report T, err error) {
	err = errors.New("the report in it cannot be read")
	tried := 0
	for i := range leaves {
		l := &leaves[i]
		if !slices.Contains(typesOf[kind], l.mediaType) && sniff(l.content()) != kind {
			continue
		}
		if report, err = parse(l); err == nil {
			return report, nil
		}
		if tried++; tried == maxTried {
			break
		}
	}
	return report, err
}

// text returns the beginning of the content.
func (l *leaf) text(limit int64) []byte {
	data, _ := io.ReadAll(io.LimitReader(l.content(), limit))
	return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
}

// find returns the first leaf of one of these types.
func find(leaves []leaf, types ...string) *leaf {
	for i := range leaves {
		for _, t := range types {
			if leaves[i].mediaType == t {
				return &leaves[i]
			}
		}
	}
	return nil
}

// Original is what a report returns of the mail that it is about. Fields that it did not return are empty.
type Original struct {
	MessageID string // without the angle brackets
	Envelope  string // of its Return-Path
	From, To  string // as they stand, on one line
	Subject   string // decoded
	Header    []byte // all of the header that was returned, up to 32 KiB
}

// returnedTypes are the types of parts that return a mail, or its header.
var returnedTypes = []string{"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers",
	"message/rfc822-headers"}

// original reads the mail that a report returns; nil when it returns none.
func original(leaves []leaf) *Original {
	l := find(leaves, returnedTypes...)
	if l == nil {
		return nil
	}
	return parseOriginal(l.text(maxHeader))
}

// parseOriginal reads the beginning of a mail; nil when it has no header.
func parseOriginal(mail []byte) *Original {
	n, _ := mailheader.Length(mail, 0)
	header := mail[:n]
	o := &Original{Header: header}
	found := false
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		var to *string
		switch {
		case f.Is("message-id"):
			to = &o.MessageID
		case f.Is("return-path"):
			to = &o.Envelope
		case f.Is("from"):
			to = &o.From
		case f.Is("to"):
			to = &o.To
		case f.Is("subject"):
			to = &o.Subject
		}
		if to != nil && *to == "" {
			*to, found = fieldText(f), true
		}
	}
	if !found {
		return nil
	}
	o.MessageID, o.Envelope, o.Subject = bare(o.MessageID), bare(o.Envelope), decodeWords(o.Subject)
	return o
}
