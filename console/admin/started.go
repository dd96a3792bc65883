package admin

import "context"

// starter is what an instance can do that was started with every delivery paused: *snapshot.Keeper can. The pause is in
// no table; it is listed and deleted like one of this instance that selects nothing.
type starter interface {
	// StartedPaused reports whether the pause is still in force.
	StartedPaused() bool
	// Lift ends it.
	Lift()
}

// startedPause is the pause that this instance was started with, as a row; nil: there is none.
func (a *Admin) startedPause() *Row {
	if s, ok := a.Settings.(starter); !ok || !s.StartedPaused() {
		return nil
	}
	return &Row{Values: Values{"localip": "", "pool": "", "target": "", "tag": "", "cluster": false,
		"instance": a.Instance, "expire": "", "enabled": true}}
}

// Stopped reports whether all delivery of this instance is held by no row of a table: it was started with every
// delivery paused, or somebody stopped it.
func (a *Admin) Stopped() bool {
	s, ok := a.Settings.(starter)
	return ok && s.StartedPaused()
}

// Restart ends what Stopped tells, also while the database is away; it reports whether there was anything to end.
func (a *Admin) Restart(ctx context.Context) bool {
	if !a.Stopped() {
		return false
	}
	a.liftStarted()
	a.did(ctx, "delivery resumed")
	return true
}

func (a *Admin) liftStarted() {
	if s, ok := a.Settings.(starter); ok {
		s.Lift()
	}
}
