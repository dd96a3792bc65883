package snapshot

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery/rules"
)

// Keeper holds the snapshot in force. Open must be set, and nothing be changed once Start was called. The methods are
// safe for concurrent use.
type Keeper struct {
	// Open opens the database. It is called again when it failed, or when the database was lost.
	Open func(context.Context) (*settings.DB, error)
	// TTL is the time between reloads. Zero: ten minutes.
	TTL time.Duration
	// Cache is the file that keeps the rows for a start while the database is down. "": none.
	Cache string
	// IPs are written to the table of that name when the database is first reached.
	IPs []settings.IP
	// Logger is told when the database goes down and comes back, and of broken rows. Nil: slog.Default.
	Logger *slog.Logger
	// Compiler makes the snapshots.
	Compiler Compiler
	// Started are pauses that are in no table, from the start on; see SetStarted.
	Started []rules.Pause
	// Announce is called after each Change that was made here and is in force, for the other instances. Nil: nobody is
	// told.
	Announce func()

	current atomic.Pointer[Snapshot]
	before  sync.Once
	nothing *Snapshot // before the first load
	state   atomic.Pointer[State]

	writing sync.Mutex // one change at a time; comes before mu
	changes changes
	unsaved chan struct{} // see toSave
	lost    chan struct{} // see isLost
	made    sync.Once

	saving sync.Mutex // one save at a time; comes after mu

	mu         sync.Mutex     // one load at a time
	startedNow *[]rules.Pause // what SetStarted said last
	covered    uint64         // of changes: how many are in force
	db         *settings.DB
	opened     *settings.DB // last; perhaps closed since
	stale      bool         // what is in force is of another database than db, or of the one before it was lost
	failed     error        // why db could not be opened
	asked      time.Time    // when that was
	saved      bool
	unread     bool // neither a database nor a cache was read so far: no mail leaves
	told       map[settings.Broken]bool
	noticed    map[settings.Notice]bool
	changed    []func(*Snapshot)
}

// State tells how the database is.
type State struct {
	Err   error     // why it could not be read; nil: it is up
	Since time.Time // since when it is up, or down
}

// retryAfter is how soon a database that is down is asked again.
const retryAfter = 10 * time.Second

// Current returns the snapshot in force, never nil. A nil Keeper has one without rows.
func (k *Keeper) Current() *Snapshot {
	if k == nil {
		return new(Keeper).Current()
	}
	if s := k.current.Load(); s != nil {
		return s
	}
	k.before.Do(func() { k.nothing = k.Compiler.Compile(&settings.Rows{}, k.Started, nil) })
	return k.nothing
}

// State returns how the database was at the last load. A nil Keeper has none that is down.
func (k *Keeper) State() State {
	if k == nil {
		return State{}
	}
	if s := k.state.Load(); s != nil {
		return *s
	}
	return State{}
}

// OnChange has f called with every new snapshot, and at once with the one in force. f must not block, for the next
// reload waits for it, nor call Reload, Change or OnChange.
func (k *Keeper) OnChange(f func(*Snapshot)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = append(k.changed, f)
	f(k.Current())
}

