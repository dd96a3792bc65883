package sheets

import (
	"cmp"
	"strings"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

// touch is the mail that a row concerns, as far as the queue can select it.
type touch struct {
	filter queue.Filter
	more   bool   // the row selects less than filter does, by what the queue does not know
	none   bool   // wildcards, or a single address of a target: it cannot be told
	does   string // what happens to it: "waits", "fails"
}

// touched is what templates show of it.
type touched struct {
	Text string
	Seen string // proves that what is saved is what was shown
}

// touchSelection selects by the columns that most rules have.
func touchSelection(values admin.Values) touch {
	var t touch
	domain := strings.TrimSpace(cmp.Or(text(values, "domain"), text(values, "target")))
	switch {
	case domain == "*":
	case strings.ContainsAny(domain, `*?[\`), isAddress(domain), text(values, "ip") != "":
		t.none = true
	default:
		t.filter.Domain = strings.ToLower(domain)
	}
	t.filter.Tag = text(values, "tag")
	t.more = text(values, "localip") != "" || text(values, "pool") != ""
	return t
}

func touchPause(values admin.Values) touch {
	t := touchSelection(values)
	t.does = "is held back"
	return t
}

func touchError(values admin.Values) touch {
	t := touchSelection(values)
	t.does = "ends with this error without being tried"
	return t
}

func touchRedirect(values admin.Values) touch {
	t := touchSelection(values)
	t.more = true
	t.does = "leaves from the other address"
	return t
}

func touchSuppression(values admin.Values) touch {
	t := touch{does: "ends with this error without being tried"}
	value := strings.ToLower(strings.TrimSpace(text(values, "value")))
	switch {
	case value == "":
		t.none = true
	case strings.Contains(value, "@") && !strings.HasPrefix(value, "@"):
		t.filter.Recipient = value
	default:
		t.filter.Domain = strings.TrimPrefix(value, "@")
	}
	return t
}

const mostTouched = 200_000

// count returns how many messages match, up to mostTouched, and whether that is known.
func (v *visit) countMessages(f queue.Filter) (n int, known bool) {
	inspector, ok := v.c.Admin.Queue.(queue.Inspector)
	if !ok {
		return 0, false
	}
	cursor := ""
	for n < mostTouched {
		entries, next, err := inspector.List(v.R.Context(), f, cursor, 10_000)
		if err != nil {
			return 0, false
		}
		n += len(entries)
		if next == "" {
			break
		}
		cursor = next
	}
	return n, true
}

// touch says how much mail that waits now a row concerns.
func (v *visit) touch(t touch) *touched {
	mail := "mail"
	switch {
	case t.filter.Recipient != "":
		mail += " to " + human.Cut(t.filter.Recipient, 200)
	case t.filter.Domain != "":
		mail += " to " + human.Cut(t.filter.Domain, 200)
	case t.filter.Tag == "" && !t.more && !t.none:
		mail = "all mail"
	}
	if t.filter.Tag != "" {
		mail += " with the tag “" + human.Cut(t.filter.Tag, 100) + "”"
	}
	if t.none {
		return &touched{Text: "What will change: the mail that it selects " + t.does +
			". How much of that waits now cannot be told beforehand."}
	}
	n, known := v.countMessages(t.filter)
	if !known {
		return &touched{Text: "What will change: " + mail + " " + t.does +
			". How much of it waits now cannot be told: the queue cannot be looked into."}
	}
	return &touched{Text: "What will change: " + mail + " " + t.does + ". " + t.amount(n)}
}

func (t *touch) amount(n int) string {
	switch {
	case n == 0:
		return "None of it waits now."
	case n >= mostTouched:
		return "More than " + human.Count(mostTouched) + " messages wait now."
	case t.more:
		return "At most " + human.Plural(n, "message") + " " + human.Pick(n, "waits", "wait") +
			" now: those to all of that, from whichever address."
	}
	return human.Capital(human.Plural(n, "message")) + " " + human.Pick(n, "waits", "wait") + " now."
}

// waiting is the number of messages that a rule concerns, in few words.
func (v *visit) waiting(t touch) string {
	if t.none || t.filter == (queue.Filter{}) {
		return "–"
	}
	n, known := v.countMessages(t.filter)
	switch {
	case !known:
		return "–"
	case n >= mostTouched:
		return "> " + human.Count(mostTouched)
	}
	return human.Count(n)
}
