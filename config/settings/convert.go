package settings

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errNUL  = errors.New("holds a NUL byte")
	errUTF8 = errors.New("is not valid UTF-8")
)

// toInteger takes what any driver returns for any column type, since SQLite stores what it is given and other columns
// may have been altered. Texts that are numbers count as such.
func toInteger(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
		return 0, fmt.Errorf("is %v, not an integer", v)
	case []byte:
		return parseInteger(string(v))
	case string:
		return parseInteger(v)
	}
	return 0, fmt.Errorf("is a %T, not an integer", v)
}

func parseInteger(s string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		const most = 40
		if len(s) > most {
			s = s[:most]
		}
		return 0, fmt.Errorf("is the text %q, not an integer", s)
	}
	return n, nil
}

// toText is toInteger for texts. Its errors do not show the value, which may be a secret.
func toText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, checkText(v)
	case nil:
		return "", nil
	case []byte:
		s := string(v)
		return s, checkText(s)
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	case time.Time:
		return v.UTC().Format(time.DateTime), nil
	}
	return "", fmt.Errorf("is a %T, not a text", v)
}

// ParseTime reads a time as the columns expire, starts, ends, created, lastused and lastsent hold it: "2006-01-02
// 15:04:05" in UTC, the same with fractions, with a T between or with a zone behind, a date alone, or seconds since
// 1970. The empty text and 0 are the zero time: never, or no limit.
func ParseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		const year9999 = 253402300799
		if n < 0 || n > year9999 {
			return time.Time{}, fmt.Errorf("time %d is out of range", n)
		}
		if n == 0 {
			return time.Time{}, nil
		}
		return time.Unix(n, 0).UTC(), nil
	}
	for _, layout := range []string{time.DateTime, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05Z07", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is neither YYYY-MM-DD HH:MM:SS nor seconds since 1970", s)
}

// FormatTime is the inverse of [ParseTime]; the zero time is the empty text.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}
