package settings

import (
	"math"
	"slices"
)

// FallBack in a limit's column leaves the value to the less specific rule; 0 is unlimited.
const FallBack = -1

// maxSeconds is a hundred years.
const maxSeconds = 100 * 365 * 86400

// Rates are the limits that a site and a single target IP both have. Each is [FallBack], 0 for unlimited, or a number.
type Rates struct {
	MaxMessages    int64 // a minute
	MaxBytes       int64 // a minute
	MaxConnects    int64 // new connections a minute
	MaxConnections int64 // at once
	MaxStarting    int64 // being opened at once
	MaxIdle        int64 // waiting for mail at once
}

// Limits are the limit columns of capacity and flood_responses. Each is [FallBack], 0 for none, or a number; those
// named in seconds are seconds.
type Limits struct {
	Site Rates
	IP   Rates // of one target IP

	ConnectionMaxMessages int64
	ConnectionMaxBytes    int64
	ConnectionMinMessages int64 // waiting for each open connection before another is opened
	ConnectionIdle        int64 // seconds an idle connection is kept
	ConnectionOffline     int64 // seconds a target is left alone after a failed connect
	ConnectionSpread      int64 // 1: over all addresses of the target
	Security              int64

	MaxQueue   int64 // messages in memory
	RetryShare int64 // percent of them for retries

	GreylistDelay  int64 // seconds
	GreylistSameIP int64 // 1: retry from the same address

	BindRetry      int64 // seconds
	LostOffline    int64 // seconds
	InvalidOffline int64 // seconds

	TimeoutConnect int64 // seconds, as all below
	TimeoutIntro   int64
	TimeoutCommand int64
	TimeoutData    int64
	TimeoutMessage int64
}

// limit is a column of the limits: NULL is unlimited.
func limit[T any](name, label, unit, meaning string, at func(*T) *int64) column[T] {
	return number(name, meaning, at).as(Limit).within(FallBack, math.MaxInt64).label(label).unit(unit)
}

// choice is a number beside the limits, 0 of which is a choice: NULL leaves it to the less specific rule.
func choice[T any](name, label, unit, meaning string, at func(*T) *int64) column[T] {
	c := limit(name, label, unit, meaning, at)
	c.Default = FallBack
	return c
}

// levels is a choice that has a few values, counted from 0.
func levels[T any](name, label, meaning string, of []string, at func(*T) *int64) column[T] {
	c := choice(name, label, "", meaning, at).within(FallBack, int64(len(of)-1))
	c.Levels = of
	return c
}

var noYes = []string{"no", "yes"}

// rates lists the columns of Rates, with a prefix to their names.
func rates[T any](prefix, of string, at func(*T) *Rates) []column[T] {
	return []column[T]{
		limit(prefix+"maxmessages", "Messages a minute", "msg/min", "messages a minute"+of,
			func(r *T) *int64 { return &at(r).MaxMessages }),
		limit(prefix+"maxbytes", "Bytes a minute", "B/min", "bytes a minute"+of,
			func(r *T) *int64 { return &at(r).MaxBytes }),
		limit(prefix+"maxconnects", "New connections a minute", "conn/min", "new connections a minute"+of,
			func(r *T) *int64 { return &at(r).MaxConnects }),
		limit(prefix+"maxconnections", "Connections at once", "conn", "connections at once"+of,
			func(r *T) *int64 { return &at(r).MaxConnections }),
		limit(prefix+"maxstarting", "Connections being opened at once", "conn", "connections being opened at once"+of,
			func(r *T) *int64 { return &at(r).MaxStarting }),
		limit(prefix+"maxidle", "Idle connections at once", "conn", "idle connections at once"+of,
			func(r *T) *int64 { return &at(r).MaxIdle }),
	}
}

