package file

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/sluicemail/sluice/auth/crypt"
)

// maxLine is longer than any name with any hash and the other fields of shadow.
const maxLine = 4096

// table is the contents of a file.
type table struct {
	hashes map[string]string // of accounts that may log in, by name
	decoys []string          // the same hashes in the order of the file
	seed   maphash.Seed
}

// A flaw is a line that cannot be used.
type flaw struct {
	line int
	err  error // does not quote the hash, which may be a password in plain text
}

// parse reads the text of a file.
func parse(text string, seed maphash.Seed) (*table, []flaw) {
	t := &table{hashes: make(map[string]string), seed: seed}
	seen := make(map[string]int)
	var flaws []flaw
	number := 0
	text = strings.TrimPrefix(text, "\ufeff")
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, err := parseLine(line)
		if name != "" {
			if first, twice := seen[name]; twice {
				flaws = append(flaws, flaw{number, fmt.Errorf("user %q is on line %d already, which counts", name, first)})
				continue
			}
			seen[name] = number
		}
		switch {
		case errors.Is(err, crypt.ErrLocked):
		case err != nil && name != "":
			flaws = append(flaws, flaw{number, fmt.Errorf("user %q: %w", name, err)})
		case err != nil:
			flaws = append(flaws, flaw{number, err})
		default:
			t.hashes[name] = hash
			t.decoys = append(t.decoys, hash)
		}
	}
	return t, flaws
}

// parseLine returns the name also when the hash is none.
func parseLine(line string) (name, hash string, err error) {
	if len(line) > maxLine {
		return "", "", fmt.Errorf("the line has %d bytes, at most %d are expected", len(line), maxLine)
	}
	name, rest, found := strings.Cut(line, ":")
	if !found {
		return "", "", errors.New("there is no colon, expected is name:hash")
	}
	if name == "" || strings.ContainsRune(name, 0) {
		return "", "", errors.New("the name is empty or has a NUL in it, expected is name:hash")
	}
	hash, _, _ = strings.Cut(rest, ":")
	return name, hash, crypt.Supported(hash)
}

// lookUp returns the hash to check a user's password against, and whether it is the user's own.
func (t *table) lookUp(name string) (hash string, own bool) {
	if hash, own = t.hashes[name]; own || len(t.decoys) == 0 {
		return hash, own
	}
	return t.decoys[maphash.String(t.seed, name)%uint64(len(t.decoys))], false
}
