package maildir

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// sizeFile keeps the size of a user's mails: the quota in its first line, "1000000S,200C" for bytes and mails, then
// what was added or taken away, "1234 1" a line, each written at once by who did it (Maildir++,
// https://www.courier-mta.org/imap/README.maildirquota.html).
const sizeFile = "/maildirsize"

const (
	maxSizeFile = 5120             // bytes of a file beyond which all is counted anew
	trusted     = 15 * time.Minute // age from which a file that says "full" is not
)

// usage is what a user has, and may have; zero limits: any.
type usage struct {
	bytes, mails       int64
	maxBytes, maxMails int64
	lines              int
}

// admits reports, as an error, that a user has no room for another mail.
func (t *Target) admits(b box, size int64) error {
	u, age, err := t.usage(b.root)
	if err != nil || !u.full(size) {
		return err
	}
	if u.lines > 1 || age > trusted { // it may have been cleared up by a program that does not tell
		if u, err = t.recount(b.root, u); err != nil || !u.full(size) {
			return err
		}
	}
	return errOverFull
}

func (u *usage) full(size int64) bool {
	return u.maxBytes > 0 && u.bytes+size > u.maxBytes || u.maxMails > 0 && u.mails+1 > u.maxMails
}

// count notes a mail that was delivered. What is not noted is found when all is counted anew.
func (t *Target) count(b box, size int64) {
	file, err := os.OpenFile(b.root+sizeFile, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return // there is none where there is no quota
	}
	_, _ = file.WriteString(strconv.FormatInt(size, 10) + " 1\n")
	_ = file.Close()
}

// usage reads the file of a user's size, or makes it where there is a quota. It returns the age of the file.
func (t *Target) usage(root string) (usage, time.Duration, error) {
	data, err := os.ReadFile(root + sizeFile)
	if errors.Is(err, fs.ErrNotExist) && t.quota == 0 {
		return usage{}, 0, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage{}, 0, err
	}
	u, ok := parseUsage(data)
	if t.quota > 0 {
		ok = ok && u.maxBytes == t.quota
		u.maxBytes = t.quota
	}
	if !ok || len(data) > maxSizeFile {
		u, err = t.recount(root, u)
		return u, 0, err
	}
	info, err := os.Stat(root + sizeFile)
	if err != nil {
		return u, 0, nil // somebody counts anew just now
	}
	return u, time.Since(info.ModTime()), nil
}

// parseUsage reads the content of the file; ok is false when it makes no sense.
func parseUsage(data []byte) (u usage, ok bool) {
	first, rest, _ := bytes.Cut(data, []byte{'\n'})
	for limit := range strings.SplitSeq(string(first), ",") {
		if limit == "" {
			return u, false
		}
		n, err := strconv.ParseInt(limit[:len(limit)-1], 10, 64)
		if err != nil || n < 0 {
			return u, false
		}
		switch limit[len(limit)-1] {
		case 'S':
			u.maxBytes = n
		case 'C':
			u.maxMails = n
		}
	}
	lines := bufio.NewScanner(bytes.NewReader(rest))
	for lines.Scan() {
		size, number, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		bytes, err := strconv.ParseInt(size, 10, 64)
		mails, err2 := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || err2 != nil {
			return u, false
		}
		u.bytes, u.mails, u.lines = u.bytes+bytes, u.mails+mails, u.lines+1
	}
	return u, u.lines > 0 && u.bytes >= 0 && u.mails >= 0
}

// recount counts all that a user has and writes the file anew. Limits are those of u.
func (t *Target) recount(root string, u usage) (usage, error) {
	u.bytes, u.mails, u.lines = 0, 0, 1
	entries, err := os.ReadDir(root)
	if err != nil {
		return u, err
	}
	u.add(root)
	for _, e := range entries {
		if e.IsDir() && e.Name()[0] == '.' {
			u.add(root + "/" + e.Name())
		}
	}
	limits := strconv.FormatInt(u.maxBytes, 10) + "S"
	if u.maxMails > 0 {
		limits += "," + strconv.FormatInt(u.maxMails, 10) + "C"
	}
	text := limits + "\n" + strconv.FormatInt(u.bytes, 10) + " " + strconv.FormatInt(u.mails, 10) + "\n"
	return u, t.replace(root, sizeFile, text)
}

// replace puts a file of a Maildir in the place of the one before.
func (t *Target) replace(root, name, text string) error {
	file, err := os.CreateTemp(root+"/tmp", name[1:])
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Chmod(t.mode)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), root+name)
	}
	return err
}

// add counts the mails of a folder. One that is moved meanwhile may be missed, or counted twice.
func (u *usage) add(folder string) {
	for _, dir := range [...]string{"/new", "/cur"} {
		entries, err := os.ReadDir(folder + dir)
		if err != nil {
			continue // not a folder
		}
		for _, e := range entries {
			size, ok := sizeInName(e.Name())
			if info, err := e.Info(); !ok && err == nil {
				size = info.Size()
			}
			u.bytes, u.mails = u.bytes+size, u.mails+1
		}
	}
}

// sizeInName returns what ",S=" in the name of a mail says.
func sizeInName(name string) (int64, bool) {
	_, size, found := strings.Cut(name, ",S=")
	if end := strings.IndexAny(size, ",:"); end >= 0 {
		size = size[:end]
	}
	n, err := strconv.ParseInt(size, 10, 64)
	return n, found && err == nil && n >= 0
}
