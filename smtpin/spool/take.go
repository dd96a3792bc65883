package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/once"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// outcome is what became of a file. Its error is an unusableError, errBusy, fs.ErrNotExist, or anything that may pass.
type outcome struct {
	err  error
	gone bool   // it was removed
	key  string // that the book has it under
	is   facts
}

// errBusy says that somebody has the file, or has changed it.
var errBusy = errors.New("somebody else has this file")

// take takes a file in and removes it.
func (s *Spool) take(name string) outcome {
	s.reading <- struct{}{}
	read := sync.OnceFunc(func() { <-s.reading })
	defer read()
	path := filepath.Join(s.Dir, name)
	f, is, err := open(path)
	if err != nil {
		return outcome{err: err}
	}
	defer f.Close()
	key := s.keyOf(name, is)
	if !s.Book.Published(key) {
		if err := s.fits(f, is); err != nil {
			return outcome{err: err}
		}
		if err := s.queue(f, name, is, key, read); err != nil {
			return outcome{err: err}
		}
	}
	if s.Keep {
		return outcome{key: key, is: is}
	}
	if err := s.remove(path, is); err != nil {
		// It is queued, and will not be again. Whoever mends what is wrong restarts the server, or touches the file.
		s.log().Error("a file that was queued cannot be removed from the spool directory; it stays, and is not queued again",
			"directory", s.Dir, "file", name, "error", err)
		return outcome{key: key, is: is}
	}
	return outcome{gone: true, key: key}
}

// open opens a file for reading and locks it against other servers.
func open(path string) (*os.File, facts, error) {
	is, err := factsOf(path)
	if err != nil {
		return nil, is, err
	}
	if !is.regular() {
		return nil, is, unusable("it is %s, not a file", is.kind())
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, is, unusable("it cannot be read by the user of this server: %v", err)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		return nil, is, errBusy // it was exchanged
	case err != nil:
		return nil, is, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err := own(f, path, &is); err != nil {
		f.Close()
		return nil, is, err
	}
	return f, is, nil
}

// own locks a file, and looks whether it is still what its name stands for, and nobody writes to it.
func own(f *os.File, path string, is *facts) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errBusy
	}
	opened, err := factsOfOpen(f)
	if err != nil {
		return err
	}
	named, err := factsOf(path)
	if err != nil {
		return err
	}
	if named.inode != opened.inode || !opened.regular() || isWritten(f) {
		return errBusy
	}
	*is = opened
	return nil
}

// fits judges what can be told without reading.
func (s *Spool) fits(f *os.File, is facts) error {
	switch {
	case is.links > 1:
		return unusable("it has another name elsewhere (%d hard links)", is.links)
	case is.size == 0:
		return unusable("it is empty")
	case s.MaxSize > 0 && is.size > s.MaxSize:
		return unusable("it has %d bytes; expected %d at most", is.size, s.MaxSize)
	}
	return nil
}

// firstRead is how much of a file is read before its header is looked at.
const firstRead = 8 << 10

// queue reads a mail and publishes its messages. read is called when all of it was read.
func (s *Spool) queue(f *os.File, name string, is facts, key string, read func()) error {
	source := &source{File: f, is: is, read: read}
	head, err := more(make([]byte, 0, min(firstRead, is.size+1)), source)
	if err != nil {
		return errors.Join(errBusy, err) // it was not empty before
	}
	e, head, err := readEnvelope(head, source)
	if err != nil {
		return err
	}
	letter, head, err := s.letter(e, head, source)
	if err != nil {
		return err
	}
	owner := s.users.name(is.owner)
	letter.From = "user " + owner
	if e.CLI != nil {
		letter.CLI = &queue.CLISource{Command: e.CLI.Command, Arguments: e.CLI.Arguments, User: owner}
	} else {
		letter.Spool = &queue.SpoolSource{Directory: s.Dir, File: strings.ToValidUTF8(name, "\ufffd"), User: owner,
			Size: is.size}
	}
	server := max(s.Backend.ServerID, 1)
	letter.ID = func(i int) string { return once.ID(uint64(server), key, i) }
	letter.Publish = func(ctx context.Context, items ...queue.Item) error {
		_, err := s.Book.Publish(ctx, key, "", items...)
		return err
	}
	_, err = s.Backend.Take(context.Background(), letter, &lines{r: io.MultiReader(bytes.NewReader(head), source)})
	if reply, ok := errors.AsType[*smtp.SMTPError](err); ok && reply.Code >= 500 {
		return unusable("%s", reply.Message)
	}
	return err
}

