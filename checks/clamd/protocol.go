package clamd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/printable"
)

var errNonsense = errors.New("clamd answered nonsense")

// bodyError is a mail that could not be read.
type bodyError struct{ cause error }

func (e *bodyError) Error() string { return "reading the mail: " + e.cause.Error() }
func (e *bodyError) Unwrap() error { return e.cause }

const (
	command  = "zINSTREAM\x00"
	lengthOf = 4 // a piece begins with its length
	tail     = 4 // an empty piece ends the stream
)

// buffers are what mails are sent through.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// sendStream writes the command and the mail in pieces: each its length, in four bytes with the highest first, and its
// bytes. A small mail goes in one write, with command and end.
func sendStream(conn net.Conn, body checks.Body) error {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	filled := copy(buf[:], command)
	size := body.Size()
	for off := int64(0); ; {
		n := int(min(size-off, int64(len(buf)-filled-lengthOf-tail)))
		if n > 0 {
			binary.BigEndian.PutUint32(buf[filled:], uint32(n))
			filled += lengthOf
			got, err := body.ReadAt(buf[filled:filled+n], off)
			if got < n {
				if err == nil || err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return &bodyError{err}
			}
			filled += n
			off += int64(n)
		}
		if off >= size {
			binary.BigEndian.PutUint32(buf[filled:], 0)
			_, err := conn.Write(buf[:filled+tail])
			return err
		}
		if _, err := conn.Write(buf[:filled]); err != nil {
			return err
		}
		filled = 0
	}
}

const maxLine = 4096

// readLine reads an answer up to the NUL that ends it.
func readLine(conn io.Reader) (string, error) {
	line := make([]byte, 0, 128)
	for {
		if len(line) == cap(line) {
			line = append(line, 0)[:len(line)]
		}
		n, err := conn.Read(line[len(line):cap(line)])
		line = line[:len(line)+n]
		if end := bytes.IndexByte(line, 0); end >= 0 {
			return string(line[:end]), nil
		}
		if len(line) > maxLine {
			return "", fmt.Errorf("%w: a line of more than %d bytes", errNonsense, maxLine)
		}
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", fmt.Errorf("reading clamd's answer: %w", err)
		}
	}
}

// The kinds of answers.
const (
	clean = iota + 1
	found
	tooLarge
	failed
)

// answer is what clamd said. text is the name of the virus, or of the failure.
type answer struct {
	kind int
	text string
}

// parseAnswer reads "stream: OK", "stream: NAME FOUND", "INSTREAM size limit exceeded. ERROR" or another "... ERROR".
func parseAnswer(line string) (answer, error) {
	line = strings.TrimRight(line, "\r\n")
	if text, ok := strings.CutSuffix(line, " ERROR"); ok {
		if strings.Contains(text, "size limit exceeded") {
			return answer{kind: tooLarge}, nil
		}
		return answer{kind: failed, text: printable.Text(text, 200)}, nil
	}
	text, ok := strings.CutPrefix(line, "stream: ")
	if text == "OK" && ok {
		return answer{kind: clean}, nil
	}
	name, virus := strings.CutSuffix(text, " FOUND")
	if ok && virus && strings.TrimSpace(name) != "" {
		return answer{kind: found, text: printable.Text(strings.TrimSpace(name), 200)}, nil
	}
	return answer{}, fmt.Errorf("%w: %q", errNonsense, printable.Text(line, 200))
}

// version is what clamd says about itself.
type version struct {
	engine, signatures string
	dated              time.Time
}

// parseVersion reads "ClamAV 1.4.3/27500/Thu Jan 2 10:35:22 2026", of which all but the first part is missing when
// there are no signatures of the official kind. The date is in clamd's own time zone, and taken for UTC.
func parseVersion(line string) (version, error) {
	parts := strings.SplitN(strings.TrimSpace(line), "/", 3)
	if !strings.HasPrefix(parts[0], "ClamAV ") {
		return version{}, fmt.Errorf("%w: %q", errNonsense, printable.Text(line, 200))
	}
	v := version{engine: printable.Text(parts[0], 200)}
	if len(parts) == 3 {
		v.signatures = printable.Text(parts[1], 200)
		v.dated, _ = time.Parse("Mon Jan _2 15:04:05 2006", strings.TrimSpace(parts[2]))
	}
	return v, nil
}
