package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// codec is one type of values: how it is read, how it is written, and how it is called in messages.
type codec[T any] struct {
	kind  string                  // "port list": the type's name in the documentation
	want  string                  // completes "expected …"
	parse func(string) (T, error) // gets trimmed text; an error beyond errValue adds a detail to the message
	text  func(T) string          // writes what parse reads
	mask  func(string) string     // hides what is secret in a text; nil: nothing is
	// blank says that an empty text is a value of its own (no text, no entries). For the others it stands for the
	// default.
	blank bool
}

// errValue is a value that is not what was wanted, with nothing to add to that.
var errValue = errors.New("not such a value")

// asIs is the text form of values that are strings.
func asIs(s string) string { return s }

// plain is any text without control characters.
func plain() codec[string] {
	return codec[string]{kind: "text", want: "text without control characters", blank: true, text: asIs,
		parse: func(s string) (string, error) {
			if hasControl(s) {
				return "", errValue
			}
			return s, nil
		}}
}

// path is the name of a file or directory.
func path() codec[string] {
	c := plain()
	c.kind, c.want = "path", "the path of a file or directory"
	return c
}

// secret is text that is never shown.
func secret() codec[string] {
	c := plain()
	c.kind, c.mask = "secret", maskAll
	return c
}

// queueName is the name of a queue: what AMQP 0-9-1 allows in a short string.
func queueName() codec[string] {
	c := plain()
	parse := c.parse
	c.kind, c.want = "queue name", "the name of a queue: up to 255 bytes without control characters"
	c.parse = func(s string) (string, error) {
		if len(s) > 255 {
			return "", errValue
		}
		return parse(s)
	}
	return c
}

// host is a host name or an IP address without a port.
func host() codec[string] {
	return codec[string]{kind: "host", want: "a host name or an IP address, without a port", blank: true, text: asIs,
		parse: func(s string) (string, error) {
			s = unbracket(s)
			if len(s) > 255 || hasControl(s) || strings.ContainsAny(s, " /@,;\"'<>()[]") || strings.Count(s, ":") == 1 {
				return "", errValue
			}
			return s, nil
		}}
}

// sink is a host where 0.0.0.0 means none.
func sink() codec[string] {
	c := host()
	parse := c.parse
	c.want += "; 0.0.0.0 or empty: none"
	c.parse = func(s string) (string, error) {
		if s == "0.0.0.0" {
			return "", nil
		}
		return parse(s)
	}
	return c
}

// boolean is true or false in any of the usual words.
func boolean() codec[bool] {
	return codec[bool]{kind: "boolean", want: "a boolean: true or false, yes or no, on or off, 1 or 0", parse: parseBool,
		text: strconv.FormatBool}
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errValue
}

// number is a whole number from low to high.
func number(low, high int) codec[int] {
	want := fmt.Sprintf("a whole number from %d to %d", low, high)
	if high == math.MaxInt32 {
		want = fmt.Sprintf("a whole number, at least %d", low)
	}
	return codec[int]{kind: "integer", want: want, text: strconv.Itoa,
		parse: func(s string) (int, error) {
			n, err := strconv.Atoi(s)
			if err != nil || n < low || n > high {
				return 0, errValue
			}
			return n, nil
		}}
}

// count is a number without a practical upper bound.
func count(low int) codec[int] { return number(low, math.MaxInt32) }

// limit is a count where 0 is no limit, as is -1 in files for MailerQ 3.
func limit() codec[int] { return minusOne(count(0), 0) }

// unlessZero is a count where not given means something else than 0, which is -1 in Config.
func unlessZero(c codec[int]) codec[int] {
	parse, text := c.parse, c.text
	c.want += "; 0: no limit"
	c.parse = func(s string) (int, error) {
		n, err := parse(s)
		if n == 0 && err == nil || s == "-1" {
			return -1, nil
		}
		return n, err
	}
	c.text = func(n int) string {
		if n == 0 {
			return ""
		}
		return text(max(n, 0))
	}
	return c
}

// boundless is a count where -1 is as many as there are.
func boundless(c codec[int]) codec[int] { return minusOne(c, math.MaxInt32) }

// unlimited is a duration where -1 is the longest.
func unlimited(c codec[time.Duration]) codec[time.Duration] { return minusOne(c, longest) }

// minusOne has a codec read -1, which MailerQ 3 had for no limit, as a value that it has for that.
func minusOne[T any](c codec[T], none T) codec[T] {
	parse := c.parse
	c.want += "; -1: no limit"
	c.parse = func(s string) (T, error) {
		if s == "-1" {
			return none, nil
		}
		return parse(s)
	}
	return c
}