// letter makes the envelope, for which more of the file may have to be read.
func (s *Spool) letter(e *Envelope, head []byte, r io.Reader) (*enqueue.Letter, []byte, error) {
	head, header, err := readHeader(head, r)
	if err != nil {
		return nil, nil, err
	}
	l := &enqueue.Letter{NoExtract: s.NoExtract, Hostname: s.Hostname, DSN: e.DSN.message()}
	if l.Recipients, err = s.recipients(e, header); err != nil {
		return nil, nil, err
	}
	if e.Sender != nil {
		if l.Envelope = qualified(*e.Sender, s.Domain); l.Envelope != "" && !isAddress(l.Envelope) {
			return nil, nil, unusable("its envelope names a sender that is no mail address: %s", quote(*e.Sender))
		}
		return l, head, nil
	}
	l.Envelope = Sender(header, "return-path", "from", "sender")
	if _, set := mailheader.Find(header, "x-mq-envelope"); l.Envelope == "" && (s.NoExtract || !set) {
		return nil, nil, unusable("it names no sender; expected an address in x-mq-envelope, Return-Path, From or Sender")
	}
	return l, head, nil
}

func (s *Spool) recipients(e *Envelope, header []byte) ([]string, error) {
	if len(e.Recipients) > 0 {
		all, err := Qualified(e.Recipients, s.Domain)
		if err != nil {
			return nil, unusable("its envelope names a recipient: %v", err)
		}
		return all, nil
	}
	all, err := Recipients(header, s.Domain)
	switch {
	case err != nil:
		return nil, unusable("its header names a recipient: %v", err)
	case len(all) == 0:
		return nil, unusable("it names no recipients; expected addresses in To, Cc or Bcc")
	}
	return all, nil
}

// readHeader reads until the whole header is in memory.
func readHeader(head []byte, r io.Reader) (all, header []byte, err error) {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	if len(head) > 0 && bytes.IndexByte(head, '\n') >= 0 && mailheader.Headless(head) {
		return nil, nil, unusable("it has no header: its first line is no field of a mail")
	}
	for from := 0; ; {
		n, complete := mailheader.Length(head, from)
		switch {
		case complete && n <= maxHeader:
			return head, head[:n], nil
		case n > maxHeader:
			return nil, nil, unusable("its header is larger than %d bytes", maxHeader)
		}
		from = n
		if head, err = more(head, r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, err
		}
	}
	if mailheader.Headless(head) {
		return nil, nil, unusable("it has no header: its first line is no field of a mail")
	}
	return head, head, nil // all of it is header
}

// source reads a file, and fails at its end when it is not what it was at the beginning.
type source struct {
	*os.File
	is    facts
	read  func()
	ended bool
}

func (s *source) Read(p []byte) (int, error) {
	if s.ended {
		return 0, io.EOF
	}
	n, err := s.File.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	now, failed := factsOfOpen(s.File)
	switch {
	case failed != nil:
		return n, failed
	case now.size != s.is.size || now.written != s.is.written:
		return n, errBusy
	}
	s.ended = true
	s.read()
	return n, io.EOF
}

// WriteTo hides that of the file.
func (s *source) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{s})
}

// users remembers the names of owners.
type users struct{ names sync.Map }

func (u *users) name(id uint32) string {
	if name, ok := u.names.Load(id); ok {
		return name.(string)
	}
	name := strconv.FormatUint(uint64(id), 10)
	if who, err := user.LookupId(name); err == nil {
		name = who.Username
	}
	u.names.Store(id, name)
	return name
}
