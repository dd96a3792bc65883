package maildir

import (
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/addr"
)

// Target says in which Maildir the mail for a recipient goes. It is read-only once made.
type Target struct {
	base   string   // directories that have to be there, absolute
	names  [][]part // the rest of the path
	quota  int64    // bytes; zero: none but what maildirsize says
	mode   os.FileMode
	create bool
}

// part is one of a name in a path: text, or what stands at a place of the recipient's address.
type part struct {
	text string
	from place // zero: text
}

type place uint8

const (
	user place = iota + 1
	domain
	detail
)

var places = map[string]place{"user": user, "domain": domain, "detail": detail}

const scheme = "maildir://"

// Parse reads a target; the package's story has its form. The error says what was expected.
func Parse(text string) (*Target, error) {
	rest, ok := strings.CutPrefix(text, scheme)
	if !ok {
		return nil, fmt.Errorf("%q: expected maildir:///path/{user}", text)
	}
	t := &Target{mode: 0o600, create: true}
	dir, parameters, _ := strings.Cut(rest, "?")
	err := t.parsePath(dir)
	for parameters != "" && err == nil {
		var one string
		one, parameters, _ = strings.Cut(parameters, "&")
		err = t.parseParameter(one)
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return t, nil
}

func (t *Target) parsePath(dir string) error {
	if !path.IsAbs(dir) || path.Clean(dir) != dir || dir == "/" || strings.ContainsFunc(dir, isControl) {
		return fmt.Errorf("path %q: expected the whole path of a directory, without .. and // and a slash at the end", dir)
	}
	names := strings.Split(dir[1:], "/")
	fixed := 0
	for fixed < len(names)-1 && !strings.Contains(names[fixed], "{") {
		fixed++
	}
	t.base = "/" + path.Join(names[:fixed]...)
	for _, name := range names[fixed:] {
		parts, err := parseName(name)
		if err != nil {
			return err
		}
		t.names = append(t.names, parts)
	}
	return nil
}

// parseName takes a name in a path apart.
func parseName(name string) (parts []part, err error) {
	for rest := name; rest != ""; {
		text, after, found := strings.Cut(rest, "{")
		if text != "" {
			parts = append(parts, part{text: text})
		}
		if rest = after; !found {
			break
		}
		word, after, closed := strings.Cut(rest, "}")
		from := places[word]
		if from == 0 || !closed || strings.Contains(text, "}") {
			return nil, fmt.Errorf("%q: expected {user}, {domain} or {detail}", name)
		}
		parts, rest = append(parts, part{from: from}), after
	}
	last := parts[len(parts)-1].text
	switch {
	case strings.Contains(last, "}"):
		return nil, fmt.Errorf("%q: expected {user}, {domain} or {detail}", name)
	case len(parts) > 1 && strings.HasPrefix(name, ".."):
		return nil, fmt.Errorf("%q: expected no more than one dot in front", name)
	}
	return parts, nil
}

func (t *Target) parseParameter(text string) (err error) {
	name, value, _ := strings.Cut(text, "=")
	switch name {
	case "quota":
		if t.quota, err = parseBytes(value); err != nil {
			return fmt.Errorf("quota %q: expected bytes, with K, M, G or T", value)
		}
	case "mode":
		mode, err := strconv.ParseUint(value, 8, 32)
		if err != nil || len(value) != 3 || mode&0o600 != 0o600 || mode&^0o666 != 0 {
			return fmt.Errorf("mode %q: expected 600, or digits that let others read or write as well, such as 660", value)
		}
		t.mode = os.FileMode(mode)
	case "create":
		if value != "yes" && value != "no" {
			return fmt.Errorf("create %q: expected yes or no", value)
		}
		t.create = value == "yes"
	default:
		return fmt.Errorf("parameter %q: expected quota, mode or create", name)
	}
	return nil
}

// parseBytes reads a positive number of bytes, such as 500M.
func parseBytes(text string) (int64, error) {
	unit := int64(1)
	if n := len(text); n > 0 {
		if i := strings.IndexByte("KMGT", text[n-1]); i >= 0 {
			unit, text = 1<<(10*(i+1)), text[:n-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (n <= 0 || n > math.MaxInt64/unit) {
		err = strconv.ErrRange
	}
	return n * unit, err
}

// dirMode is the mode of directories: who may read files may enter them, and what is made in them is the same group's.
func (t *Target) dirMode() os.FileMode {
	mode := 0o700 | t.mode | t.mode&0o444>>2
	if t.mode&0o060 != 0 {
		mode |= os.ModeSetgid
	}
	return mode
}

// Limits of what an address may bring into a path, in bytes: those of Linux file systems.
const (
	maxName = 255
	maxPath = 4000
)

// box is the Maildir of a recipient.
type box struct {
	dir  string // of the mail
	root string // that of the inbox: dir is the same, or a folder in it
}

// of returns the Maildir of a recipient, or why there can be none.
func (t *Target) of(recipient string) (box, *refusal) {
	if !utf8.ValidString(recipient) { // in lower case it would be the address of others
		return box{}, cannotName(user)
	}
	var values [detail + 1]string
	local, host := addr.Split(recipient)
	values[user], values[detail], _ = strings.Cut(unquoted(local), "+")
	values[user], values[domain] = strings.ToLower(values[user]), addr.Fold(host)
	dir := append(make([]byte, 0, 128), t.base...)
	inbox := 0 // length of its path, once a folder follows
	for i, parts := range t.names {
		before := len(dir)
		if before > 1 {
			dir = append(dir, '/')
		}
		start := len(dir)
		for _, p := range parts {
			value := values[p.from]
			if p.from != 0 && (value == "" && p.from != detail || !isName(value)) {
				return box{}, cannotName(p.from)
			}
			dir = append(append(dir, p.text...), value...)
		}
		switch name := dir[start:]; {
		case len(name) > maxName || len(dir) > maxPath:
			return box{}, errTooLong
		case len(name) == 0 || string(name) == ".": // for want of a detail
			dir = dir[:before]
		case name[0] == '.' && i > 0 && i == len(t.names)-1:
			inbox = before
		}
	}
	b := box{dir: string(dir)}
	if b.root = b.dir; inbox > 0 {
		b.root = b.dir[:inbox]
	}
	return b, nil
}

// cannotName refuses an address for what stands at a place.
func cannotName(p place) *refusal {
	what := [...]string{user: "local part", domain: "domain", detail: "part behind the +"}[p]
	return &refusal{code: 553, status: "5.1.3", text: "the recipient's " + what + " cannot name a mailbox"}
}

// isName reports whether a part of an address can be one name in a path, or a part of one.
func isName(s string) bool {
	return len(s) <= maxName && !strings.HasPrefix(s, ".") &&
		!strings.ContainsFunc(s, func(c rune) bool { return c == '/' || isControl(c) })
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// unquoted returns a local part without quotation marks and backslashes (RFC 5321 §4.1.2).
func unquoted(local string) string {
	if len(local) < 2 || local[0] != '"' || local[len(local)-1] != '"' {
		return local
	}
	out := make([]byte, 0, len(local))
	for i := 1; i < len(local)-1; i++ {
		if local[i] == '\\' && i < len(local)-2 {
			i++
		}
		out = append(out, local[i])
	}
	return string(out)
}
