package console

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// functions are what templates may call.
func functions() template.FuncMap {
	return template.FuncMap{
		"num": thousands[int], "num64": thousands[int64], "size": size, "when": when, "next": next, "clock": clock,
		"middle":  middle,
		"segment": url.PathEscape, "plural": plural, "span": duration, "chart": newChart, "dict": dict,
		"ago": func(t time.Time) string { return ago(time.Since(t)) },
	}
}

func thousands[T int | int64](n T) string { return humanize.Comma(int64(n)) }

// size shows bytes with their unit.
func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// clock shows a time where there is no browser to put it into the viewer's zone.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// when is an element that scripts turn into the viewer's zone, or into "5 min ago"; the exact time is shown on hover.
func when(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339), clock(t),
		clock(t)))
}

// next is when for the time of the next attempt: what is past, or very near, is "now".
func next(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	if time.Until(t) < time.Second {
		return "now"
	}
	return when(t)
}

// duration is a span in words of at most two units.
func duration(d time.Duration) string {
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

func ago(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return duration(d) + " ago"
}

// middle cuts a long text in its middle.
func middle(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	head := most * 2 / 3
	return string(runes[:head]) + "…" + string(runes[len(runes)-(most-head-1):])
}

// plural counts things: "1 pause", "3 pauses".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

func pick(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func retryAfter(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }

// inMinutes is the time in so many minutes, as the settings hold it.
func inMinutes(now time.Time, minutes string) (string, error) {
	n, err := strconv.Atoi(strings.TrimSpace(minutes))
	if err != nil || n < 1 || n > 525_600 {
		return "", errors.New("no number of minutes")
	}
	return now.Add(time.Duration(n) * time.Minute).UTC().Format(time.DateTime), nil
}

// dict makes a map of names and values, for templates that call others.
func dict(pairs ...any) (map[string]any, error) {
	made := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		made[name] = pairs[i+1]
	}
	return made, nil
}
