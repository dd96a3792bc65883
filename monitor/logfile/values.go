package logfile

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/monitor"
)

// values are what the variables of one line stand for.
type values struct {
	at      time.Time
	message monitor.Record // or nil
	result  monitor.Record // or nil
	took    time.Duration  // of a download; $time of other logs is that of the event
	isTook  bool
	url     string
	ip      netip.Addr
	request string
}

const dateFormat = "2006-01-02 15:04:05"

// append appends the line that t makes, without a line end.
func (t template) append(dst []byte, v *values) []byte {
	for i := range t {
		n := &t[i]
		switch {
		case n.choice:
			if v.true(n.value) {
				dst = template(n.then).append(dst, v)
			} else {
				dst = template(n.not).append(dst, v)
			}
		case n.text != "":
			dst = append(dst, n.text...)
		default:
			dst = v.append(dst, n.value)
		}
	}
	return dst
}

func (v *values) append(dst []byte, name variable) []byte {
	switch name.source {
	case messageValue:
		return appendProperty(dst, v.message, name.path)
	case resultValue:
		return appendProperty(dst, v.result, name.path)
	case attemptValue:
		if m, ok := v.message.(monitor.Attempter); ok {
			return strconv.AppendInt(dst, int64(m.Attempts()), 10)
		}
	case dateValue:
		return v.at.UTC().AppendFormat(dst, dateFormat)
	case timeValue:
		if v.isTook {
			return strconv.AppendFloat(dst, v.took.Seconds(), 'f', 3, 64)
		}
		return strconv.AppendInt(dst, v.at.Unix(), 10)
	case urlValue:
		return appendVisible(dst, v.url)
	case ipValue:
		if v.ip.IsValid() {
			return v.ip.AppendTo(dst)
		}
	case requestValue:
		return appendVisible(dst, v.request)
	}
	return dst
}

func appendProperty(dst []byte, r monitor.Record, path string) []byte {
	if r == nil {
		return dst
	}
	if path == "" {
		return appendRecord(dst, r)
	}
	text, _ := r.Property(path)
	return appendVisible(dst, text)
}

// appendRecord appends the JSON object of r, on one line whatever r does.
func appendRecord(dst []byte, r monitor.Record) []byte {
	start := len(dst)
	dst = r.AppendRecord(dst)
	for i := start; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return dst
}

func (v *values) true(name variable) bool {
	var text string
	switch name.source {
	case messageValue, resultValue:
		r := v.message
		if name.source == resultValue {
			r = v.result
		}
		if r == nil || name.path == "" {
			return r != nil
		}
		text, _ = r.Property(name.path)
	case attemptValue:
		m, ok := v.message.(monitor.Attempter)
		return ok && m.Attempts() > 0
	case urlValue:
		text = v.url
	case requestValue:
		text = v.request
	case ipValue:
		return v.ip.IsValid()
	default:
		return name.source != nothing
	}
	return text != "" && text != "0" && text != "false" && text != "[ ]"
}

const hex = "0123456789abcdef"

// appendVisible appends text with its control characters made visible.
func appendVisible(dst []byte, text string) []byte {
	done := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != 0x7f {
			continue
		}
		dst = append(dst, text[done:i]...)
		done = i + 1
		switch c {
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, text[done:]...)
}

// appendJSON appends text as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendJSON(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, string(c)...)
		}
	}
	return append(dst, '"')
}
