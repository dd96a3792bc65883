package bodystore

import (
	"context"
	"errors"
	"io"
	"time"
)

// Driver moves bytes to a store and back. Its methods are safe for concurrent use and give up when ctx ends. Keys are
// any text of 1 to MaxKey bytes; they come from messages, and so from strangers.
type Driver interface {
	// Put stores what r has, which is size bytes, under key, in the place of what was there before. It is durable, and
	// seen whole or not at all, when Put returns nil. It stays until expires; when there is a mail with that key
	// already, until the later one of both times.
	Put(ctx context.Context, key string, r io.Reader, size int64, expires time.Time) error
	// Get returns what is stored under key, and when it expires. An error wraps ErrNotFound when there is nothing.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Sweep removes what has expired by now, and returns how many mails that were.
	Sweep(ctx context.Context, now time.Time) (int, error)
	// Close gives back what the driver holds.
	Close() error
}

// MaxKey is the length of the longest key, in bytes.
const MaxKey = 255

// Errors that a driver and a Store wrap. Any other error means that the store could not be asked: the mail may be
// there.
var (
	ErrFull     = errors.New("no space left in the message store")
	ErrNotFound = errors.New("there is no mail with this key in the message store")
	ErrDamaged  = errors.New("the mail in the message store is damaged")
	ErrKey      = errors.New("not a key of the message store: expected 1 to 255 bytes")
)
