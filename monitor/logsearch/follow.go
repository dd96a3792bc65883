package logsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// lookTime is between looks at files that are followed.
const lookTime = 200 * time.Millisecond

// Follow goes on where Scan ended: it hands entries that q selects to visit as they are written, and follows the logs
// through their rotation, until ctx ends or visit fails. Problems are told as Scan does.
func (f Files) Follow(ctx context.Context, s *Scanned, q Query, visit func(*Entry) error,
	complain func(*Problem)) error {
	if err := q.Check(); err != nil {
		return err
	}
	f = f.clean()
	logs := s.follow
	for _, name := range []string{f.Send, f.Received} {
		if name != "" && !hasPath(logs, name) {
			logs = append(logs, &tailed{path: name}) // it is not there yet
		}
	}
	for _, log := range logs {
		log.q, log.needles, log.visit, log.complain = &q, q.needles(), visit, complain
		defer log.close()
	}
	look := time.NewTicker(lookTime)
	defer look.Stop()
	for {
		for _, log := range logs {
			if err := log.look(); err != nil {
				return err
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func hasPath(logs []*tailed, path string) bool {
	for _, log := range logs {
		if log.path == path {
			return true
		}
	}
	return false
}

// tailed is a file that is followed. Zero inode: it has not been there.
type tailed struct {
	path  string
	inode uint64
	at    int64 // what is before this has been read

	q        *Query
	needles  [][]byte
	visit    func(*Entry) error
	complain func(*Problem)

	file  *os.File
	rest  []byte // of a line that is not yet whole
	lower []byte
	mute  bool // what is wrong was told
}

func (t *tailed) close() {
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
}

// look reads what has come since, and goes on to the file that has taken the place of one that was moved.
func (t *tailed) look() error {
	if t.file == nil && t.inode != 0 {
		t.reopen()
	}
	if err := t.drain(); err != nil {
		return err
	}
	info, err := os.Stat(t.path)
	if err != nil || inode(info) == t.inode {
		if err == nil && info.Size() < t.at { // it was emptied, not moved
			t.at, t.rest = 0, nil
		}
		return nil
	}
	file, err := os.Open(t.path)
	if err != nil {
		t.wrong(err)
		return nil
	}
	if err := t.drain(); err != nil { // what came between the look and the move
		file.Close()
		return err
	}
	t.close()
	t.file, t.at, t.rest, t.mute = file, 0, nil, false
	if info, err := file.Stat(); err == nil {
		t.inode = inode(info)
	}
	return t.drain()
}

// reopen opens the file that Scan read, wherever it is now.
func (t *tailed) reopen() {
	parts, err := partsOf(t.path)
	for _, p := range parts {
		if p.inode == t.inode && !p.gzip {
			if t.file, err = os.Open(p.path); err == nil {
				return
			}
		}
	}
	if err == nil {
		err = errors.New("it was moved and compressed meanwhile: its last lines are left out")
	}
	t.wrong(err)
	t.inode = 0
}

func (t *tailed) wrong(err error) {
	if !t.mute {
		t.mute = true
		t.complain(&Problem{t.path, err})
	}
}

// drain reads to the end of the file.
func (t *tailed) drain() error {
	if t.file == nil {
		return nil
	}
	data := make([]byte, chunk)
	for {
		n, err := t.file.ReadAt(data, t.at)
		t.at += int64(n)
		t.rest = append(t.rest, data[:n]...)
		whole := bytes.LastIndexByte(t.rest, '\n') + 1
		for line := range bytes.Lines(t.rest[:whole]) {
			if err := t.consider(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return err
			}
		}
		t.rest = append(t.rest[:0], t.rest[whole:]...)
		if len(t.rest) > maxLine {
			t.rest = t.rest[:0]
			t.complain(&Problem{t.path, fmt.Errorf("a line has more than %d bytes: left out", maxLine)})
		}
		if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrClosed) {
			return nil
		}
		if err != nil {
			t.wrong(err)
			return nil
		}
	}
}

func (t *tailed) consider(line []byte) error {
	var may bool
	if may, t.lower = contains(line, t.needles, t.lower); !may || len(line) == 0 {
		return nil
	}
	e, ok := parse(bytes.Clone(line))
	if !ok {
		t.complain(&Problem{t.path, errors.New("a line is no record: left out")})
		return nil
	}
	if !t.q.matches(&e) {
		return nil
	}
	return t.visit(&e)
}