// Start loads the settings. It fails only when the configuration is wrong: with a *settings.AddressError or a
// *settings.SchemaError. While the database is down, or empty where the last run had rows, the rows of the last run are
// in force; where there are none that can be used, all mail is held ([Snapshot.Withheld]).
func (k *Keeper) Start(ctx context.Context) error {
	err := k.Reload(ctx)
	var address *settings.AddressError
	var schema *settings.SchemaError
	if err == nil || errors.As(err, &address) || errors.As(err, &schema) {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current.Load() == nil && !k.useCache() {
		k.unread = true
		k.use(k.compile(&settings.Rows{}))
		k.logger().Error("no settings are known: mail is taken, and none is sent until the settings database can be read",
			"error", err)
	}
	return nil
}

// withheld holds all mail while nothing is known of what must not be sent.
var withheld = rules.Pause{Cluster: true, Told: "the settings database, which cannot be read"}

// Run reloads now and then until ctx ends, and closes the database. It keeps changes for a start without the database,
// a moment after they were made.
func (k *Keeper) Run(ctx context.Context) {
	next := time.NewTimer(k.pause())
	defer next.Stop()
	var due <-chan time.Time // there is something to save
	var apart time.Duration
	for {
		select {
		case <-next.C:
			k.Reload(ctx) // told in State and to the log
			next.Reset(k.pause())
		case <-k.isLost():
			next.Reset(k.pause())
		case <-k.toSave():
			if due == nil {
				due = time.After(apart)
			}
		case <-due:
			began := time.Now()
			k.save()
			due, apart = nil, saveShare*time.Since(began)
		case <-ctx.Done():
			k.end(due != nil)
			return
		}
	}
}

// saveShare is how much longer the time between two saves is than one takes: a million rows are not written for each of
// many changes.
const saveShare = 20

// pause is the time until the next reload.
func (k *Keeper) pause() time.Duration {
	wait := k.TTL
	if wait <= 0 {
		wait = 10 * time.Minute
	}
	if k.State().Err != nil {
		wait = min(wait, retryAfter)
	}
	return wait
}

// end closes the database.
func (k *Keeper) end(unsaved bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if unsaved || len(k.toSave()) > 0 {
		k.save()
	}
	k.drop()
}

// toSave returns the channel by which Run is told to keep what is in force.
func (k *Keeper) toSave() chan struct{} {
	k.makeChannels()
	return k.unsaved
}

// isLost returns the channel by which Run is told that somebody who asked found the database down.
func (k *Keeper) isLost() chan struct{} {
	k.makeChannels()
	return k.lost
}

func (k *Keeper) makeChannels() {
	k.made.Do(func() { k.unsaved, k.lost = make(chan struct{}, 1), make(chan struct{}, 1) })
}

// Reload reads the database now and puts what it says in force. After an error everything is as before.
func (k *Keeper) Reload(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reload(ctx)
}

// reload is Reload with k.mu held.
func (k *Keeper) reload(ctx context.Context) error {
	covered, written := k.changes.take()
	rows, err := k.load(ctx)
	if err != nil {
		k.changes.putBack(written)
		return k.failedLoad(ctx, err)
	}
	k.stale = false
	k.inForce(rows, covered)
	k.save()
	return nil
}

// failedLoad notes that the database could not be read. k.mu is held.
func (k *Keeper) failedLoad(ctx context.Context, err error) error {
	if ctx.Err() == nil { // else it says nothing about the database
		k.note(err)
		k.drop()
	}
	return err
}

// inForce puts rows of the database in force that have so many changes in them. k.mu is held.
func (k *Keeper) inForce(rows *settings.Rows, covered uint64) {
	k.note(nil)
	k.unread = false
	s := k.compile(rows)
	s.Loaded = time.Now()
	k.report(s)
	k.use(s)
	k.covered = covered
}

// save keeps what is in force for a start without the database. k.mu may be held: changes do not wait for it.
func (k *Keeper) save() {
	if k.Cache == "" {
		return
	}
	k.saving.Lock()
	defer k.saving.Unlock()
	if err := settings.SaveCache(k.Cache, k.Current().Rows); err != nil {
		k.logger().Warn("the settings cannot be kept for a start without the database", "error", err)
	}
}

// compile makes a snapshot of rows that takes over what is the same in the one in force. k.mu is held.
func (k *Keeper) compile(rows *settings.Rows) *Snapshot {
	started := k.Started
	if k.startedNow != nil {
		started = *k.startedNow
	}
	if k.unread {
		started = append(slices.Clip(started), withheld)
	}
	s := k.Compiler.Compile(rows, started, k.current.Load())
	s.Withheld = k.unread
	return s
}

// SetStarted replaces the pauses that are in no table: nil ends them. They are in force, or over, when it returns.
func (k *Keeper) SetStarted(pauses []rules.Pause) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pauses = slices.Clone(pauses)
	k.startedNow = &pauses
	now := k.Current()
	rows := *now.Rows
	s := k.compile(&rows)
	s.Loaded, s.FromCache = now.Loaded, now.FromCache
	k.use(s)
}

