package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sluicemail/sluice/config/settings"
)

// ErrEmptied is wrapped by the error about a database that is opened and has no rows, while those of the last run, in
// the cache, are some: recipients that were suppressed or paused would get mail. It counts as down until it has its
// rows again, or until the cache is gone, which is how an operator says that it is meant.
var ErrEmptied = errors.New("it is empty")

// openSound opens the database, unless it was lost. k.mu is held.
func (k *Keeper) openSound(ctx context.Context) (*settings.DB, error) {
	db, err := k.Open(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.emptied(ctx, db); err != nil {
		k.stale = true
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// emptied is the error about a database that has lost its rows. k.mu is held.
func (k *Keeper) emptied(ctx context.Context, db *settings.DB) error {
	if k.Cache == "" {
		return nil
	}
	empty, err := db.Empty(ctx)
	if err != nil || !empty {
		return err
	}
	n := k.atStake()
	if n == 0 {
		return nil
	}
	return &settings.Error{Database: db.String(), Doing: "comparing it with the settings of the last run", Err: fmt.Errorf(
		"%w, and they are not (rows: %d); they stay in force: bring the database back, or say that it is meant (ctl settings accept)", ErrEmptied, n)}
}

// atStake counts the rows of the last run; 0 when they were dropped, or cannot be used. k.mu is held.
func (k *Keeper) atStake() int {
	if _, err := os.Stat(k.Cache); errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if k.current.Load() == nil && !k.useCache() {
		return 0
	}
	return k.Current().Rows.Len()
}

// useCache puts the rows of the last run in force; false when there are none that can be used. k.mu is held.
func (k *Keeper) useCache() bool {
	if k.Cache == "" {
		return false
	}
	rows, err := settings.LoadCache(k.Cache)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			k.logger().Warn("the settings of the last run cannot be used", "error", err)
		}
		return false
	}
	s := k.compile(rows)
	s.FromCache = true
	k.use(s)
	k.logger().Warn("the settings of the last run are in force until the database is back")
	return true
}
