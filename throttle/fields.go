package throttle

import (
	"slices"
	"time"
)

// Unit is what the number of a limit means.
type Unit string

// The units of limits, as settings have them.
const (
	PerMinute Unit = "per minute"
	Count     Unit = "count"
	Size      Unit = "bytes"
	Seconds   Unit = "seconds"
	Percent   Unit = "percent"
	Switch    Unit = "switch" // 0 or 1
	Level     Unit = "level"  // of security: 0 no TLS, 1 when offered, 2 required, 3 with a valid certificate
)

// Field is one of the values in [Limits], with the name and unit that it has in the settings.
type Field struct {
	Name string
	Unit Unit

	most bool // the greater value is the stricter one
	get  func(*Limits) int64
	set  func(*Limits, int64)
}

// Get returns the field's value in l, in units of the settings.
func (f *Field) Get(l *Limits) int64 { return f.get(l) }

// Set changes the field's value in l. Negative values are taken as zero, too large ones as the largest; Origin stays as
// it is.
func (f *Field) Set(l *Limits, v int64) { f.set(l, max(v, 0)) }

// Stricter returns the one of two values that leaves less freedom. For rates, counts, sizes, idle times and time-outs
// that is the smaller one, where zero is no limit at all; for switches, security, the messages that must wait before
// another connection is opened, the share kept for retries, and times for which a target is left alone, the greater
// one.
func (f *Field) Stricter(a, b int64) int64 {
	switch {
	case f.most:
		return max(a, b)
	case a == 0:
		return b
	case b == 0:
		return a
	}
	return min(a, b)
}

// Fields returns all fields in a fixed order.
func Fields() []Field { return slices.Clone(fields[:]) }

// FieldIndex returns the place in [Fields] of the field with a name.
func FieldIndex(name string) (int, bool) {
	for i := range fields {
		if fields[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// levels are the names of security by level.
var levels = [...]string{"optional", "opportunistic", "required", "verified"}

// fields never changes.
var fields = [...]Field{
	number("maxmessages", PerMinute, func(l *Limits) *int64 { return &l.Domain.Messages }),
	number("maxbytes", PerMinute, func(l *Limits) *int64 { return &l.Domain.Bytes }),
	number("maxconnects", PerMinute, func(l *Limits) *int64 { return &l.Domain.Connects }),
	number("maxconnections", Count, func(l *Limits) *int { return &l.Domain.Connections }),
	number("maxstarting", Count, func(l *Limits) *int { return &l.Domain.Starting }),
	number("maxidle", Count, func(l *Limits) *int { return &l.Domain.Idle }),
	number("ip_maxmessages", PerMinute, func(l *Limits) *int64 { return &l.Target.Messages }),
	number("ip_maxbytes", PerMinute, func(l *Limits) *int64 { return &l.Target.Bytes }),
	number("ip_maxconnects", PerMinute, func(l *Limits) *int64 { return &l.Target.Connects }),
	number("ip_maxconnections", Count, func(l *Limits) *int { return &l.Target.Connections }),
	number("ip_maxstarting", Count, func(l *Limits) *int { return &l.Target.Starting }),
	number("ip_maxidle", Count, func(l *Limits) *int { return &l.Target.Idle }),
	number("connection_maxmessages", Count, func(l *Limits) *int { return &l.Connection.Messages }),
	number("connection_maxbytes", Size, func(l *Limits) *int64 { return &l.Connection.Bytes }),
	greater(number("connection_minmessages", Count, func(l *Limits) *int { return &l.Connection.MinMessages })),
	idle("connection_idle"),
	greater(duration("connection_offline", func(l *Limits) *time.Duration { return &l.Connection.Offline })),
	onOff("connection_spread", func(l *Limits) *bool { return &l.Connection.Spread }),
	security("security"),
	number("maxqueue", Count, func(l *Limits) *int { return &l.Queue.Messages }),
	greater(number("retryshare", Percent, func(l *Limits) *int { return &l.Queue.RetryShare })),
	greater(duration("greylist_delay", func(l *Limits) *time.Duration { return &l.Greylist.Delay })),
	onOff("greylist_sameip", func(l *Limits) *bool { return &l.Greylist.SameIP }),
	greater(duration("bind_retry", func(l *Limits) *time.Duration { return &l.Faults.BindRetry })),
	greater(duration("lost_offline", func(l *Limits) *time.Duration { return &l.Faults.LostOffline })),
	greater(duration("invalid_offline", func(l *Limits) *time.Duration { return &l.Faults.InvalidOffline })),
	duration("timeout_connect", func(l *Limits) *time.Duration { return &l.Timeouts.Connect }),
	duration("timeout_intro", func(l *Limits) *time.Duration { return &l.Timeouts.Intro }),
	duration("timeout_command", func(l *Limits) *time.Duration { return &l.Timeouts.Command }),
	duration("timeout_data", func(l *Limits) *time.Duration { return &l.Timeouts.Data }),
	duration("timeout_message", func(l *Limits) *time.Duration { return &l.Timeouts.Message }),
}

// maxNumber and maxSeconds bound values, so that sums and products of them stay whole.
const (
	maxNumber  = 1 << 50
	maxSeconds = 100 * 365 * 24 * 60 * 60
)

func number[T int | int64](name string, unit Unit, at func(*Limits) *T) Field {
	return Field{Name: name, Unit: unit,
		get: func(l *Limits) int64 { return int64(*at(l)) },
		set: func(l *Limits, v int64) { *at(l) = T(min(v, maxNumber)) }}
}

func duration(name string, at func(*Limits) *time.Duration) Field {
	return Field{Name: name, Unit: Seconds,
		get: func(l *Limits) int64 { return int64((*at(l) + time.Second - 1) / time.Second) },
		set: func(l *Limits, v int64) { *at(l) = time.Duration(min(v, maxSeconds)) * time.Second }}
}

// idle is the time that a connection without work is kept; a negative one, which closes it at once, reads as zero.
func idle(name string) Field {
	f := duration(name, func(l *Limits) *time.Duration { return &l.Connection.Idle })
	get := f.get
	f.get = func(l *Limits) int64 { return max(0, get(l)) }
	return f
}

func onOff(name string, at func(*Limits) *bool) Field {
	return Field{Name: name, Unit: Switch, most: true,
		get: func(l *Limits) int64 {
			if *at(l) {
				return 1
			}
			return 0
		},
		set: func(l *Limits, v int64) { *at(l) = v > 0 }}
}

func security(name string) Field {
	return Field{Name: name, Unit: Level, most: true,
		get: func(l *Limits) int64 {
			if level := slices.Index(levels[:], l.Connection.Security); level >= 0 {
				return int64(level)
			}
			return 1
		},
		set: func(l *Limits, v int64) { l.Connection.Security = levels[min(v, int64(len(levels)-1))] }}
}

// greater makes the greater value the stricter one.
func greater(f Field) Field {
	f.most = true
	return f
}
