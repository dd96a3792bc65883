package settings

import "math"

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

// rates lists the columns of Rates, with a prefix to their names.
func rates[T any](prefix, of string, at func(*T) *Rates) []column[T] {
	return []column[T]{
		number(prefix+"maxmessages", "messages a minute"+of, func(r *T) *int64 { return &at(r).MaxMessages }),
		number(prefix+"maxbytes", "bytes a minute"+of, func(r *T) *int64 { return &at(r).MaxBytes }),
		number(prefix+"maxconnects", "new connections a minute"+of, func(r *T) *int64 { return &at(r).MaxConnects }),
		number(prefix+"maxconnections", "connections at once"+of, func(r *T) *int64 { return &at(r).MaxConnections }),
		number(prefix+"maxstarting", "connections being opened at once"+of, func(r *T) *int64 { return &at(r).MaxStarting }),
		number(prefix+"maxidle", "idle connections at once"+of, func(r *T) *int64 { return &at(r).MaxIdle }),
	}
}

// limits lists the columns of Limits.
func limits[T any](at func(*T) *Limits) []column[T] {
	all := limitColumns(at)
	for i := range all {
		most := int64(math.MaxInt64)
		switch all[i].Name {
		case "security":
			most = 3
		case "retryshare":
			most = 100
		case "connection_spread", "greylist_sameip":
			most = 1
		}
		all[i] = all[i].within(FallBack, most)
	}
	return all
}

// limitColumns are the columns without their bounds.
func limitColumns[T any](at func(*T) *Limits) []column[T] {
	all := append(rates("", " to a site", func(r *T) *Rates { return &at(r).Site }),
		rates("ip_", " to one target IP", func(r *T) *Rates { return &at(r).IP })...)
	return append(all,
		number("connection_maxmessages", "messages over one connection",
			func(r *T) *int64 { return &at(r).ConnectionMaxMessages }),
		number("connection_maxbytes", "bytes over one connection", func(r *T) *int64 { return &at(r).ConnectionMaxBytes }),
		choice("connection_minmessages", "messages that wait before another connection is opened",
			func(r *T) *int64 { return &at(r).ConnectionMinMessages }),
		choice("connection_idle", "seconds an idle connection is kept", func(r *T) *int64 { return &at(r).ConnectionIdle }),
		choice("connection_offline", "seconds a target is left alone after a failed connect",
			func(r *T) *int64 { return &at(r).ConnectionOffline }),
		choice("connection_spread", "1: connections spread over all addresses of the target",
			func(r *T) *int64 { return &at(r).ConnectionSpread }),
		choice("security", "0: no TLS, 1: when offered, 2: required, 3: required with a valid certificate",
			func(r *T) *int64 { return &at(r).Security }),
		number("maxqueue", "messages in memory", func(r *T) *int64 { return &at(r).MaxQueue }),
		choice("retryshare", "percent of maxqueue kept for retries", func(r *T) *int64 { return &at(r).RetryShare }),
		choice("greylist_delay", "seconds until a greylisted message is tried again",
			func(r *T) *int64 { return &at(r).GreylistDelay }),
		choice("greylist_sameip", "1: from the same address", func(r *T) *int64 { return &at(r).GreylistSameIP }),
		choice("bind_retry", "seconds an address is left alone that could not be bound",
			func(r *T) *int64 { return &at(r).BindRetry }),
		choice("lost_offline", "seconds a target is left alone after a lost connection",
			func(r *T) *int64 { return &at(r).LostOffline }),
		choice("invalid_offline", "seconds a target is left alone after an answer that makes no sense",
			func(r *T) *int64 { return &at(r).InvalidOffline }),
		choice("timeout_connect", "seconds for connecting", func(r *T) *int64 { return &at(r).TimeoutConnect }),
		choice("timeout_intro", "seconds for the greeting", func(r *T) *int64 { return &at(r).TimeoutIntro }),
		choice("timeout_command", "seconds for the answer to a command", func(r *T) *int64 { return &at(r).TimeoutCommand }),
		choice("timeout_data", "seconds for the answer to DATA", func(r *T) *int64 { return &at(r).TimeoutData }),
		choice("timeout_message", "seconds for the answer to a message", func(r *T) *int64 { return &at(r).TimeoutMessage }),
	)
}

