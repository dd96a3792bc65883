package queuetest

import (
	"encoding/json"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var surviving = []rule{
	{name: "every property survives", run: everyProperty,
		text: "a message comes back with every property as it was, unknown ones in full"},
	{name: "the least message survives", run: leastMessage,
		text: "only the recipient is required; what is absent stays absent"},
	{name: "large properties survive", run: largeProperties,
		text: "properties may be large, and many"},
	{name: "mail yet to be made survives", run: composeSurvives,
		text: "a mime property that is an object comes back as it was"},
}

func everyProperty(e *exam) {
	e.publish("outbox", Full())
	r := e.consume("outbox", 0)
	d := r.next()
	e.same(Full(), d.Message)
	e.settle(d, queue.Item{Queue: "results", Message: d.Message})
	e.same(Full(), e.consume("results", 0).next().Message)
}

func leastMessage(e *exam) {
	e.publish("outbox", &queue.Message{Recipient: "a@example.com"})
	got := e.consume("outbox", 0).next().Message
	// A message without an id may be given one by an engine that needs one to tell messages apart.
	got.ID = ""
	e.same(&queue.Message{Recipient: "a@example.com"}, got)
}

func largeProperties(e *exam) {
	want := mail("m", "a@example.com")
	want.Data = json.RawMessage(`{"text":"` + strings.Repeat("é\\n", 40_000) + `"}`)
	want.Extra = make(map[string]json.RawMessage)
	for i := range 500 {
		want.Extra["p"+strings.Repeat("x", i)] = json.RawMessage(`[` + strings.Repeat("0,", i) + `1]`)
	}
	for range 100 {
		want.Results = append(want.Results, Full().Results...)
	}
	e.publish("outbox", want)
	e.same(want, e.consume("outbox", 0).next().Message)
}

func composeSurvives(e *exam) {
	want := mail("m", "a@example.com")
	want.Body, want.Compose = nil, json.RawMessage(`{"from":"a@example.org","subject":"hi","text":"Hello"}`)
	e.publish("outbox", want)
	got := e.consume("outbox", 0).next().Message
	e.same(want, got)
	require.JSONEq(e, string(want.Compose), string(got.Compose))
}
