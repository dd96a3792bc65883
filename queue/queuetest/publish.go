package queuetest

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var publishing = []rule{
	{name: "publish and consume", run: publishAndConsume,
		text: "a published message is handed to a consumer of its queue, once, as it was published"},
	{name: "consumer comes later", run: consumerComesLater,
		text: "messages wait for a consumer"},
	{name: "queues are apart", run: queuesAreApart,
		text: "a consumer gets the messages of the queue that it named and no others"},
	{name: "one publish, many queues", run: manyQueues,
		text: "the items of one Publish may name different queues"},
	{name: "order", run: keepsOrder, skip: unordered,
		text: "messages to one domain and of one priority are handed out in the order of publishing"},
	{name: "priorities", run: priorities, skip: noPriority,
		text: "of the messages that wait those of a higher Priority are handed out first"},
	{name: "nobody starves", run: nobodyStarves,
		text: "a message that waits is not passed over for ever, however many wait for another domain"},
	{name: "publish nothing", run: publishNothing,
		text: "a Publish without items succeeds"},
	{name: "invalid items", run: invalidItems,
		text: "an item without a message or without a queue is refused with an error, and nothing of that Publish is stored"},
	{name: "publisher keeps its message", run: publisherKeepsMessage,
		text: "the queue does not change a published message, and keeps no reference to it: the publisher may change it afterwards"},
	{name: "given messages", run: givenMessages,
		text: "an item that is Given is handed out as any other: whole, once, to a consumer that waits or comes later, and whole " +
			"again after Release, whatever the consumer did with the message"},
	{name: "all or nothing", run: allOrNothing, needs: isAtomic,
		text: "an engine that says Atomic() stores no item of a Publish that fails"},
}

func publishAndConsume(e *exam) {
	r := e.consume("outbox", 0)
	want := mail("first", "a@example.com")
	e.publish("outbox", want)
	d := r.next()
	e.same(want, d.Message)
	require.False(e, d.Redelivered, "Redelivered of a message that nobody had before")
	require.False(e, d.Picked.IsZero(), "Picked tells when the message was handed out")
	e.settle(d)
	r.none("it was settled")
}

func consumerComesLater(e *exam) {
	e.publish("outbox", mails("m", 5)...)
	r := e.consume("outbox", 0)
	require.ElementsMatch(e, names(mails("m", 5)), ids(r.take(5)))
}

func queuesAreApart(e *exam) {
	a, b := e.consume("a", 0), e.consume("b", 0)
	e.publish("a", mail("for-a", "x@example.com"))
	require.Equal(e, "for-a", a.next().Message.ID)
	b.none("it was published to another queue")
}

func manyQueues(e *exam) {
	list := mails("m", 3)
	require.NoError(e, e.q.Publish(e.ctx(), queue.Item{Queue: "a", Message: list[0]},
		queue.Item{Queue: "b", Message: list[1]}, queue.Item{Queue: "a", Message: list[2]}))
	require.ElementsMatch(e, []string{"m-00", "m-02"}, ids(e.consume("a", 0).take(2)))
	require.Equal(e, "m-01", e.consume("b", 0).next().Message.ID)
}

func keepsOrder(e *exam) {
	list := mails("m", 60)
	e.publish("outbox", list[:20]...)
	for _, m := range list[20:40] {
		e.publish("outbox", m)
	}
	r := e.consume("outbox", 0)
	e.publish("outbox", list[40:]...)
	require.Equal(e, names(list), ids(r.take(60)))
}

func priorities(e *exam) {
	list := mails("m", 6)
	for i, p := range []int{0, 1, 0, 2, 1, 2} {
		list[i].Priority = p
		e.publish("outbox", list[i])
	}
	r := e.consume("outbox", 1)
	var got []int
	for range list {
		d := r.next()
		got = append(got, d.Message.Priority)
		e.settle(d)
	}
	require.Equal(e, []int{2, 2, 1, 1, 0, 0}, got)
}

func nobodyStarves(e *exam) {
	e.publish("outbox", mails("many", 50)...)
	e.publish("outbox", mail("one", "someone@example.net"))
	r := e.consume("outbox", 10)
	for range 51 {
		d := r.next()
		e.settle(d)
		if d.Message.ID == "one" {
			return
		}
	}
	require.Fail(e, "one message of fifty-one never came")
}

func publishNothing(e *exam) { require.NoError(e, e.q.Publish(e.ctx())) }

func invalidItems(e *exam) {
	good := queue.Item{Queue: "outbox", Message: mail("beside-invalid", "a@example.com")}
	require.Error(e, e.q.Publish(e.ctx(), good, queue.Item{Queue: "outbox"}), "Publish of an item without a message")
	require.Error(e, e.q.Publish(e.ctx(), good, queue.Item{Message: mail("nowhere", "a@example.com")}),
		"Publish to no queue")
	e.publish("outbox", mail("good", "a@example.com"))
	r := e.consume("outbox", 0)
	require.Equal(e, "good", r.next().Message.ID)
	r.none("Publish refused it")
}

func publisherKeepsMessage(e *exam) {
	m := Full()
	e.publish("outbox", m)
	e.same(Full(), m)
	m.Recipient, m.Tags[0], m.Connection.User, m.Results[1].Cipher.Name = "other@example.net", "changed", "changed",
		"changed"
	copy(m.Checks[0], `{"xxx"`)
	copy(m.Extra["campaign"], `{"xx"`)
	e.same(Full(), e.consume("outbox", 0).next().Message)
}

func givenMessages(e *exam) {
	given := func(id string) queue.Item {
		m := Full()
		m.ID, m.Body, m.NextAttempt = id, nil, time.Time{}
		return queue.Item{Queue: "results", Message: m, Given: true}
	}
	same := func(d *queue.Delivery) { e.same(given(d.Message.ID).Message, d.Message) }
	require.NoError(e, e.q.Publish(e.ctx(), given("early")), "Publish of a message that is given")
	r := e.consume("results", 0)
	d := r.next()
	same(d)
	e.publish("outbox", mail("attempt", "a@example.com"))
	e.settle(e.consume("outbox", 0).next(), given("one"), queue.Item{Queue: "success", Message: Full()}, given("two"))
	for _, d := range r.take(2) {
		same(d)
		d.Message.ID, d.Message.Results = "changed", nil
		e.release(d)
	}
	seen := r.take(2)
	require.ElementsMatch(e, []string{"one", "two"}, ids(seen))
	for _, d := range append(seen, d) {
		same(d)
		e.settle(d)
	}
	r.none("each was settled")
}

// brokenBody is a mail that cannot be read to its end.
type brokenBody struct{ testing.TB }

func (brokenBody) Size() int64 { return 300_000 }
func (brokenBody) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > 1000 {
		return 0, errors.New("queuetest: this mail cannot be read")
	}
	return len(p), nil
}

func allOrNothing(e *exam) {
	list := mails("m", 3)
	list[1].Body = brokenBody{}
	require.Error(e, e.q.Publish(e.ctx(), items("outbox", list...)...), "Publish of a mail that cannot be read")
	e.publish("outbox", mail("good", "a@example.com"))
	r := e.consume("outbox", 0)
	require.Equal(e, "good", r.next().Message.ID)
	r.none("Publish failed")
}