// limits lists the columns of Limits.
func limits[T any](at func(*T) *Limits) []column[T] {
	return slices.Concat(rates("", " to a site", func(r *T) *Rates { return &at(r).Site }),
		rates("ip_", " to one target IP", func(r *T) *Rates { return &at(r).IP }),
		[]column[T]{
			limit("connection_maxmessages", "Messages over one connection", "msg", "messages over one connection",
				func(r *T) *int64 { return &at(r).ConnectionMaxMessages }),
			limit("connection_maxbytes", "Bytes over one connection", "B", "bytes over one connection",
				func(r *T) *int64 { return &at(r).ConnectionMaxBytes }),
			choice("connection_minmessages", "Waiting messages before another is opened", "msg",
				"messages that wait before another connection is opened",
				func(r *T) *int64 { return &at(r).ConnectionMinMessages }),
			choice("connection_idle", "Idle connections are kept for", "s", "seconds an idle connection is kept",
				func(r *T) *int64 { return &at(r).ConnectionIdle }),
			choice("connection_offline", "After a failed connect wait", "s",
				"seconds a target is left alone after a failed connect",
				func(r *T) *int64 { return &at(r).ConnectionOffline }),
			levels("connection_spread", "Spread over all addresses of the target",
				"1: connections spread over all addresses of the target", noYes,
				func(r *T) *int64 { return &at(r).ConnectionSpread }),
			levels("security", "Encryption", "0: no TLS, 1: when offered, 2: required, 3: required with a valid certificate",
				[]string{"no TLS", "TLS when it is offered", "TLS required", "TLS with a valid certificate required"},
				func(r *T) *int64 { return &at(r).Security }),
			limit("maxqueue", "Messages in memory", "msg", "messages in memory", func(r *T) *int64 { return &at(r).MaxQueue }),
			choice("retryshare", "Of these kept for retries", "%", "percent of maxqueue kept for retries",
				func(r *T) *int64 { return &at(r).RetryShare }).within(FallBack, 100),
			choice("greylist_delay", "Try greylisted messages again after", "s",
				"seconds until a greylisted message is tried again", func(r *T) *int64 { return &at(r).GreylistDelay }),
			levels("greylist_sameip", "From the same address", "1: from the same address", noYes,
				func(r *T) *int64 { return &at(r).GreylistSameIP }),
			choice("bind_retry", "After an address that could not be bound", "s",
				"seconds an address is left alone that could not be bound", func(r *T) *int64 { return &at(r).BindRetry }),
			choice("lost_offline", "After a lost connection", "s", "seconds a target is left alone after a lost connection",
				func(r *T) *int64 { return &at(r).LostOffline }),
			choice("invalid_offline", "After an answer that makes no sense", "s",
				"seconds a target is left alone after an answer that makes no sense",
				func(r *T) *int64 { return &at(r).InvalidOffline }),
			choice("timeout_connect", "For connecting", "s", "seconds for connecting",
				func(r *T) *int64 { return &at(r).TimeoutConnect }),
			choice("timeout_intro", "For the greeting", "s", "seconds for the greeting",
				func(r *T) *int64 { return &at(r).TimeoutIntro }),
			choice("timeout_command", "For the answer to a command", "s", "seconds for the answer to a command",
				func(r *T) *int64 { return &at(r).TimeoutCommand }),
			choice("timeout_data", "For the answer to DATA", "s", "seconds for the answer to DATA",
				func(r *T) *int64 { return &at(r).TimeoutData }),
			choice("timeout_message", "For the answer to a message", "s", "seconds for the answer to a message",
				func(r *T) *int64 { return &at(r).TimeoutMessage }),
		})
}

// FallBackLimits are limits that leave every value to less specific rules: for a row that sets few of them.
func FallBackLimits() Limits {
	var l Limits
	for _, c := range limits(func(l *Limits) *Limits { return l }) {
		*c.number(&l) = FallBack
	}
	return l
}

// Capacity is a named set of limits.
type Capacity struct {
	ID       int64
	Name     string
	Priority int64
	Limits   Limits
	Comment  string
	Enabled  bool
}

