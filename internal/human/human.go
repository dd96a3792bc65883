package human

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

func Count[T int | int64](n T) string { return humanize.Comma(int64(n)) }

// Size shows bytes with their unit.
func Size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// Clock shows a time where there is no browser to put it into the viewer's zone.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// duration is a span in words of at most two units.
func Span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return twoUnits(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 48*time.Hour:
		return twoUnits(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return twoUnits(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func twoUnits(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unitA)
	}
	return fmt.Sprintf("%d %s %d %s", a, unitA, b, unitB)
}

func Ago(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return Span(d) + " ago"
}

// Middle cuts a long text in its middle.
func Middle(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	head := most * 2 / 3
	return string(runes[:head]) + "…" + string(runes[len(runes)-(most-head-1):])
}

// Plural counts things: "1 pause", "3 pauses".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Count(n) + " " + what + "s"
}

func Pick(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func Capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[n:]
}

// Typed is what somebody typed into a field, without what cannot be seen: the address of a page may be another's work.
func Typed(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}
