package delivery

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// sentence tells people why a message waits.
func (w *Why) sentence(now time.Time) string {
	switch w.Cause {
	case ByPause:
		return "waits: " + cmp.Or(w.Pause.Rule, "a pause") + " holds it" + until(w.Until, now)
	case ByFlood:
		return fmt.Sprintf("waits: %s holds mail from %s", quoted(w.Wait.Rule, "a flood"), w.way()) + until(w.Until, now)
	case ByLimit:
		return w.limit(now)
	case ByBackOff:
		return fmt.Sprintf("waits: %s could not be reached (%s)", w.Site, w.Error) + next(w.Until, now)
	case ByRetry:
		return "waits for its next attempt" + w.answer() + next(w.Until, now)
	case BySchedule:
		return "is not to be sent yet" + next(w.Until, now)
	case ByLookUp:
		return "waits: the hosts of " + w.Site + " are being looked up"
	case BySlot:
		return "waits: all outgoing connections are taken"
	case ByConnect:
		return "waits: a connection to " + w.Site + " is being made"
	case ByTurn:
		return "waits for its turn" + w.others()
	case ByMemory:
		return "waits in the queue: the memory for messages is full"
	case ByInstance:
		return "waits: no instance is known to have an address that it may leave from"
	case BySending:
		return "is being sent, or its result is being stored"
	}
	return "is about to go"
}

// demand tells what a message itself says about TLS (RFC 8689).
func demand(m *queue.Message) string {
	switch {
	case m.RequireTLS:
		return "; it goes only over verified TLS, to hosts that offer REQUIRETLS"
	case m.TLSOptional:
		return "; what its recipient publishes about TLS does not bind it (TLS-Required: No)"
	}
	return ""
}

func (w *Why) way() string {
	if w.Source.IsValid() {
		return w.Source.String() + " to " + w.Site
	}
	return "here to " + w.Site
}

// limit tells of the limit that holds, with its value where that is known.
func (w *Why) limit(now time.Time) string {
	text := fmt.Sprintf("waits: %s limits %s to %s", quoted(w.Wait.Rule, "the throttle"), w.Wait.Limit, w.Site)
	if value := w.value; value > 0 {
		unit := w.unit
		if value == 1 {
			unit = strings.NewReplacer("messages", "message", "bytes", "byte", "connections", "connection").Replace(unit)
		}
		text = fmt.Sprintf("waits: %s allows %s %s", quoted(w.Wait.Rule, "the throttle"), thousands(value), unit)
	}
	about := w.About
	if w.Ahead == 0 {
		about = max(about, w.Until.Sub(now)) // else that is when another one goes
	}
	if about > 0 && about < time.Hour {
		return text + "; about " + short(about)
	}
	return text + w.others()
}

// measure notes the value of the limit that holds, and what it counts.
func (w *Why) measure(limits *throttle.Limits) {
	i, ok := throttle.FieldIndex(w.Wait.Limit)
	if !ok {
		return
	}
	field := throttle.Fields()[i]
	w.value = field.Get(limits)
	name := strings.TrimPrefix(field.Name, "ip_")
	w.unit = map[string]string{"maxmessages": "messages a minute", "maxbytes": "bytes a minute",
		"maxconnects":    "new connections a minute",
		"maxconnections": "connections at a time", "maxstarting": "connections being made at a time"}[name]
	if w.unit == "" {
		w.value = 0
	} else if name != field.Name {
		w.unit += " to each address"
	}
}

func (w *Why) others() string {
	switch w.Ahead {
	case 0:
		return ""
	case 1:
		return "; one message is before it"
	}
	return "; " + thousands(int64(w.Ahead)) + " messages are before it"
}

func (w *Why) answer() string {
	if w.Last == nil {
		return ""
	}
	if own, _ := ownCode(w.Last); w.Last.Code == 0 || w.Last.Code == own {
		return fmt.Sprintf(" (the last one ended with %s/%s: %s)", w.Last.State, w.Last.Result, w.Last.Description)
	}
	return fmt.Sprintf(" (the last answer was %d %s%s)", w.Last.Code, w.Last.Description, meaning(w.Last.Class))
}

// meaning tells what a reply means whose words do not say it to everybody.
func meaning(class queue.Class) string {
	if class == "" || class == queue.ClassOther {
		return ""
	}
	wrong, _ := class.Words()
	return "; " + string(class) + ": " + strings.ToLower(wrong[:1]) + strings.TrimSuffix(wrong[1:], ".")
}

func quoted(rule, otherwise string) string {
	if rule == "" {
		return otherwise
	}
	return "“" + rule + "”"
}

func until(t, now time.Time) string {
	if t.IsZero() {
		return " until it is lifted"
	}
	return ", for another " + short(t.Sub(now))
}

func next(t, now time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case !t.After(now):
		return "; the next attempt is due"
	}
	return "; next attempt in " + short(t.Sub(now))
}

// short tells a duration as people do: "40 s", "12 min", "3 h".
func short(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10) + " s"
	case d < 2*time.Hour:
		return strconv.FormatInt(int64((d+time.Minute/2)/time.Minute), 10) + " min"
	}
	return strconv.FormatInt(int64((d+time.Hour/2)/time.Hour), 10) + " h"
}

// thousands writes a number with commas.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
