package webhook

import (
	"bytes"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
	"github.com/sluicemail/sluice/queue"
)

// What a line is made of.
const (
	lineMark    = `{"id":`      // begins it
	atMark      = `,"at":"`     // stands behind the id
	messageMark = `,"message":` // stands before the message; none is in a string, where quotes have backslashes
)

// usualLine is the size of most lines.
const usualLine = 1 << 10

// Form returns what is published of a result for a Hook (delivery.QueueNames.HookForm): the line of JSON that it
// becomes, as the property data. It is made once; storing, reading and posting only copy it.
func Form(m *queue.Message) *queue.Message {
	return &queue.Message{ID: m.ID, Recipient: m.Recipient, Data: appendLine(make([]byte, 0, usualLine), m)}
}

// appendLine appends the line of a result: who it is about, how often that was tried, when it came about, whether it is
// the last one, and the message as logs and results queues have it.
func appendLine(dst []byte, m *queue.Message) []byte {
	var at time.Time
	if n := len(m.Results); n > 0 {
		at = m.Results[n-1].Time
	}
	_, again := m.Extra["nextattempt"]
	dst = rawjson.AppendString(append(dst, lineMark...), m.ID+"/"+strconv.Itoa(len(m.Results)))
	dst = at.UTC().AppendFormat(append(dst, atMark...), time.RFC3339)
	dst = strconv.AppendBool(append(dst, `","final":`...), !again && m.NextAttempt.IsZero())
	return append(m.AppendRecord(append(dst, messageMark...)), '}')
}

// appendFiltered appends what a filter leaves of a line, and its end.
func appendFiltered(dst, line []byte, f *Filter) []byte {
	front, message, found := bytes.Cut(line, []byte(messageMark))
	if f == nil || !found {
		return append(append(dst, line...), '\n')
	}
	dst = append(append(dst, front...), messageMark...)
	return append(f.Append(dst, bytes.TrimSuffix(message, []byte{'}'})), "}\n"...)
}

// appendStray appends a line for what is no result.
func appendStray(dst, raw []byte) []byte {
	dst = time.Now().UTC().AppendFormat(append(dst, `{"id":"/0"`+atMark...), time.RFC3339)
	dst = rawjson.AppendString(append(dst, `","final":true,"raw":`...), raw)
	return append(dst, "}\n"...)
}
