package monitor

import (
	"slices"
	"strings"
	"time"
)

// Answer is a reply, or another reason, that made deliveries to a domain fail.
type Answer struct {
	Code  int       `json:"code"` // zero: not an SMTP reply
	Text  string    `json:"text"` // shortened
	Count int64     `json:"count"`
	Last  time.Time `json:"last,omitzero"`
}

const (
	maxAnswers    = 20  // of a domain
	maxAnswerText = 200 // bytes
)

// answers are the last different ones, the newest last.
type answers []Answer

func (a *answers) note(code int, text string, at time.Time) {
	text = text[:min(len(text), maxAnswerText)]
	for i := range *a {
		if known := &(*a)[i]; known.Code == code && known.Text == text {
			again := *known
			again.Count++
			again.Last = at
			copy((*a)[i:], (*a)[i+1:])
			(*a)[len(*a)-1] = again
			return
		}
	}
	if len(*a) == maxAnswers {
		*a = slices.Delete(*a, 0, 1)
	}
	*a = append(*a, Answer{Code: code, Text: strings.Clone(text), Count: 1, Last: at})
}

// Answers returns the last different replies that made deliveries to domain fail, the newest first: up to 20.
func (l *Live) Answers(domain string) []Answer {
	sh := l.shardOf(domain)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.domains.entries[domain]
	if e == nil || e.answers == nil {
		return nil
	}
	list := slices.Clone(*e.answers)
	slices.Reverse(list)
	return list
}

// tellsWhy reports whether an event of this kind has an answer worth keeping.
func tellsWhy(k Kind) bool {
	return k == Retried || k == Failed || k == Strange || k == ConnFailed
}