var capacityTable = describe(table[Capacity]{
	Table: Table{Name: TableCapacity, Meaning: "throttles: named sets of limits; -1 falls back, 0 is unlimited",
		Key: []string{"name"}},
	id:   func(r *Capacity) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Capacity { return &r.Capacities },
	columns: slices.Concat([]column[Capacity]{
		text("name", "name of the throttle", func(r *Capacity) *string { return &r.Name }).required(),
		number("priority", "between rules that match equally well the lower number wins",
			func(r *Capacity) *int64 { return &r.Priority }).
			hint("between rules that match equally well, the lower number wins"),
	}, limits(func(r *Capacity) *Limits { return &r.Limits }), []column[Capacity]{
		text("comment", "for the reader", func(r *Capacity) *string { return &r.Comment }).since(2).
			hint("for people only, such as who asked for it and when"),
		enabled(func(r *Capacity) *bool { return &r.Enabled }),
	}),
})

func (Capacity) schema() *table[Capacity] { return capacityTable }

// CapacityRule says where a set of limits holds.
type CapacityRule struct {
	ID       int64
	Capacity int64
	LocalIP  string
	Pool     string
	Domain   string
	Enabled  bool
}

var capacityRuleTable = describe(table[CapacityRule]{
	Table: Table{Name: TableCapacityRules, Meaning: "where a throttle holds",
		Key: []string{"capacity", "localip", "pool", "domain"}},
	id:   func(r *CapacityRule) *int64 { return &r.ID },
	rows: func(r *Rows) *[]CapacityRule { return &r.CapacityRules },
	columns: []column[CapacityRule]{
		owner("capacity", TableCapacity, "id of the throttle", func(r *CapacityRule) *int64 { return &r.Capacity }),
		localIP(func(r *CapacityRule) *string { return &r.LocalIP }),
		pool(func(r *CapacityRule) *string { return &r.Pool }),
		domain(func(r *CapacityRule) *string { return &r.Domain }).hint(""),
		enabled(func(r *CapacityRule) *bool { return &r.Enabled }),
	},
})

func (CapacityRule) schema() *table[CapacityRule] { return capacityRuleTable }

// FloodResponse says what slows a path down.
type FloodResponse struct {
	ID       int64
	Name     string
	Pattern  string
	Type     string
	LocalIP  string
	Domain   string
	Pause    int64 // seconds
	Duration int64 // seconds that Limits hold after the pause
	Limits   Limits
	Enabled  bool
}

var floodTable = describe(table[FloodResponse]{
	Table: Table{Name: TableFloodResponses, Meaning: "replies that slow a path down; -1 falls back, 0 is unlimited",
		Key: []string{"name"}},
	id:   func(r *FloodResponse) *int64 { return &r.ID },
	rows: func(r *Rows) *[]FloodResponse { return &r.FloodResponses },
	columns: slices.Concat([]column[FloodResponse]{
		text("name", "name of the flood pattern", func(r *FloodResponse) *string { return &r.Name }).required(),
		text("pattern", "pattern of replies", func(r *FloodResponse) *string { return &r.Pattern }).
			required().hint("of what the other side answers, such as “too many connections”"),
		patternType(func(r *FloodResponse) *string { return &r.Type }),
		localIP(func(r *FloodResponse) *string { return &r.LocalIP }),
		domain(func(r *FloodResponse) *string { return &r.Domain }),
		number("pause", "seconds without deliveries", func(r *FloodResponse) *int64 { return &r.Pause }).within(0,
			maxSeconds).label("Pause delivery for").unit("s").hint("nothing is sent on that path meanwhile"),
		number("duration", "seconds after the pause in which the limits of this row hold",
			func(r *FloodResponse) *int64 { return &r.Duration }).
			within(0, maxSeconds).label("Then slow down for").unit("s").hint("the limits below hold so long after the pause"),
	}, limits(func(r *FloodResponse) *Limits { return &r.Limits }), []column[FloodResponse]{
		enabled(func(r *FloodResponse) *bool { return &r.Enabled }),
	}),
})

func (FloodResponse) schema() *table[FloodResponse] { return floodTable }
