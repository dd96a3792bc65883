// Package when reads spans of time as people type them at a shell.
package when

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// units are the words behind a number; time.ParseDuration knows the others.
var units = map[string]time.Duration{
	"sec": time.Second, "second": time.Second, "min": time.Minute, "minute": time.Minute, "hour": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

// most is the longest span that makes sense: 300 years would overflow.
const most = 100 * 366 * 24 * time.Hour

// Span reads how long something is: "90s", "1h30m", "3 hours", "2d", "1 week".
func Span(text string) (time.Duration, error) {
	compact := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), " ", "")
	span, err := time.ParseDuration(compact)
	digits := strings.TrimRight(compact, "abcdefghijklmnopqrstuvwxyz")
	unit := compact[len(digits):]
	if len(unit) > 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	if size, known := units[unit]; known {
		var n uint64
		n, err = strconv.ParseUint(digits, 10, 32)
		if n > uint64(most/size) {
			n = uint64(most/size) + 1
		}
		span = time.Duration(n) * size
	}
	if err != nil || span <= 0 || span > most {
		return 0, fmt.Errorf("%q: expected a span of time, such as 90s, 3h, 2 days or 1 week", text)
	}
	return span, nil
}
