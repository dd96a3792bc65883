package rabbitmq

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// Settle implements queue.Driver. Once the successors are confirmed it succeeds: when the channel of the original is
// gone, or its acknowledgement is lost with it, the original is acknowledged when the broker hands it out again.
func (d *delivery) Settle(ctx context.Context, _ *queue.Delivery, successors []queue.Item) error {
	if err := queue.CheckItems(successors); err != nil {
		return err
	}
	if err := d.b.q.store(ctx, successors); err != nil {
		return err
	}
	d.acknowledge()
	return nil
}

// acknowledge removes the message from the broker.
func (d *delivery) acknowledge() {
	b := d.b
	b.mu.Lock()
	l := d.link
	if l == nil {
		b.disown(d).settled++
		b.leave(d)
		b.mu.Unlock()
		return
	}
	was := d.state
	if was == stateGone { // its link was cut while it moved
		b.mu.Unlock()
		return
	}
	p := proof{tag: d.tag, key: d.key, named: d.read.id != ""}
	d.state = stateSettled
	if was != stateOut && d.c != nil {
		d.c.idle--
		d.c.out++
	}
	b.mu.Unlock()
	acknowledged := l.ack(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, open := l.open[p.tag]; open && !acknowledged { // the link was cut just now, and sever has not come to it
		b.record(d.key).settled++
	}
	b.leave(d)
	b.close(l, p.tag)
}

// close ends what a link knows of a message. The lock is held.
func (b *book) close(l *link, tag uint64) {
	delete(l.open, tag)
	select {
	case l.less <- struct{}{}:
	default:
	}
}

// Release implements queue.Driver.
func (d *delivery) Release(context.Context, *queue.Delivery) error {
	if d.b.q.isClosed() {
		return queue.ErrClosed
	}
	b := d.b
	b.mu.Lock()
	defer b.mu.Unlock()
	l := d.link
	switch {
	case l == nil: // the broker hands it out again
		b.disown(d).released++
		b.leave(d)
	case d.from != nil: // the broker would put it back into the parking queue
		again := d.again()
		b.leave(d)
		l.open[d.tag] = again
		b.front.pushFront(again)
		b.wake()
	default:
		if r := b.records[d.key]; r != nil {
			r.released++
		}
		b.leave(d)
		b.close(l, d.tag)
		_ = l.ch.Nack(d.tag, false, true)
	}
	return nil
}

// again makes a fresh delivery of one that was unparked and released.
func (d *delivery) again() *delivery {
	fresh := &delivery{b: d.b, read: d.read, key: d.key, cost: d.cost, from: d.from, link: d.link, tag: d.tag,
		since: d.since}
	d.b.q.held.add(fresh.cost)
	fresh.decode(true)
	return fresh
}

// decode makes what the consumer sees.
func (d *delivery) decode(again bool) {
	d.out = queue.NewDelivery(d)
	d.out.Queue, d.out.Redelivered = d.b.name, again
	data, err := d.read.plain(d.b.q.opts.MaxMessageSize)
	if err == nil {
		d.out.Message, err = queue.Unmarshal(data)
	}
	d.out.Err = err
	if d.out.Message == nil {
		d.out.Raw = d.read.raw
	}
}

// plain returns the JSON of a message.
func (m *message) plain(limit int64) ([]byte, error) {
	switch strings.ToLower(m.encoding) {
	case "", "identity", "utf-8", "utf8": // some clients name the charset there
		return m.raw, nil
	case "gzip", "x-gzip":
		return inflate(m.raw, limit)
	}
	return nil, &queue.SyntaxError{Reason: fmt.Sprintf("the content-encoding %.40q is not known", m.encoding)}
}

// inflate uncompresses, up to a limit.
func inflate(raw []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, &queue.SyntaxError{Reason: "the content-encoding is gzip, but not the content"}
	}
	data := bytes.NewBuffer(make([]byte, 0, min(inflated(raw), limit)+bytes.MinRead))
	_, err = io.Copy(data, io.LimitReader(z, limit+1))
	switch {
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF), err != nil:
		return nil, &queue.SyntaxError{Offset: int64(data.Len()), Reason: "the content is damaged gzip"}
	case int64(data.Len()) > limit:
		return nil, &queue.SyntaxError{Offset: limit, Reason: "the content in gzip is larger than a message may be"}
	}
	return data.Bytes(), nil
}