// score is a number that may have decimals.
func score() codec[float64] {
	return codec[float64]{kind: "number", want: "a number from 0 to 1000000 such as 8 or 12.5",
		parse: func(s string) (float64, error) { return decimal(s, 1e6) },
		text:  func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }}
}

// share is a part of a whole.
func share() codec[float64] {
	return codec[float64]{kind: "number", want: "a number from 0 to 1 such as 0.01",
		parse: func(s string) (float64, error) { return decimal(s, 1) },
		text:  func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }}
}

// decimal reads an unsigned decimal number up to most; not the exponents, hexadecimals and infinities of strconv.
func decimal(s string, most float64) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, errValue
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f > most {
		return 0, errValue
	}
	return f, nil
}

// oneOf is one of a few words, in any case; the first spelling of a word with several (a|b) is the one kept.
func oneOf(words ...string) codec[string] {
	known := func(s string) (string, error) { return pick(words, s) }
	return codec[string]{kind: "word", want: "one of " + names(words), parse: known, text: asIs}
}

// pick returns the kept spelling of the word s.
func pick(words []string, s string) (string, error) {
	for _, w := range words {
		spellings := strings.Split(w, "|")
		if slices.ContainsFunc(spellings, func(w string) bool { return strings.EqualFold(w, s) }) {
			return spellings[0], nil
		}
	}
	return "", errValue
}

// names lists words by the spelling that is kept: "a, b or c".
func names(words []string) string {
	list := make([]string, 0, len(words))
	for _, w := range words {
		first, _, _ := strings.Cut(w, "|")
		if first != "" {
			list = append(list, first)
		}
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

// size is a number of bytes.
func size() codec[int64] {
	return codec[int64]{kind: "size", want: "a size such as 100MB, 1GiB or a number of bytes", parse: parseSize,
		text: sizeText}
}

// sizeUnits are the powers of 1000 and of 1024; the written form prefers the largest that divides.
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{
	{"TB", 1e12}, {"TiB", 1 << 40}, {"GB", 1e9}, {"GiB", 1 << 30}, {"MB", 1e6}, {"MiB", 1 << 20}, {"KB", 1e3},
	{"KiB", 1 << 10},
}

func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "bBiIkKmMgGtT ")
	unit := strings.TrimSpace(s[len(digits):])
	factor := unitBytes(unit)
	if factor == 0 {
		return 0, errValue
	}
	if strings.Trim(digits, "0123456789") == "" {
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > math.MaxInt64/factor {
			return 0, errValue
		}
		return n * factor, nil
	}
	if factor == 1 {
		return 0, errValue
	}
	// 2^53 bytes is where a float stops being exact, and more than any disk.
	f, err := decimal(digits, float64(1<<53)/float64(factor))
	return int64(f * float64(factor)), err
}

// unitBytes returns how many bytes a unit stands for; 0: it is none.
func unitBytes(unit string) int64 {
	if unit == "" || strings.EqualFold(unit, "b") {
		return 1
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(unit, u.name) || strings.EqualFold(unit+"B", u.name) {
			return u.bytes
		}
	}
	return 0
}

func sizeText(n int64) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// seconds is a duration; a plain number counts seconds.
func seconds(least time.Duration) codec[time.Duration] {
	return duration("seconds", time.Second, least)
}

// millis is a duration; a plain number counts milliseconds.
func millis(least time.Duration) codec[time.Duration] {
	return duration("milliseconds", time.Millisecond, least)
}

func duration(kind string, unit, least time.Duration) codec[time.Duration] {
	want := kind + " as a number, or with a unit such as 5m"
	if least > 0 {
		want += "; at least " + durationText(least, unit)
	}
	return codec[time.Duration]{kind: kind, want: want,
		parse: func(s string) (time.Duration, error) {
			d, err := parseDuration(s, unit)
			if err != nil || d < least {
				return 0, errValue
			}
			return d, nil
		},
		text: func(d time.Duration) string { return durationText(d, unit) }}
}

// longest is the longest duration understood: more than a mail ever waits, and far from overflowing.
const longest = 100 * 365 * 24 * time.Hour

func parseDuration(s string, unit time.Duration) (time.Duration, error) {
	if f, err := decimal(s, float64(longest/unit)); err == nil {
		return time.Duration(math.Round(f * float64(unit))), nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		f, err := decimal(days, float64(longest/(24*time.Hour)))
		return time.Duration(f * float64(24*time.Hour)), err
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > longest {
		return 0, errValue
	}
	return d, nil
}

func durationText(d, unit time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(unit), 'f', -1, 64)
}

// hasControl reports whether s has control characters: they never belong in a value and could forge log lines.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
