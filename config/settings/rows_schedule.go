package settings

// maxDays bounds the days of a schedule.
const maxDays = 100_000

// Schedule is a warm-up: from day to day another throttle.
type Schedule struct {
	ID      int64
	Name    string
	Enabled bool
}

var scheduleTable = describe(table[Schedule]{
	Table: Table{Name: TableSchedules, Meaning: "throttle schedules, for addresses that are being warmed up", Ours: true,
		Key: []string{"name"}},
	id:   func(r *Schedule) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Schedule { return &r.Schedules },
	columns: []column[Schedule]{
		text("name", "name of the schedule", func(r *Schedule) *string { return &r.Name }).required(),
		enabled(func(r *Schedule) *bool { return &r.Enabled }),
	},
})

func (Schedule) schema() *table[Schedule] { return scheduleTable }

// ScheduleStep is the throttle from a day on.
type ScheduleStep struct {
	ID       int64
	Schedule int64
	Day      int64
	Capacity int64
}

var scheduleStepTable = describe(table[ScheduleStep]{
	Table: Table{Name: TableScheduleSteps, Meaning: "the throttle from a day of a schedule on", Ours: true,
		Key: []string{"schedule", "day"}},
	id:   func(r *ScheduleStep) *int64 { return &r.ID },
	rows: func(r *Rows) *[]ScheduleStep { return &r.ScheduleSteps },
	columns: []column[ScheduleStep]{
		owner("schedule", TableSchedules, "id of the schedule", func(r *ScheduleStep) *int64 { return &r.Schedule }),
		number("day", "first day, counted from 1", func(r *ScheduleStep) *int64 { return &r.Day }).
			within(1, maxDays).required().label("From day").hint("the first day on which mail is sent is day 1"),
		reference("capacity", TableCapacity, "id of the throttle", func(r *ScheduleStep) *int64 { return &r.Capacity }).
			required().label("Throttle"),
	},
})

func (ScheduleStep) schema() *table[ScheduleStep] { return scheduleStepTable }

// ScheduleRule says where a schedule holds.
type ScheduleRule struct {
	ID       int64
	Schedule int64
	LocalIP  string
	Pool     string
	Domain   string
	Enabled  bool
}

var scheduleRuleTable = describe(table[ScheduleRule]{
	Table: Table{Name: TableScheduleRules, Meaning: "where a schedule holds", Ours: true,
		Key: []string{"schedule", "localip", "pool", "domain"}},
	id:   func(r *ScheduleRule) *int64 { return &r.ID },
	rows: func(r *Rows) *[]ScheduleRule { return &r.ScheduleRules },
	columns: []column[ScheduleRule]{
		owner("schedule", TableSchedules, "id of the schedule", func(r *ScheduleRule) *int64 { return &r.Schedule }),
		localIP(func(r *ScheduleRule) *string { return &r.LocalIP }),
		pool(func(r *ScheduleRule) *string { return &r.Pool }),
		domain(func(r *ScheduleRule) *string { return &r.Domain }).hint(""),
		enabled(func(r *ScheduleRule) *bool { return &r.Enabled }),
	},
})

func (ScheduleRule) schema() *table[ScheduleRule] { return scheduleRuleTable }

// ScheduleDay is how far an address has come with a site.
type ScheduleDay struct {
	ID       int64
	LocalIP  string
	Site     string
	Day      int64
	LastSent string // see [ParseTime]
}

var scheduleDayTable = describe(table[ScheduleDay]{
	Table: Table{Name: TableScheduleDays, Meaning: "how far an address has come with a site; written by the server", Ours: true,
		Key: []string{"localip", "site"}, Incidental: true},
	id:   func(r *ScheduleDay) *int64 { return &r.ID },
	rows: func(r *Rows) *[]ScheduleDay { return &r.ScheduleDays },
	columns: []column[ScheduleDay]{
		text("localip", "source address", func(r *ScheduleDay) *string { return &r.LocalIP }).as(Address).required().label("Address"),
		text("site", "target site", func(r *ScheduleDay) *string { return &r.Site }).required(),
		number("day", "days on which mail was sent", func(r *ScheduleDay) *int64 { return &r.Day }).
			within(1, maxDays).required(),
		text("lastsent", "the last of them", func(r *ScheduleDay) *string { return &r.LastSent }).as(Time),
	},
})

func (ScheduleDay) schema() *table[ScheduleDay] { return scheduleDayTable }
