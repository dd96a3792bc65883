package logsearch

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// Query says what is looked for; every field that is set must match. The zero Query matches everything.
type Query struct {
	Kind     Kind
	From, To time.Time // from this second, until before that one; zero: open
	Address  string    // part of the sender's or the recipient's address; case makes no difference
	Domain   string    // of the recipient
	IP       string    // local, remote or client's address
	Tag      string
	ID       string  // message-id
	Outcome  Outcome // of attempts
	Class    string  // of a result; authentication is also authentication/spf
	Code     int     // 421; or 4 for all 4yz
	Text     string  // anywhere in the record; case makes no difference

	Sender, Recipient string // part of that address; case makes no difference
	User              string // who logged in, or ran the program, to bring the mail
	Source            Source // by which way the mail came in
	Place             Place  // where an attempt went
	// Bare leaves out the records of entries: their Line is nil.
	Bare bool

	// Limit is how many entries are wanted; zero means 100, and there are never more than 1,000.
	Limit int
	// Cursor continues a search where it stopped: the Page's.
	Cursor string
	// MaxBytes is how much is read at most; zero means 256 MiB.
	MaxBytes int64
}

// Check reports what makes no sense in the query.
func (q *Query) Check() error {
	if q.Kind != anyKind && q.Kind != Attempt && q.Kind != Received {
		return fmt.Errorf("kind %q: expected %s or %s", q.Kind, Attempt, Received)
	}
	if q.Outcome != "" && q.Outcome != Delivered && q.Outcome != Deferred && q.Outcome != Failed {
		return fmt.Errorf("outcome %q: expected %s, %s or %s", q.Outcome, Delivered, Deferred, Failed)
	}
	if _, known := sources[q.Source]; q.Source != "" && !known {
		return fmt.Errorf("source %q: expected %s, %s, %s or %s", q.Source, SMTP, Spool, CLI, HTTP)
	}
	if q.Place != "" && q.Place != Local && q.Place != Remote {
		return fmt.Errorf("place %q: expected %s or %s", q.Place, Local, Remote)
	}
	if q.IP != "" {
		if _, err := netip.ParseAddr(q.IP); err != nil {
			return fmt.Errorf("ip %q: expected an IP address", q.IP)
		}
	}
	if c := q.Code; c != 0 && (c < 2 || c > 5) && (c < 200 || c > 599) {
		return fmt.Errorf("code %d: expected 200 to 599, or 2, 4 or 5 for all of a kind", c)
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return fmt.Errorf("from %s: expected a time before %s", stamp(q.From), stamp(q.To))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }

func (q *Query) limit() int {
	if q.Limit <= 0 {
		return 100
	}
	return min(q.Limit, 1000)
}

func (q *Query) maxBytes() int64 {
	if q.MaxBytes <= 0 {
		return 256 << 20
	}
	return q.MaxBytes
}

// needles are texts that a line contains if it matches, in lower case, the longest first: it is what fewest lines have.
// Texts that JSON may write in more than one way are left to matches.
func (q *Query) needles() [][]byte {
	var all [][]byte
	for _, s := range []string{q.Address, q.Domain, q.IP, q.Tag, q.ID, q.Text, q.Sender, q.Recipient, q.User} {
		if s != "" && plain(s) {
			all = append(all, []byte(strings.ToLower(s)))
		}
	}
	if q.Class != "" && plain(q.Class) {
		all = append(all, []byte(strings.ToLower(`"class":"`+q.Class)))
	}
	if q.Code >= 200 {
		all = append(all, fmt.Appendf(nil, `"code":%d`, q.Code))
	}
	if key, known := sources[q.Source]; known {
		all = append(all, []byte(key))
	}
	slices.SortStableFunc(all, func(a, b []byte) int { return len(b) - len(a) })
	return all
}

// plain reports whether JSON writes s as it is.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' || strings.ContainsRune(`"\<>&`, c) })
}

// contains reports whether a line contains all needles; lower is scratch space.
func contains(line []byte, needles [][]byte, lower []byte) (bool, []byte) {
	if len(needles) == 0 {
		return true, lower
	}
	lower = appendLower(lower[:0], line)
	return containsAll(lower, needles), lower
}

func containsAll(lower []byte, needles [][]byte) bool {
	for _, n := range needles {
		if !bytes.Contains(lower, n) {
			return false
		}
	}
	return true
}

func appendLower(dst, line []byte) []byte {
	dst = append(dst, line...)
	for i, c := range dst {
		if 'A' <= c && c <= 'Z' {
			dst[i] = c + 'a' - 'A'
		}
	}
	return dst
}

// matches reports whether an entry is looked for.
func (q *Query) matches(e *Entry) bool {
	switch {
	case q.Kind != anyKind && q.Kind != e.Kind,
		!q.From.IsZero() && e.Time.Before(q.From.Truncate(time.Second)),
		!q.To.IsZero() && !e.Time.Before(q.To),
		q.ID != "" && q.ID != e.ID,
		q.Outcome != "" && q.Outcome != e.Outcome,
		q.Class != "" && q.Class != e.Class && !strings.HasPrefix(e.Class, q.Class+"/"),
		q.Code >= 200 && q.Code != e.Code,
		q.Code > 0 && q.Code < 10 && q.Code != e.Code/100,
		q.Tag != "" && !slices.Contains(e.Tags, q.Tag),
		q.Address != "" && !hasFold(e.Envelope, q.Address) && !hasFold(e.Recipient, q.Address),
		q.Sender != "" && !hasFold(e.Envelope, q.Sender), q.Recipient != "" && !hasFold(e.Recipient, q.Recipient),
		q.User != "" && !strings.EqualFold(e.User, q.User),
		q.Source != "" && q.Source != e.Source, q.Place != "" && q.Place != e.place(),
		q.Domain != "" && addr.Domain(e.Recipient) != addr.Fold(q.Domain),
		q.IP != "" && !sameIP(q.IP, e.From) && !sameIP(q.IP, e.To) && !sameIP(q.IP, e.Client):
		return false
	}
	return q.Text == "" || hasFold(string(e.Line), q.Text) || hasFold(e.Description, q.Text)
}

func hasFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

func sameIP(a, b string) bool {
	if a == b {
		return true
	}
	x, err := netip.ParseAddr(a)
	y, err2 := netip.ParseAddr(b)
	return err == nil && err2 == nil && x.Unmap() == y.Unmap()
}