// StartedPaused reports whether there are pauses that are in no table.
func (k *Keeper) StartedPaused() bool {
	s := k.Current()
	return len(s.started) > 1 || len(s.started) == 1 && !s.Withheld
}

// Lift ends the pauses that are in no table.
func (k *Keeper) Lift() { k.SetStarted(nil) }

// load reads all rows, opening the database if need be. k.mu is held.
func (k *Keeper) load(ctx context.Context) (*settings.Rows, error) {
	if err := k.open(ctx); err != nil {
		return nil, err
	}
	return k.db.Load(ctx)
}

// open opens the database if need be. k.mu is held.
func (k *Keeper) open(ctx context.Context) error {
	if err := k.stillThere(); err != nil {
		k.failed, k.asked = err, time.Now()
		return err
	}
	if k.db != nil {
		return nil
	}
	db, err := k.openSound(ctx)
	if err != nil {
		k.failed, k.asked = err, time.Now()
		return err
	}
	k.db, k.opened, k.failed = db, db, nil
	if !k.saved && len(k.IPs) > 0 {
		if err := db.ReplaceIPs(ctx, k.IPs); err != nil {
			k.logger().Warn("the addresses of this host cannot be written to the settings database", "error", err)
		}
	}
	k.saved = true
	return nil
}

// stillThere lets go of a database whose file was replaced. One whose file is gone is down: opening it would make an
// empty one, and nothing be in force any more. k.mu is held.
func (k *Keeper) stillThere() error {
	if k.opened == nil {
		return nil
	}
	other, err := k.opened.Moved()
	if other {
		k.logger().Warn("the file of the settings database is another one now, and is opened")
		k.drop()
		k.opened, k.stale = nil, true
	}
	return err
}

// drop closes a database that does not answer. k.mu is held.
func (k *Keeper) drop() {
	if k.db != nil {
		k.db.Close()
		k.db = nil
	}
}

func (k *Keeper) use(s *Snapshot) {
	k.current.Store(s)
	for _, f := range k.changed {
		f(s)
	}
}

// note records whether the database is up, and logs when that changes. k.mu is held.
func (k *Keeper) note(err error) {
	before := k.state.Load()
	if before != nil && (before.Err == nil) == (err == nil) {
		k.state.Store(&State{err, before.Since})
		return
	}
	k.state.Store(&State{err, time.Now()})
	switch {
	case err != nil:
		k.logger().Error("the settings database cannot be used; what is in force stays in force", "error", err)
	case before != nil:
		k.logger().Info("the settings database is back")
	}
}

// report logs what is wrong with rows, once for each. k.mu is held.
func (k *Keeper) report(s *Snapshot) {
	told := make(map[settings.Broken]bool, len(s.Broken))
	for _, b := range s.Broken {
		told[b] = true
		if !k.told[b] {
			k.logger().Warn("a row of the settings is left out", "row", b.String())
		}
	}
	k.told = told
	noticed := make(map[settings.Notice]bool, len(s.Rows.Notices))
	for _, n := range s.Rows.Notices {
		noticed[n] = true
		switch {
		case k.noticed[n]:
		case n.Wrong:
			k.logger().Warn("a row of the settings has a number that makes no sense", "row", n.String())
		default:
			k.logger().Info("a row of the settings was put right", "row", n.String())
		}
	}
	k.noticed = noticed
}

func (k *Keeper) logger() *slog.Logger {
	if k.Logger == nil {
		return slog.Default()
	}
	return k.Logger
}
