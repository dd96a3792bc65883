package webhook

import (
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
	"github.com/sluicemail/sluice/queue"
)

// What a line is made of.
const (
	lineMark    = `{"id":`      // begins it
	atMark      = `,"at":"`     // stands behind the id
	messageMark = `,"message":` // stands before the message
)

// appendLine appends the line of a result, and its end: who it is about, how often that was tried, when it came about,
// whether it is the last one, and what a filter leaves of the message as logs and results queues have it.
func appendLine(dst []byte, m *queue.Message, f *Filter) []byte {
	var at time.Time
	if n := len(m.Results); n > 0 {
		at = m.Results[n-1].Time
	}
	_, again := m.Extra["nextattempt"]
	dst = rawjson.AppendString(append(dst, lineMark...), m.ID+"/"+strconv.Itoa(len(m.Results)))
	dst = at.UTC().AppendFormat(append(dst, atMark...), time.RFC3339)
	dst = strconv.AppendBool(append(dst, `","final":`...), !again && m.NextAttempt.IsZero())
	dst = append(dst, messageMark...)
	begin := len(dst)
	if f == nil {
		dst = m.AppendRecord(dst)
	} else {
		dst = f.Append(dst, m.AppendRecord(nil))
	}
	replace(dst[begin:], '\n', ' ') // a program may have put JSON of several lines into a property
	return append(dst, "}\n"...)
}

// appendStray appends a line for what is no result.
func appendStray(dst, raw []byte) []byte {
	dst = time.Now().UTC().AppendFormat(append(dst, `{"id":"/0"`+atMark...), time.RFC3339)
	dst = rawjson.AppendString(append(dst, `","final":true,"raw":`...), raw)
	return append(dst, "}\n"...)
}
