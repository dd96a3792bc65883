package webhook

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// DeadLetter is a result that was refused for good.
type DeadLetter struct {
	Number uint64          `json:"number"` // among dead letters
	Time   time.Time       `json:"time"`   // when it was refused
	Reason string          `json:"reason"`
	Result json.RawMessage `json:"result"` // as it was sent
}

// bury keeps the results of a JSON array that was refused for good.
func (h *Hook) bury(array []byte, reason string) error {
	now := time.Now().UTC()
	var lines []byte
	count := 0
	rawjson.Elements(array, func(_ int, result []byte) bool {
		lines = now.AppendFormat(append(lines, `{"time":"`...), time.RFC3339)
		lines = rawjson.AppendString(append(lines, `","reason":`...), reason)
		lines = append(append(append(lines, `,"result":`...), result...), "}\n"...)
		count++
		return true
	})
	lost, err := h.dead.append(lines, count)
	if lost > 0 {
		h.log.Error("too many results were refused for good by the web hook: the oldest of them are lost", "results", lost)
	}
	if err == nil {
		h.log.Warn("the web hook refused results for good; they are kept as dead letters", "results", count, "reason", reason)
	}
	return err
}

// DeadLetters returns up to limit results that were refused for good and not sent again since, from a number on, oldest
// first.
func (h *Hook) DeadLetters(from uint64, limit int) ([]DeadLetter, error) {
	at, err := h.dead.find(max(from, h.dead.extent().done))
	if err != nil {
		return nil, err
	}
	all, room := []DeadLetter{}, make([]byte, leastSegment)
	for len(all) < limit {
		lines, end, err := h.dead.read(at, limit-len(all), room)
		if err != nil || len(lines) == 0 {
			return all, err
		}
		number := end.number - uint64(countLines(lines))
		for line := range bytes.Lines(lines) {
			letter := DeadLetter{Number: number}
			if err := json.Unmarshal(line, &letter); err != nil {
				letter.Reason = "damaged on disk: " + err.Error()
			}
			letter.Number = number
			all = append(all, letter)
			number++
		}
		at = end
	}
	return all, nil
}
