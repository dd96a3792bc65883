package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluicemail/sluice/config/settings"
)

var (
	// ErrDown is wrapped by errors of Change and Read while the database cannot be reached or does not do its work.
	// Mail goes on; the change is to be tried again.
	ErrDown = errors.New("the settings database is not available")
	// ErrNotInForce is wrapped by an error of Change whose rows were stored, and could not be read back. They come into
	// force once the database answers again. The error wraps ErrDown, too.
	ErrNotInForce = errors.New("the change is stored, but not in force yet")
)

// inForceWithin bounds the reload after a change.
const inForceWithin = time.Minute

// Change has do write rows in one transaction, which is kept unless do returns an error, and reloads the tables that it
// wrote: the change is in force when Change returns nil. Changes are made one after the other; changes that come at the
// same time share a reload. Then Announce is called.
//
// An error of do is returned as it is, unless it says that the database is down: then, and when the database cannot be
// opened, it wraps [ErrDown]. Change must not be called by do nor by a function given to OnChange.
func (k *Keeper) Change(ctx context.Context, do func(settings.Store) error) error {
	stored, err := k.write(ctx, do)
	if err != nil {
		return err
	}
	// The caller may hang up; the change is made all the same.
	loading, cancel := context.WithTimeout(context.WithoutCancel(ctx), inForceWithin)
	defer cancel()
	if err := k.reloadSince(loading, stored); err != nil {
		return fmt.Errorf("%w: %w: %w", ErrNotInForce, ErrDown, err)
	}
	if k.Announce != nil {
		k.Announce()
	}
	return nil
}

// Read has do read rows of the database itself, for what the snapshot does not have. Errors are as those of Change. do
// sees changes as they are made; one that has to see a single moment belongs into Change.
func (k *Keeper) Read(ctx context.Context, do func(settings.Store) error) error {
	db, err := k.database(ctx)
	if err != nil {
		return err
	}
	return downIf(ctx, do(db))
}

// write runs the transaction of a change and returns its number.
func (k *Keeper) write(ctx context.Context, do func(settings.Store) error) (uint64, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	db, err := k.database(ctx)
	if err != nil {
		return 0, err
	}
	var written []settings.Written
	err = db.Tx(ctx, func(tx *settings.Tx) error {
		defer func() { written = tx.Written() }()
		return do(tx)
	})
	if err != nil {
		return 0, downIf(ctx, err)
	}
	return k.changes.add(written), nil
}

// database returns the open database, or an error that wraps ErrDown. One that was down a moment ago is not asked
// again.
func (k *Keeper) database(ctx context.Context) (*settings.DB, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.db == nil && k.failed != nil && time.Since(k.asked) < time.Second {
		return nil, fmt.Errorf("%w: %w", ErrDown, k.failed)
	}
	if err := k.open(ctx); err != nil && ctx.Err() == nil {
		k.tellLost(err)
		return nil, fmt.Errorf("%w: %w", ErrDown, err)
	} else if err != nil {
		k.failed = nil // says nothing about the database
		return nil, err
	}
	return k.db, nil
}

// tellLost notes that the database is down, and has Run look for it soon unless it does already. k.mu is held.
func (k *Keeper) tellLost(err error) {
	known := k.State().Err != nil
	k.note(err)
	if known {
		return // Run's time to look again stays what it is
	}
	select {
	case k.isLost() <- struct{}{}:
	default:
	}
}

// reloadSince reloads what was written, unless a reload has begun since the n-th change was stored.
func (k *Keeper) reloadSince(ctx context.Context, n uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.covered >= n {
		return nil
	}
	now := k.current.Load()
	if now == nil || now.Loaded.IsZero() || k.db == nil || k.stale {
		return k.reload(ctx)
	}
	covered, written := k.changes.take()
	rows, err := k.db.LoadWritten(ctx, now.Rows, written...)
	if err != nil {
		k.changes.putBack(written)
		return k.failedLoad(ctx, err)
	}
	k.inForce(rows, covered)
	select {
	case k.toSave() <- struct{}{}:
	default: // it will be saved anyway
	}
	return nil
}

// changes are what was stored, and what is to be read because of them.
type changes struct {
	mu      sync.Mutex
	n       uint64
	written []settings.Written
}

// add notes a change that was stored and returns its number.
func (c *changes) add(written []settings.Written) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.written = settings.AddWritten(c.written, written...)
	return c.n
}

// take returns the number of the last change, and all that is to be read so that it is covered.
func (c *changes) take() (n uint64, written []settings.Written) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written, c.written = c.written, nil
	return c.n, written
}

func (c *changes) putBack(written []settings.Written) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = settings.AddWritten(c.written, written...)
}

// downIf marks the errors that are the database's own.
func downIf(ctx context.Context, err error) error {
	var failure *settings.Error
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, settings.ErrDuplicate) || errors.Is(err, settings.ErrNotFound):
		return err
	case errors.As(err, &failure):
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	return err
}
