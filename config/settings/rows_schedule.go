package settings

// Schedule is a warm-up: from day to day another throttle.
type Schedule struct {
	ID      int64
	Name    string
	Enabled bool
}

func (Schedule) schema() *table[Schedule] {
	return &table[Schedule]{name: "schedules", meaning: "throttle schedules, for addresses that are being warmed up",
		ours: true,
		id:   func(r *Schedule) *int64 { return &r.ID }, rows: func(r *Rows) *[]Schedule { return &r.Schedules },
		columns: []column[Schedule]{
			text("name", "name of the schedule", func(r *Schedule) *string { return &r.Name }),
			enabled(func(r *Schedule) *bool { return &r.Enabled }),
		}}
}

// ScheduleStep is the throttle from a day on.
type ScheduleStep struct {
	ID       int64
	Schedule int64
	Day      int64
	Capacity int64
}

func (ScheduleStep) schema() *table[ScheduleStep] {
	return &table[ScheduleStep]{name: "schedule_steps", meaning: "the throttle from a day of a schedule on", ours: true,
		id: func(r *ScheduleStep) *int64 { return &r.ID }, rows: func(r *Rows) *[]ScheduleStep { return &r.ScheduleSteps },
		columns: []column[ScheduleStep]{
			number("schedule", "id of the schedule", func(r *ScheduleStep) *int64 { return &r.Schedule }),
			number("day", "first day, counted from 1", func(r *ScheduleStep) *int64 { return &r.Day }).within(1, 100_000),
			number("capacity", "id of the throttle", func(r *ScheduleStep) *int64 { return &r.Capacity }),
		}}
}

// ScheduleRule says where a schedule holds.
type ScheduleRule struct {
	ID       int64
	Schedule int64
	LocalIP  string
	Pool     string
	Domain   string
	Enabled  bool
}

func (ScheduleRule) schema() *table[ScheduleRule] {
	return &table[ScheduleRule]{name: "schedule_rules", meaning: "where a schedule holds", ours: true,
		id: func(r *ScheduleRule) *int64 { return &r.ID }, rows: func(r *Rows) *[]ScheduleRule { return &r.ScheduleRules },
		columns: []column[ScheduleRule]{
			number("schedule", "id of the schedule", func(r *ScheduleRule) *int64 { return &r.Schedule }),
			text("localip", localIPMeaning, func(r *ScheduleRule) *string { return &r.LocalIP }),
			text("pool", poolMeaning, func(r *ScheduleRule) *string { return &r.Pool }),
			text("domain", domainMeaning, func(r *ScheduleRule) *string { return &r.Domain }),
			enabled(func(r *ScheduleRule) *bool { return &r.Enabled }),
		}}
}

// ScheduleDay is how far an address has come with a site.
type ScheduleDay struct {
	ID       int64
	LocalIP  string
	Site     string
	Day      int64
	LastSent string // see [ParseTime]
}

func (ScheduleDay) schema() *table[ScheduleDay] {
	return &table[ScheduleDay]{name: "schedule_days",
		meaning: "how far an address has come with a site; written by the server", ours: true,
		id: func(r *ScheduleDay) *int64 { return &r.ID }, rows: func(r *Rows) *[]ScheduleDay { return &r.ScheduleDays },
		columns: []column[ScheduleDay]{
			text("localip", "source address", func(r *ScheduleDay) *string { return &r.LocalIP }),
			text("site", "target site", func(r *ScheduleDay) *string { return &r.Site }),
			number("day", "days on which mail was sent", func(r *ScheduleDay) *int64 { return &r.Day }).within(1, 100_000),
			text("lastsent", "the last of them", func(r *ScheduleDay) *string { return &r.LastSent }),
		}}
}
