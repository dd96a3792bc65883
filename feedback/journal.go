package feedback

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
)

// journal keeps records: the newest in memory, and more in a file of JSON lines. When the file has its size, it becomes
// name.1, in place of the one before: so there is never more than twice that on disk. A nil journal keeps nothing.
type journal struct {
	path string // "": in memory only
	size int64  // of a file
	most int    // records in memory
	log  *slog.Logger

	mu      sync.RWMutex
	records []Record // the oldest first
	file    *os.File
	written int64
	failing bool // told already
}

// maxLine bounds a line that is read: one that is longer was not written here.
const maxLine = 64 << 10

// open reads what earlier runs wrote, and tells each record of it. A line that cannot be read, as the last one may be
// after a crash, is left out.
func (j *journal) open(each func(*Record)) error {
	if j.path == "" {
		return nil
	}
	for _, name := range []string{j.path + ".1", j.path} {
		if err := j.replay(name, each); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (j *journal) replay(name string, each func(*Record)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var r Record
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.ID != "" {
			j.keep(r)
			each(&r)
		}
	}
	return lines.Err()
}

// begin opens the file to be written on.
func (j *journal) begin() error {
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.written = f, info.Size()
	if j.written > 0 { // the last line may be half of one
		n, err := f.Write([]byte("\n"))
		j.written += int64(n)
		return err
	}
	return nil
}

// add keeps records. A disk that is full costs the file some, and is told once.
func (j *journal) add(records []Record) {
	var lines []byte
	for i := range records {
		line, _ := json.Marshal(&records[i]) // of plain values: never fails
		lines = append(append(lines, line...), '\n')
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range records {
		j.keep(records[i])
	}
	if j.path == "" || len(lines) == 0 {
		return
	}
	err := j.turn(int64(len(lines)))
	if err == nil {
		_, err = j.file.Write(lines)
		j.written += int64(len(lines))
	}
	if err != nil && !j.failing {
		j.log.Warn("the journal of reports cannot be written", "file", j.path, "error", err)
	}
	j.failing = err != nil
}

// turn makes sure that there is a file with room for n bytes: another one when the present one has none.
func (j *journal) turn(n int64) error {
	if j.file == nil {
		if err := j.begin(); err != nil {
			return err
		}
	}
	if j.written == 0 || j.written+n <= j.size {
		return nil
	}
	if err := os.Rename(j.path, j.path+".1"); err != nil {
		return err
	}
	old := j.file
	if err := j.begin(); err != nil {
		return err
	}
	return old.Close()
}

func (j *journal) keep(r Record) {
	if len(j.records) >= j.most+j.most/8 { // make room for some at once
		j.records = slices.Clone(j.records[len(j.records)-j.most:])
	}
	j.records = append(j.records, r)
}

// newest calls do with the records that match, the newest first, until it returns false.
func (j *journal) newest(q *Query, do func(*Record) bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for i := len(j.records) - 1; i >= 0; i-- {
		if r := &j.records[i]; q.matches(r) && !do(r) {
			return
		}
	}
}

// of returns the records of a report, if they are among the newest.
func (j *journal) of(report string) (all []Record) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for i := max(0, len(j.records)-maxAgain); i < len(j.records); i++ {
		if id, ok := strings.CutPrefix(j.records[i].ID, report); ok && strings.HasPrefix(id, "/") {
			all = append(all, j.records[i])
		}
	}
	return all
}

// maxAgain is how many records back a report is looked for that may come a second time, after a crash.
const maxAgain = 5000

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