// Capacity is a named set of limits.
type Capacity struct {
	ID       int64
	Name     string
	Priority int64
	Limits   Limits
	Enabled  bool
}

func (Capacity) schema() *table[Capacity] {
	columns := []column[Capacity]{
		text("name", "name of the throttle", func(r *Capacity) *string { return &r.Name }),
		number("priority", "between rules that match equally well the lower number wins",
			func(r *Capacity) *int64 { return &r.Priority }),
	}
	columns = append(columns, limits(func(r *Capacity) *Limits { return &r.Limits })...)
	return &table[Capacity]{name: "capacity", meaning: "throttles: named sets of limits; -1 falls back, 0 is unlimited",
		id: func(r *Capacity) *int64 { return &r.ID }, rows: func(r *Rows) *[]Capacity { return &r.Capacities },
		columns: append(columns, enabled(func(r *Capacity) *bool { return &r.Enabled }))}
}

// CapacityRule says where a set of limits holds.
type CapacityRule struct {
	ID       int64
	Capacity int64
	LocalIP  string
	Pool     string
	Domain   string
	Enabled  bool
}

func (CapacityRule) schema() *table[CapacityRule] {
	return &table[CapacityRule]{name: "capacity_rules", meaning: "where a throttle holds",
		id: func(r *CapacityRule) *int64 { return &r.ID }, rows: func(r *Rows) *[]CapacityRule { return &r.CapacityRules },
		columns: []column[CapacityRule]{
			number("capacity", "id of the throttle", func(r *CapacityRule) *int64 { return &r.Capacity }),
			text("localip", localIPMeaning, func(r *CapacityRule) *string { return &r.LocalIP }),
			text("pool", poolMeaning, func(r *CapacityRule) *string { return &r.Pool }),
			text("domain", domainMeaning, func(r *CapacityRule) *string { return &r.Domain }),
			enabled(func(r *CapacityRule) *bool { return &r.Enabled }),
		}}
}

// The selection that many rules share.
const (
	localIPMeaning = "source address; empty: all"
	poolMeaning    = "name of a pool of source addresses; empty: all"
	domainMeaning  = "recipient domain; empty: all"
	tagMeaning     = "tag of the message; empty: all"
	clusterMeaning = "1: all instances, 0: only the one in `instance`, where that names one"
	expireMeaning  = "time at which the rule ends; empty: never"
	instMeaning    = "server-id of the one instance; 0: none, and the row is for every instance that reads it"
)

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

func (FloodResponse) schema() *table[FloodResponse] {
	columns := []column[FloodResponse]{
		text("name", "name of the flood pattern", func(r *FloodResponse) *string { return &r.Name }),
		text("pattern", "pattern of replies", func(r *FloodResponse) *string { return &r.Pattern }),
		text("type", patternTypes, func(r *FloodResponse) *string { return &r.Type }),
		text("localip", localIPMeaning, func(r *FloodResponse) *string { return &r.LocalIP }),
		text("domain", domainMeaning, func(r *FloodResponse) *string { return &r.Domain }),
		number("pause", "seconds without deliveries", func(r *FloodResponse) *int64 { return &r.Pause }).within(0,
			maxSeconds),
		number("duration", "seconds after the pause in which the limits of this row hold",
			func(r *FloodResponse) *int64 { return &r.Duration }).within(0, maxSeconds),
	}
	columns = append(columns, limits(func(r *FloodResponse) *Limits { return &r.Limits })...)
	return &table[FloodResponse]{name: "flood_responses",
		meaning: "replies that slow a path down; -1 falls back, 0 is unlimited",
		id:      func(r *FloodResponse) *int64 { return &r.ID },
		rows:    func(r *Rows) *[]FloodResponse { return &r.FloodResponses },
		columns: append(columns, enabled(func(r *FloodResponse) *bool { return &r.Enabled }))}
}
