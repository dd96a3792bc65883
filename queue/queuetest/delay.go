package queuetest

import (
	"time"

	"github.com/stretchr/testify/require"
)

var delaying = []rule{
	{name: "delayed", run: delayed,
		text: "a message whose NextAttempt lies in the future is handed out then, not before, and holds up no other"},
	{name: "due at once", run: dueAtOnce,
		text: "a message whose NextAttempt is past is handed out at once"},
	{name: "delays of all lengths", run: allDelays,
		text: "a message with a short delay does not wait behind one with a long delay"},
}

func delayed(e *exam) {
	r := e.consume("outbox", 0)
	late := mail("late", "a@example.com")
	late.NextAttempt = soon()
	e.publish("outbox", late, mail("now", "a@example.com"))
	require.Equal(e, "now", r.next().Message.ID)
	d := r.next()
	require.False(e, time.Now().Before(late.NextAttempt), "it came %v early", time.Until(late.NextAttempt))
	e.same(late, d.Message)
}

func dueAtOnce(e *exam) {
	m := mail("m", "a@example.com")
	m.NextAttempt = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	e.publish("outbox", m)
	e.same(m, e.consume("outbox", 0).next().Message)
}

func allDelays(e *exam) {
	never, late := mail("never", "a@example.com"), mail("late", "a@example.com")
	never.NextAttempt = time.Now().Add(300 * 24 * time.Hour).UTC()
	late.NextAttempt = soon()
	e.publish("outbox", never)
	e.publish("outbox", late)
	r := e.consume("outbox", 0)
	require.Equal(e, "late", r.next().Message.ID)
	r.none("it is due in 300 days")
}
