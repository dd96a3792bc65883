// Package mailsuite reads test cases for checks from files: a mail, a DNS zone, and what is to come out.
//
// A case is a txtar archive. The text before its first file explains it. Its files are
//
//   - mail: the mail; lines end in LF here and in CRLF in the test, so that odd line ends are cases for Go.
//   - zone: the DNS, see [ParseZone].
//   - want: what comes out, in the form that the suite says.
//
// and others that a suite may know.
package mailsuite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// Case is a test case.
type Case struct {
	Name  string
	Mail  []byte
	Zone  *Zone
	Want  string
	Files map[string]string // all of them
}

// Header returns the header of the mail with its empty line.
func (c Case) Header() []byte { return Header(c.Mail) }

// Header returns the header of a mail with its empty line.
func Header(mail []byte) []byte {
	if head, _, found := strings.Cut(string(mail), "\r\n\r\n"); found {
		return mail[:len(head)+4]
	}
	return mail
}

// CRLF gives a text the line ends of the wire.
func CRLF(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// Setting returns a value of a file of "name value" lines, "" when it is not there.
func (c Case) Setting(file, name string) string {
	for line := range strings.Lines(c.Files[file]) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Run runs a test for every case that a pattern finds.
func Run(t *testing.T, pattern string, test func(*testing.T, Case)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", pattern, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := Case{Name: strings.TrimSuffix(filepath.Base(path), ".txt"), Files: map[string]string{}}
		for _, f := range txtar.Parse(text).Files {
			c.Files[f.Name] = string(f.Data)
		}
		c.Mail, c.Want, c.Zone = CRLF(c.Files["mail"]), c.Files["want"], ParseZone(t, c.Files["zone"])
		t.Run(c.Name, func(t *testing.T) { test(t, c) })
	}
}
