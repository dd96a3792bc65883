package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// show prints an entry.
func (l *logRun) show(e *logsearch.Entry) error {
	l.printed++
	if l.JSON {
		return json.NewEncoder(l.out).Encode(e)
	}
	what := string(e.Outcome)
	if e.Kind == logsearch.Received {
		what = string(logsearch.Received)
	}
	fmt.Fprintf(l.out, "%s %-9s <%s> -> <%s>", e.Time.Format(time.DateTime), what, clean(e.Envelope), clean(e.Recipient))
	switch {
	case e.Kind == logsearch.Received:
		fmt.Fprintf(l.out, " by %s", cmp.Or(string(e.Source), "queue"))
		if e.Client != "" {
			fmt.Fprintf(l.out, " from %s", clean(e.Client))
		}
	default:
		if e.To != "" {
			fmt.Fprintf(l.out, " [%s]", clean(e.To))
		}
		if e.Code != 0 {
			fmt.Fprintf(l.out, " %d", e.Code)
		}
		fmt.Fprintf(l.out, " %s", clean(strings.TrimSpace(e.Status+" "+e.Description)))
	}
	if _, err := l.out.WriteString("\n"); err != nil || !l.Detail {
		return err
	}
	return l.detail(e)
}

// detail prints what else is known of an entry.
func (l *logRun) detail(e *logsearch.Entry) error {
	attempt := ""
	if e.Attempt > 0 {
		attempt = fmt.Sprint(e.Attempt)
	}
	state := e.State
	if e.Result != "" {
		state += ":" + e.Result
	}
	for _, f := range [][2]string{{"message-id", e.ID}, {"attempt", attempt}, {"state", state}, {"class", e.Class},
		{"from", e.From}, {"to", e.To}, {"mta", e.MTA}, {"source", string(e.Source)}, {"client", e.Client},
		{"user", e.User}, {"tags", strings.Join(e.Tags, " ")}} {
		if f[1] != "" {
			fmt.Fprintf(l.out, "    %-10s  %s\n", f[0], clean(f[1]))
		}
	}
	return l.out.WriteByte('\n')
}

// clean keeps control characters of others from the terminal, and what changes the direction of writing.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}

// lineOrders are the orders of lines.
func lineOrders() map[string]func(a, b *logsearch.Entry) int {
	return map[string]func(a, b *logsearch.Entry) int{
		"time":      func(a, b *logsearch.Entry) int { return a.Time.Compare(b.Time) },
		"sender":    func(a, b *logsearch.Entry) int { return strings.Compare(a.Envelope, b.Envelope) },
		"recipient": func(a, b *logsearch.Entry) int { return strings.Compare(a.Recipient, b.Recipient) },
		"domain": func(a, b *logsearch.Entry) int {
			return strings.Compare(addr.Domain(a.Recipient), addr.Domain(b.Recipient))
		},
		"code": func(a, b *logsearch.Entry) int { return a.Code - b.Code },
	}
}

// mostKept is how many entries are held in memory to be put into another order.
const mostKept = 100_000

// kept holds the newest entries, or all where they are to be sorted.
type kept struct {
	l       *logRun
	entries []logsearch.Entry
}

func (k *kept) add(e *logsearch.Entry) error {
	k.entries = append(k.entries, *e)
	sorted := k.l.Sort != "" && k.l.Sort != "time"
	switch limit := k.l.Limit; {
	case sorted && len(k.entries) > mostKept:
		return coded{ExitFailed, fmt.Errorf("more than %d entries to be sorted by %s: ask for less time, or for fewer of them",
			mostKept, k.l.Sort)}
	case !sorted && len(k.entries) >= 2*limit && len(k.entries) > limit+1000:
		k.entries = slices.Clone(k.entries[len(k.entries)-limit:])
	}
	return nil
}

func (k *kept) end(l *logRun) error {
	if n := len(k.entries); l.Limit > 0 && n > l.Limit {
		k.entries = k.entries[n-l.Limit:]
	}
	if order := lineOrders()[l.Sort]; order != nil {
		slices.SortStableFunc(k.entries, func(a, b logsearch.Entry) int { return order(&a, &b) })
	}
	for i := range k.entries {
		if err := l.show(&k.entries[i]); err != nil {
			return err
		}
	}
	return nil
}