// inflated is what the end of data in gzip says about its size. It is a hint, believed up to what gzip can reach.
func inflated(raw []byte) int64 {
	if len(raw) < 18 {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(raw[len(raw)-4:])), int64(len(raw))*1032)
}

// estimate is how much memory a delivery takes: the message as it came, in plain text, and decoded.
func (d *delivery) estimate() int64 {
	n := int64(len(d.read.raw))
	if d.read.encoding == "" {
		return 2*n + overhead
	}
	return n + 2*min(inflated(d.read.raw), d.b.q.opts.MaxMessageSize) + overhead
}

// job publishes the message as it came to another queue.
func (d *delivery) job(key string, headers amqp.Table) *job {
	if headers == nil {
		headers = amqp.Table{}
	}
	headers[sinceHeader] = time.Now().UnixNano()
	return &job{key: key, size: int64(len(d.read.raw)), msg: amqp.Publishing{
		ContentType: "application/json", ContentEncoding: d.read.encoding, MessageId: d.read.id, Priority: d.read.priority,
		DeliveryMode: amqp.Persistent, Timestamp: time.Now(), Headers: headers, Body: d.read.raw}}
}

// copyTo publishes the message as it came to another queue and waits for the confirmation.
func (d *delivery) copyTo(ctx context.Context, key string, headers amqp.Table) error {
	q := d.b.q
	p, err := q.publisher()
	if err != nil {
		return err
	}
	b := &batch{left: 1, done: make(chan struct{}), errs: make([]error, 1)}
	j := d.job(key, headers)
	b.add(0, j)
	_ = p.put(ctx, j)
	b.finish(-1, nil)
	if err := q.await(ctx, b); err != nil {
		return err
	}
	return b.errs[0]
}

// delay moves a message into the ladder, and one that has come from there to its next step, or to the queue that it is
// for. Until that is done it stays with the broker.
func (d *delivery) delay(ctx context.Context, due time.Time) {
	q := d.b.q
	moved := func(err error) {
		if err == nil {
			d.acknowledge()
			return
		}
		var lost *unroutable
		if errors.As(err, &lost) {
			q.forgetRoutes(d.b.name)
		}
		again := time.Second
		if errors.Is(err, queue.ErrTooLarge) { // somebody set the broker so after it had taken the message
			if again = time.Minute; d.c != nil {
				d.hold(time.Until(due))
				return
			}
		}
		time.AfterFunc(again, func() {
			if !q.isClosed() && d.moving() {
				q.start(func() { d.delay(q.life, due) })
			}
		})
	}
	_, key, err := q.route(ctx, d.b.name, due)
	if err != nil {
		moved(err)
		return
	}
	if key == d.b.name && d.c != nil { // it is due by now, or nearly
		d.hold(time.Until(due))
		return
	}
	p, err := q.publisher()
	if err != nil {
		moved(err)
		return
	}
	j := d.job(key, delayed(due))
	j.done = moved
	_ = p.put(ctx, j)
}

// hold keeps a message that was to move in memory instead.
func (d *delivery) hold(wait time.Duration) {
	d.b.mu.Lock()
	if d.state == stateMoving {
		d.state = stateHeld
	}
	d.b.mu.Unlock()
	time.AfterFunc(wait, d.wakeUp)
}

func (d *delivery) moving() bool {
	d.b.mu.Lock()
	defer d.b.mu.Unlock()
	return d.state == stateMoving
}
