package admin

// starter is what an instance can do that was started with every delivery paused: *snapshot.Keeper can. The pause is in no
// table; it is listed and deleted like one of this instance that selects nothing.
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
	return &Row{Values: Values{"localip": "", "pool": "", "target": "", "tag": "", "cluster": false, "instance": a.Instance,
		"expire": "", "enabled": true}}
}

func (a *Admin) liftStarted() {
	if s, ok := a.Settings.(starter); ok {
		s.Lift()
	}
}
