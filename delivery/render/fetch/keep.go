package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// expires returns until when an answer may be kept, limit from now at most (RFC 9111 §4.2); not later than now when it
// may not be kept at all. Where the answer says nothing, that is the limit.
func expires(h http.Header, now time.Time, limit time.Duration) time.Time {
	fresh := limit
	if stated, ok := lifetime(h, now); ok {
		age, err := strconv.ParseInt(h.Get("Age"), 10, 32)
		if err == nil && age > 0 {
			stated -= time.Duration(age) * time.Second
		}
		fresh = min(fresh, stated)
	}
	return now.Add(fresh)
}

// lifetime returns for how long an answer is fresh by what it says of itself. A cache that many messages share counts
// as a shared one.
func lifetime(h http.Header, now time.Time) (time.Duration, bool) {
	found, age := false, time.Duration(0)
	for part := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32)
		switch name {
		case "no-store", "no-cache", "private":
			return 0, true
		case "s-maxage":
			if err == nil {
				return time.Duration(seconds) * time.Second, true
			}
		case "max-age":
			if err == nil {
				found, age = true, time.Duration(seconds)*time.Second
			}
		}
	}
	if found || h.Get("Expires") == "" {
		return age, found
	}
	until, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0, true // such as 0: it is over already, RFC 9111 §5.3
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return until.Sub(now), true
}

// storeKey is the key of an address in a store, which also holds mails.
func storeKey(address string) string {
	sum := sha256.Sum256([]byte(address))
	return "download-" + hex.EncodeToString(sum[:])
}

// kept is what a store has of a file before its content, in a line of its own.
type kept struct {
	Type    string
	Name    string
	Expires int64 // seconds since 1970
	Sum     string
}

var errDamaged = errors.New("the copy of a download is damaged")

func encode(f *File, until time.Time) ([]byte, error) {
	head, err := json.Marshal(kept{f.Type, f.Name, until.Unix(), sum(f.Data)})
	if err != nil {
		return nil, err
	}
	return append(append(head, '\n'), f.Data...), nil
}

func decode(stored []byte) (*File, time.Time, error) {
	head, data, found := bytes.Cut(stored, []byte("\n"))
	var k kept
	if !found || json.Unmarshal(head, &k) != nil || k.Sum != sum(data) {
		return nil, time.Time{}, errDamaged
	}
	return &File{Data: data, Type: k.Type, Name: k.Name}, time.Unix(k.Expires, 0), nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
