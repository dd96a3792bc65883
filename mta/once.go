package mta

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
	"github.com/sluicemail/sluice/queue/once"
)

// marks is where it is noted what was handed in, so that it is not queued twice.
type marks struct {
	mails *mails
	queue queue.Queue
	joint bool // with the messages
}

// markSegment is the size of the files of a store that holds nothing but marks.
const markSegment = 1 << 20

// openMarks has marks stored with the messages where these are embedded. A broker cannot store both in one step, nor be
// asked for a mark: then they are kept here.
func openMarks(b *base, m *mails) (*marks, error) {
	atomic, ok := m.own.(queue.Atomic)
	_, looks := m.own.(queue.Inspector)
	if ok && looks && atomic.Atomic() {
		return &marks{m, m.own, true}, nil
	}
	q, err := disk.Open(filepath.Join(b.cfg.QueueDir(), "marks"), disk.Options{SegmentSize: markSegment, Logger: b.log})
	if err != nil {
		return nil, fmt.Errorf("marks of what was handed in: %w", err)
	}
	b.onClose(q.Close)
	return &marks{m, q, false}, nil
}

// book opens one set of marks, whose queue is hidden.
func (k *marks) book(ctx context.Context, b *base, o once.Options) (*once.Book, error) {
	o.Queue, o.Marks, o.Joint, o.Logger = k.mails.queue, k.queue, k.joint, b.log
	book, err := once.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	b.onClose(book.Close)
	return book, nil
}
