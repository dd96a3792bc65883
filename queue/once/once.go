package once

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// ErrOther says that something else was handed in under the same key.
var ErrOther = errors.New("something else was handed in under this key")

// Options say where marks are kept, and for how long.
type Options struct {
	// Queue takes the messages. Required.
	Queue queue.Queue
	// Marks is the queue that keeps the marks, and implements queue.Inspector. Required. The marks are stored together
	// with the messages when Joint is true; then both are one store, which is queue.Atomic.
	Marks queue.Queue
	Joint bool
	// Name is the name of the queue of marks. No other book, and nobody else, may use it. Required.
	Name string
	// MaxAge is how long a mark is kept. Zero: until it is forgotten.
	MaxAge time.Duration
	// Most is how many marks are kept; beyond it the oldest is forgotten. Zero: any number.
	Most int
	// Logger hears when marks could not be stored or removed. Nil: slog.Default.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Book knows what was handed in. Its methods are safe for concurrent use.
type Book struct {
	o      Options
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	entries map[string]*entry
	oldest  *list.List // of the entries that are published, by age
}

// entry is one key.
type entry struct {
	key, print string
	since      time.Time
	published  chan struct{} // closed when it is, or when that failed
	place      *list.Element // nil: it is being published
	mark       *queue.Delivery
	forgotten  bool // as soon as its mark comes
}

// unlimited is the prefetch of the consumer that holds all marks.
const unlimited = 1 << 30

// Open reads the marks, and begins to hold them.
func Open(ctx context.Context, o Options) (*Book, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Book{o: o, ended: make(chan struct{}), entries: map[string]*entry{}, oldest: list.New()}
	if err := b.read(ctx); err != nil {
		return nil, fmt.Errorf("marks in queue %s: %w", o.Name, err)
	}
	hold, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() {
		defer close(b.ended)
		err := o.Marks.Consume(hold, o.Name, queue.ConsumeOptions{Prefetch: unlimited}, b.hold)
		if err != nil {
			o.Logger.Error("marks of what was handed in are not removed any more", "queue", o.Name, "error", err)
		}
	}()
	return b, nil
}

// read enters the marks that were stored before.
func (b *Book) read(ctx context.Context) error {
	inspector, ok := b.o.Marks.(queue.Inspector)
	if !ok {
		return errors.New("the queue cannot be looked into")
	}
	const page = 10_000
	for cursor := ""; ; {
		marks, next, err := inspector.List(ctx, queue.Filter{Queue: b.o.Name}, cursor, page)
		if err != nil {
			return err
		}
		for _, m := range marks {
			if b.entries[m.ID] == nil && m.ID != "" {
				b.enter(&entry{key: m.ID, print: printOf(m.Tags), since: m.Stored})
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

func printOf(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return tags[0]
}

// enter adds a published entry. b.mu is held, or nobody else has b.
func (b *Book) enter(e *entry) {
	b.entries[e.key] = e
	e.place = b.oldest.PushBack(e)
}

// Close lets go of the marks, which stay.
func (b *Book) Close() error {
	b.cancel()
	<-b.ended
	return nil
}

// Published reports whether something was published under the key.
func (b *Book) Published(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	return e != nil && e.place != nil && !b.over(e)
}

// Publish publishes the items and a mark with the key, unless there is one: then again is true, or the error is
// [ErrOther] when its print differs. The print stands for what is handed in: a hash of it, or "" where the key says it
// all. Of several calls at the same time with the same key one publishes, and the others wait for it. When ctx ends
// first, the call returns its cause; publishing goes on, and the next call with the key waits for what comes of it.
func (b *Book) Publish(ctx context.Context, key, print string, items ...queue.Item) (again bool, err error) {
	if key == "" {
		return false, errors.New("once: no key")
	}
	for {
		mine, theirs := b.claim(key, print)
		switch {
		case mine != nil:
			return false, b.publish(ctx, mine, items)
		case theirs.print != print:
			return false, ErrOther
		case theirs.place != nil:
			return true, nil
		}
		select {
		case <-theirs.published:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// claim returns a new entry that the caller must publish, or a copy of the one that there is.
func (b *Book) claim(key, print string) (mine *entry, theirs entry) {
	b.mu.Lock()
	over := b.expire()
	if e := b.entries[key]; e != nil && !e.forgotten {
		theirs = *e
	} else {
		mine = &entry{key: key, print: print, since: b.o.Now(), published: make(chan struct{})}
		b.entries[key] = mine
	}
	b.mu.Unlock()
	b.settle(over)
	return mine, theirs
}

// publish publishes a claimed entry, and waits for that as long as ctx lasts.
func (b *Book) publish(ctx context.Context, e *entry, items []queue.Item) error {
	done := make(chan error, 1)
	go func() { done <- b.finish(e, b.store(context.WithoutCancel(ctx), e, items)) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// store publishes messages and mark.
func (b *Book) store(ctx context.Context, e *entry, items []queue.Item) error {
	mark := queue.Item{Queue: b.o.Name, Message: &queue.Message{ID: e.key, Tags: []string{e.print}, Received: e.since}}
	if b.o.Joint {
		return b.o.Queue.Publish(ctx, append(items[:len(items):len(items)], mark)...)
	}
	if err := b.o.Queue.Publish(ctx, items...); err != nil {
		return err
	}
	if err := b.o.Marks.Publish(ctx, mark); err != nil { // until the next start it is known all the same
		b.o.Logger.Error("it cannot be noted what was handed in: after a restart it may be queued again",
			"queue", b.o.Name, "error", err)
	}
	return nil
}

// finish enters what was published, and lets those go on who wait for it.
func (b *Book) finish(e *entry, err error) error {
	b.mu.Lock()
	if err != nil && e.mark == nil {
		delete(b.entries, e.key)
	} else {
		err = nil // its mark came: it was stored after all
		b.enter(e)
	}
	over := b.expire()
	b.mu.Unlock()
	close(e.published)
	b.settle(over)
	return err
}

// hold takes a mark that was handed out.
func (b *Book) hold(d *queue.Delivery) {
	if d.Message == nil || d.Message.ID == "" {
		b.settle([]*queue.Delivery{d})
		return
	}
	key, print, since := d.Message.ID, printOf(d.Message.Tags), d.Message.Received
	d.Message = nil // it is held for long
	b.mu.Lock()
	e := b.entries[key]
	switch {
	case e == nil: // a Publish failed that had stored it
		b.enter(&entry{key: key, print: print, since: since, mark: d})
		d = nil
	case e.forgotten && e.mark == nil:
		delete(b.entries, key)
	case e.mark == nil:
		e.mark, d = d, nil
	}
	b.mu.Unlock()
	if d != nil {
		b.settle([]*queue.Delivery{d})
	}
}

// Forget removes the marks of keys. What was not published is passed over.
func (b *Book) Forget(keys ...string) {
	b.mu.Lock()
	var over []*queue.Delivery
	for _, key := range keys {
		if e := b.entries[key]; e != nil && e.place != nil {
			over = b.drop(over, e)
		}
	}
	b.mu.Unlock()
	b.settle(over)
}

// Keys returns what was published and not forgotten, the oldest first.
func (b *Book) Keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := make([]string, 0, b.oldest.Len())
	for place := b.oldest.Front(); place != nil; place = place.Next() {
		keys = append(keys, place.Value.(*entry).key)
	}
	return keys
}

// expire drops what is too old or too much, and returns the marks to be settled. b.mu is held.
func (b *Book) expire() (over []*queue.Delivery) {
	for place := b.oldest.Front(); place != nil; place = b.oldest.Front() {
		e := place.Value.(*entry)
		if !b.over(e) && (b.o.Most <= 0 || b.oldest.Len() <= b.o.Most) {
			return over
		}
		over = b.drop(over, e)
	}
	return over
}

func (b *Book) over(e *entry) bool { return b.o.MaxAge > 0 && b.o.Now().Sub(e.since) > b.o.MaxAge }

// drop removes a published entry; one whose mark has not come stays until then. b.mu is held.
func (b *Book) drop(over []*queue.Delivery, e *entry) []*queue.Delivery {
	b.oldest.Remove(e.place)
	e.place = nil
	if e.mark == nil {
		e.forgotten = true
		return over
	}
	delete(b.entries, e.key)
	return append(over, e.mark)
}

func (b *Book) settle(marks []*queue.Delivery) {
	for _, d := range marks {
		if err := d.Settle(context.Background()); err != nil && !errors.Is(err, queue.ErrClosed) {
			b.o.Logger.Warn("a mark of what was handed in could not be removed", "queue", b.o.Name, "error", err)
		}
	}
}

// ID returns a message-id for the i-th of the messages under a key: the number of the server, a dash and 26 characters
// that are always the same for the same key.
func ID(server uint64, key string, i int) string {
	sum := sha256.Sum256(strconv.AppendInt(append([]byte(key), 0), int64(i), 10))
	return strconv.FormatUint(server, 10) + "-" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:])[:26])
}
