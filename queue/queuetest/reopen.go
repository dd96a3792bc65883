package queuetest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var reopening = []rule{
	{name: "reopen: waiting mail", run: reopenWaiting, skip: forgetful,
		text: "what was published is there, unchanged and in order, when the queue is opened again"},
	{name: "reopen: settled mail", run: reopenSettled, skip: forgetful,
		text: "after an orderly Close what was settled stays gone, and its successors are there"},
	{name: "reopen: deliveries out", run: reopenOut, skip: forgetful,
		text: "what was out when the queue closed is handed out again"},
	{name: "reopen: delayed mail", run: reopenDelayed, skip: forgetful,
		text: "a delayed message is still delayed when the queue is opened again"},
	{name: "reopen: parked mail", run: reopenParked, skip: forgetfulOrShared, needs: hasParker,
		text: "what was parked is handed out again when the queue is opened again"},
	{name: "reopen: mails", run: reopenMails, skip: forgetful,
		text: "mails, shared and large ones too, are there byte for byte when the queue is opened again, for every message that has not been settled"},
	{name: "reopen: many times", run: reopenOften, skip: forgetful,
		text: "a queue can be opened and closed any number of times"},
	{name: "reopen: inspection", run: reopenInspected, skip: forgetful, needs: hasInspector,
		text: "counters, listings, moves and purges outlast the queue's closing"},
}

func reopenWaiting(e *exam) {
	list := append(mails("m", 9), Full())
	list[9].Priority = -1
	e.publish("outbox", list...)
	e.publish("results", mail("result", "a@example.com"))
	e.reopen()
	out := e.consume("outbox", 0).take(10)
	for _, d := range out {
		e.same(list[indexOf(list, d.Message.ID)], d.Message)
	}
	if !e.opts.Unordered && !e.opts.NoPriorities {
		require.Equal(e, names(list), ids(out))
	}
	require.Equal(e, "result", e.consume("results", 0).next().Message.ID)
}

func reopenSettled(e *exam) {
	e.publish("outbox", mails("m", 4)...)
	r := e.consume("outbox", 0)
	out := r.take(4)
	e.settle(out[0])
	e.settle(out[1], queue.Item{Queue: "results", Message: out[1].Message})
	retry := *out[2].Message
	retry.Results = []queue.Result{{State: queue.StateData, Code: 451}}
	e.settle(out[2], queue.Item{Queue: "outbox", Message: &retry})
	e.settle(r.next())
	e.settle(out[3], queue.Item{Queue: "outbox", Message: out[3].Message})
	last := r.next()
	r.stop()
	e.release(last)
	e.reopen()
	again := e.consume("outbox", 0)
	require.Equal(e, out[3].Message.ID, again.next().Message.ID)
	again.none("everything else was settled")
	results := e.consume("results", 0)
	require.Equal(e, out[1].Message.ID, results.next().Message.ID)
	results.none("there was one result")
}

func reopenOut(e *exam) {
	e.publish("outbox", mails("m", 5)...)
	r := e.consume("outbox", 3)
	r.take(3)
	r.stop()
	e.reopen()
	require.ElementsMatch(e, names(mails("m", 5)), ids(e.consume("outbox", 0).take(5)))
}

func reopenDelayed(e *exam) {
	late, never := mail("late", "a@example.com"), mail("never", "a@example.com")
	late.NextAttempt, never.NextAttempt = soon(), time.Now().Add(time.Hour).UTC()
	e.publish("outbox", late, never)
	e.reopen()
	r := e.consume("outbox", 0)
	d := r.next()
	require.False(e, time.Now().Before(late.NextAttempt), "it came %v early", time.Until(late.NextAttempt))
	e.same(late, d.Message)
	r.none("it is due in an hour")
}

func reopenParked(e *exam) {
	e.publish("outbox", mails("m", 3)...)
	r := e.consume("outbox", 0)
	out := r.take(3)
	e.park(out[0], "k")
	e.park(out[1], "k")
	e.settle(out[2])
	r.stop()
	e.reopen()
	r = e.consume("outbox", 0)
	require.ElementsMatch(e, []string{out[0].Message.ID, out[1].Message.ID}, ids(r.take(2)))
	r.none("it was settled")
	e.parked("outbox", map[string]int{})
}

func reopenMails(e *exam) {
	shared, large := noise(1, 20_000), noise(2, 5<<20)
	list := mails("m", 5)
	for _, m := range list[:3] {
		m.Body = queue.Bytes(shared)
	}
	f := e.file(large)
	list[3].Body, list[4].Body = f, f
	e.publish("outbox", list...)
	require.NoError(e, f.file.Close())
	r := e.consume("outbox", 0)
	for _, d := range r.take(5) {
		switch d.Message.ID {
		case "m-00", "m-03":
			e.settle(d)
		case "m-01", "m-04":
			e.settle(d, queue.Item{Queue: "outbox", Message: d.Message})
		}
	}
	e.reopen()
	for _, d := range e.consume("outbox", 0).take(3) {
		want := shared
		if d.Message.ID == "m-04" {
			want = large
		}
		require.True(e, bytes.Equal(want, e.content(d.Message.Body)), "the mail of %s came back changed", d.Message.ID)
		e.settle(d)
	}
	e.reopen()
	e.consume("outbox", 0).none("everything was settled")
}

func reopenOften(e *exam) {
	for i := range 8 {
		e.publish("outbox", mails(fmt.Sprint("r", i), 3)...)
		r := e.consume("outbox", 0)
		for range 2 {
			e.settle(r.next())
		}
		e.reopen()
	}
	r := e.consume("outbox", 0)
	r.take(8)
	r.none("of three messages a round two were settled")
}

func reopenInspected(e *exam) {
	e.publish("outbox", mails("m", 6)...)
	e.find("everything", queue.Filter{}, names(mails("m", 6))...)
	_, err := e.inspector.Purge(e.ctx(), queue.Filter{ID: "m-01"})
	require.NoError(e, err, "Purge")
	_, err = e.inspector.Move(e.ctx(), queue.Filter{ID: "m-02"}, "aside")
	require.NoError(e, err, "Move")
	before := e.find("before", queue.Filter{}, "m-00", "m-02", "m-03", "m-04", "m-05")
	e.reopen()
	after := e.find("after", queue.Filter{}, "m-00", "m-02", "m-03", "m-04", "m-05")
	for i := range before {
		require.WithinDuration(e, before[i].Stored, after[i].Stored, time.Second, "Stored of %s", before[i].ID)
		before[i].Stored, after[i].Stored = time.Time{}, time.Time{}
		before[i].Due, after[i].Due = time.Time{}, time.Time{}
	}
	require.Equal(e, before, after)
	size := mails("m", 1)[0].Body.Size()
	e.stats(queue.Stats{Queue: "outbox", Ready: 4, Bytes: 4 * size})
	e.stats(queue.Stats{Queue: "aside", Ready: 1, Bytes: size})
}
