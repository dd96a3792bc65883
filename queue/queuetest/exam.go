package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// exam is one case under way, with the engine that it examines.
type exam struct {
	*testing.T
	opts      Options
	q         queue.Queue
	inspector queue.Inspector
	parker    queue.Parker
}

// reopen closes the engine and opens it again.
func (e *exam) reopen() {
	e.Helper()
	e.q = e.opts.Reopen(e.T, e.q)
	e.inspector, _ = e.q.(queue.Inspector)
	e.parker, _ = e.q.(queue.Parker)
}

func (e *exam) ctx() context.Context { return e.T.Context() }

// mail makes a message with this id to recipient, with a short mail that names the id.
func mail(id, recipient string) *queue.Message {
	return &queue.Message{
		ID: id, Envelope: "sender@example.org", Recipient: recipient,
		Received: time.Now().UTC().Truncate(time.Second),
		Body:     queue.Bytes("Subject: " + id + "\r\n\r\nHello, this is " + id + ".\r\n"),
	}
}

// mails makes n messages to one domain, with ids from prefix-00 on.
func mails(prefix string, n int) []*queue.Message {
	list := make([]*queue.Message, n)
	for i := range list {
		list[i] = mail(fmt.Sprintf("%s-%02d", prefix, i), "someone@example.com")
	}
	return list
}

func items(name string, messages ...*queue.Message) []queue.Item {
	list := make([]queue.Item, len(messages))
	for i, m := range messages {
		list[i] = queue.Item{Queue: name, Message: m}
	}
	return list
}

func (e *exam) publish(name string, messages ...*queue.Message) {
	e.Helper()
	require.NoError(e, e.q.Publish(e.ctx(), items(name, messages...)...), "Publish")
}

func (e *exam) settle(d *queue.Delivery, successors ...queue.Item) {
	e.Helper()
	require.NoError(e, d.Settle(e.ctx(), successors...), "Settle of %s", d.Message.ID)
}

func (e *exam) release(d *queue.Delivery) {
	e.Helper()
	require.NoError(e, d.Release(e.ctx()), "Release of %s", d.Message.ID)
}

func (e *exam) park(d *queue.Delivery, key string) {
	e.Helper()
	require.NoError(e, e.parker.Park(e.ctx(), d, key), "Park of %s under %q", d.Message.ID, key)
}

// unpark demands that Unpark lets want messages go.
func (e *exam) unpark(name, key string, n, want int) {
	e.Helper()
	got, err := e.parker.Unpark(e.ctx(), name, key, n)
	require.NoError(e, err, "Unpark")
	require.Equal(e, want, got, "Unpark says how many messages it let go")
}

// parked demands the counts of what is parked.
func (e *exam) parked(name string, want map[string]int) {
	e.Helper()
	var got map[string]int
	e.eventually(func() bool {
		var err error
		got, err = e.parker.Parked(e.ctx(), name)
		require.NoError(e, err, "Parked")
		for key, n := range got {
			if n == 0 {
				delete(got, key)
			}
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	}, func() string { return fmt.Sprintf("Parked should come to be %v, is %v", want, got) })
}

// eventually waits for ok.
func (e *exam) eventually(ok func() bool, what func() string) {
	e.Helper()
	for deadline := time.Now().Add(e.opts.Patience); !ok(); {
		if time.Now().After(deadline) {
			require.Fail(e, what())
		}
		select {
		case <-e.ctx().Done():
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// reader is a consumer whose deliveries wait to be taken.
type reader struct {
	e      *exam
	name   string
	ch     chan *queue.Delivery
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended is closed
}

// consume starts a consumer that runs until stop, or until the case ends.
func (e *exam) consume(name string, prefetch int) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	room := prefetch
	if room == 0 {
		room = queue.DefaultPrefetch
	}
	r := &reader{e: e, name: name, ch: make(chan *queue.Delivery, room), cancel: cancel, ended: make(chan struct{})}
	q := e.q
	go func() {
		defer close(r.ended)
		r.err = q.Consume(ctx, name, queue.ConsumeOptions{Prefetch: prefetch}, func(d *queue.Delivery) {
			select {
			case r.ch <- d:
			default:
				e.Errorf("more than %d deliveries of queue %s are out", room, name)
			}
		})
	}()
	e.Cleanup(func() {
		cancel()
		<-r.ended
	})
	return r
}

// next takes the next delivery, which must be sound.
func (r *reader) next() *queue.Delivery {
	r.e.Helper()
	select {
	case d := <-r.ch:
		require.NoError(r.e, d.Err, "Err of a delivery")
		require.NotNil(r.e, d.Message, "Message of a delivery")
		require.Equal(r.e, r.name, d.Queue, "Queue of a delivery")
		return d
	case <-r.ended:
		require.Failf(r.e, "Consume ended early", "queue %s: %v", r.name, r.err)
	case <-time.After(r.e.opts.Patience):
		require.Failf(r.e, "no message came", "queue %s, waited %v", r.name, r.e.opts.Patience)
	}
	return nil
}

// take takes n deliveries.
func (r *reader) take(n int) []*queue.Delivery {
	r.e.Helper()
	list := make([]*queue.Delivery, n)
	for i := range list {
		list[i] = r.next()
	}
	return list
}

// none demands that nothing comes.
func (r *reader) none(why string) {
	r.e.Helper()
	select {
	case d := <-r.ch:
		require.Failf(r.e, "a message came that must not", "%s in queue %s: %s", d.Message.ID, r.name, why)
	case <-time.After(r.e.opts.Quiet):
	}
}

// stop ends the consumer and demands that Consume returns nil.
func (r *reader) stop() {
	r.e.Helper()
	r.cancel()
	r.finish()
	require.NoError(r.e, r.err, "Consume after its context ended")
}

// finish waits until Consume has returned.
func (r *reader) finish() {
	r.e.Helper()
	select {
	case <-r.ended:
	case <-time.After(r.e.opts.Patience):
		require.Fail(r.e, "Consume did not return")
	}
}

// ids returns the ids of deliveries, in order.
func ids(deliveries []*queue.Delivery) []string {
	list := make([]string, len(deliveries))
	for i, d := range deliveries {
		list[i] = d.Message.ID
	}
	return list
}

// names returns the ids of messages, in order.
func names(messages []*queue.Message) []string {
	list := make([]string, len(messages))
	for i, m := range messages {
		list[i] = m.ID
	}
	return list
}

// content reads a body in full.
func (e *exam) content(b queue.Body) []byte {
	e.Helper()
	require.NotNil(e, b, "the message came without its mail")
	data, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	require.NoError(e, err, "reading the mail")
	require.Len(e, data, int(b.Size()), "the mail is as long as its Size says")
	return data
}

// same demands that got is want, mail included, to the second.
func (e *exam) same(want, got *queue.Message) {
	e.Helper()
	if want.Body == nil {
		require.Nil(e, got.Body, "Body of a message without a mail")
	} else if !bytes.Equal(e.content(want.Body), e.content(got.Body)) {
		require.Fail(e, "the mail was changed")
	}
	a, b := *want, *got
	a.Body, b.Body = nil, nil
	require.Equal(e, a, b, "the message was changed")
}
