package bodystore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Size is the property that tells how many bytes the mail of a message has that was put into the store: a number.
const Size = "mime-size"

// Wrap returns a queue that keeps mails in a store as terms say, and everything else in q. It has the add-ons of
// package queue that q has, and closes q when it is closed, but not the store. terms is called for each operation and
// must not block.
//
// Each distinct mail (queue.SameBody) of a Publish is put once, under a key that nobody else makes, before its messages
// are published with that key and the property Size in the place of the mail. A message that has a key already is left
// as it is. Consumers get messages as they were published: a consumer that needs the mail fetches it by its key.
//
// When the store cannot be used, Publish and Settle return an error that wraps queue.ErrFull or queue.ErrUnavailable,
// and nothing was published. A Settle that is repeated puts no mail twice.
func Wrap(q queue.Queue, store *Store, terms func() Terms) queue.Queue {
	w := &wrapper{Queue: q, store: store, terms: terms}
	inspector, inspects := q.(queue.Inspector)
	counter, counts := q.(queue.ConsumerCounter)
	parks, canPark := q.(queue.Parker)
	p := parker{parks, w}
	switch {
	case inspects && canPark && counts:
		return struct {
			*wrapper
			queue.Inspector
			parker
			queue.ConsumerCounter
		}{w, inspector, p, counter}
	case inspects && canPark:
		return struct {
			*wrapper
			queue.Inspector
			parker
		}{w, inspector, p}
	case inspects && counts:
		return struct {
			*wrapper
			queue.Inspector
			queue.ConsumerCounter
		}{w, inspector, counter}
	case canPark && counts:
		return struct {
			*wrapper
			parker
			queue.ConsumerCounter
		}{w, p, counter}
	case inspects:
		return struct {
			*wrapper
			queue.Inspector
		}{w, inspector}
	case canPark:
		return struct {
			*wrapper
			parker
		}{w, p}
	case counts:
		return struct {
			*wrapper
			queue.ConsumerCounter
		}{w, counter}
	}
	return w
}

// wrapper is what all wrapped queues have in common.
type wrapper struct {
	queue.Queue
	store *Store
	terms func() Terms
}

// Unwrap returns the queue that was wrapped.
func (w *wrapper) Unwrap() queue.Queue { return w.Queue }

// Atomic implements queue.Atomic: mails that were put for nothing are swept.
func (w *wrapper) Atomic() bool {
	a, ok := w.Queue.(queue.Atomic)
	return ok && a.Atomic()
}

// Publish implements queue.Queue.
func (w *wrapper) Publish(ctx context.Context, items ...queue.Item) error {
	if err := queue.CheckItems(items); err != nil {
		return err
	}
	terms := w.terms()
	if terms.Policy == In || terms.Policy == All {
		var err error
		if items, err = (&batch{w: w}).replace(ctx, items, &terms); err != nil {
			return err
		}
	}
	return w.Queue.Publish(ctx, items...)
}

// Consume implements queue.Queue.
func (w *wrapper) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	return w.Queue.Consume(ctx, name, opts, func(inner *queue.Delivery) {
		d := queue.NewDelivery(&driver{inner: inner, mails: batch{w: w}})
		d.Queue, d.Message, d.Raw, d.Err = inner.Queue, inner.Message, inner.Raw, inner.Err
		d.Redelivered, d.Picked = inner.Redelivered, inner.Picked
		handle(d)
	})
}

// driver settles a delivery by that of the wrapped queue.
type driver struct {
	inner *queue.Delivery
	mails batch
}

func (r *driver) Settle(ctx context.Context, _ *queue.Delivery, successors []queue.Item) error {
	if err := queue.CheckItems(successors); err != nil {
		return err
	}
	terms := r.mails.w.terms()
	if terms.Policy == Out || terms.Policy == All {
		var err error
		if successors, err = r.mails.replace(ctx, successors, &terms); err != nil {
			return err
		}
	}
	return r.inner.Settle(ctx, successors...)
}

func (r *driver) Release(ctx context.Context, _ *queue.Delivery) error { return r.inner.Release(ctx) }

// parker parks the deliveries that a wrapper handed out.
type parker struct {
	queue.Parker
	w *wrapper
}

func (p parker) Park(ctx context.Context, d *queue.Delivery, key string) error {
	r, ok := d.Driver().(*driver)
	if !ok || r.mails.w != p.w {
		return errors.New("bodystore: parking a delivery of another queue")
	}
	return d.Finish(func() error { return p.Parker.Park(ctx, r.inner, key) })
}

// batch are the mails that were put for one Publish or one delivery.
type batch struct {
	w      *wrapper
	stored []stored
}

type stored struct {
	body queue.Body
	key  string
}

// replace returns items without the mails, which are in the store then.
func (b *batch) replace(ctx context.Context, items []queue.Item, terms *Terms) ([]queue.Item, error) {
	var changed []queue.Item
	for i, item := range items {
		if item.Message.Body == nil {
			continue
		}
		m, err := b.outsource(ctx, items, i, terms)
		if err != nil {
			return nil, err
		}
		if m == item.Message {
			continue
		}
		if changed == nil {
			changed = append(changed, items...)
		}
		changed[i].Message = m
	}
	if changed == nil {
		return items, nil
	}
	return changed, nil
}

// outsource returns the message of one of the items without its mail.
func (b *batch) outsource(ctx context.Context, items []queue.Item, i int, terms *Terms) (*queue.Message, error) {
	m := items[i].Message
	if m.Key != "" {
		if mail, ok := m.Body.(*Mail); ok && mail.key == m.Key {
			bare := *m // that is where it came from
			bare.Body = nil
			return &bare, nil
		}
		return m, nil
	}
	key, err := b.put(ctx, items[i:], terms)
	if err != nil {
		return nil, err
	}
	bare := *m
	bare.Body, bare.Key = nil, key
	if bare.Extra = maps.Clone(m.Extra); bare.Extra == nil {
		bare.Extra = make(map[string]json.RawMessage, 1)
	}
	bare.Extra[Size] = strconv.AppendInt(nil, m.Body.Size(), 10)
	return &bare, nil
}

// put stores the mail of the first item, unless that was done, for as long as any of the items with the same mail needs
// it.
func (b *batch) put(ctx context.Context, items []queue.Item, terms *Terms) (key string, err error) {
	body := items[0].Message.Body
	for i := range b.stored {
		if queue.SameBody(b.stored[i].body, body) {
			return b.stored[i].key, nil
		}
	}
	var expires time.Time
	now := time.Now()
	for _, item := range items {
		if item.Message.Body == nil || !queue.SameBody(item.Message.Body, body) {
			continue
		}
		if t := terms.expires(item.Message, now); t.After(expires) {
			expires = t
		}
	}
	if terms.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, terms.Timeout)
		defer cancel()
		ctx = limited
	}
	key = rand.Text()
	if err := b.w.store.Put(ctx, key, body, expires); err != nil {
		return "", unusable(err)
	}
	b.stored = append(b.stored, stored{body, key})
	return key, nil
}

// unusable makes an error of the queue of one of the store.
func unusable(err error) error {
	if errors.Is(err, ErrFull) {
		return fmt.Errorf("%w: %w", queue.ErrFull, err)
	}
	return fmt.Errorf("%w: message store: %w", queue.ErrUnavailable, err)
}
