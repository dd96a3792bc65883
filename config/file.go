package config

import (
	"errors"
	"io"
	"os"
	"strings"
)

// Limits of a file. A configuration of every key with long values stays far below.
const (
	maxFile     = 1 << 20  // bytes
	maxLine     = 16 << 10 // bytes
	maxProblems = 100      // lines that are wrong or not understood, before the rest is not looked at
)

// entry is one line that is neither empty nor a comment.
type entry struct {
	line       int // from 1
	key, value string
	form       form
}

// form is how the key and the value were told apart.
type form int

const (
	withColon  form = iota // key: value
	withBlank              // key value
	withEquals             // key=value
	bare                   // a word alone
	broken                 // a line too long, or with control characters
)

// readFile reads a file that is not larger than a configuration can be.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.New("is a directory")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("larger than 1 MiB")
	}
	return data, err
}

// parse calls yield for each line that says something, until yield returns false.
func parse(data []byte, yield func(entry) bool) {
	n := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		e := parseLine(line)
		e.line = n
		if !yield(e) {
			return
		}
	}
}

// parseLine takes a trimmed line apart. The key ends at the first colon, blank or equals sign, so that values may have
// any of them.
func parseLine(line string) entry {
	if len(line) > maxLine || hasControl(line) {
		return entry{form: broken}
	}
	end := strings.IndexAny(line, ": \t=")
	if end < 0 {
		return entry{key: line, form: bare}
	}
	e := entry{key: line[:end]}
	rest := strings.TrimSpace(line[end:])
	switch {
	case rest[0] == ':':
		e.form, e.value = withColon, strings.TrimSpace(rest[1:])
	case rest[0] == '=':
		e.form, e.value = withEquals, strings.TrimSpace(rest[1:])
	default:
		e.form, e.value = withBlank, rest
	}
	return e
}
