package settings

// Rows is what [DB.Load] and [LoadCache] return: every table as it was at one moment, ordered by priority (where there
// is one) and id. Compile it, and do not change it once it is shared.
type Rows struct {
	Locals            []Local
	MTANames          []MTAName
	MTALabels         []MTALabel
	IPs               []IP
	Blocklist         []Block
	Capacities        []Capacity
	CapacityRules     []CapacityRule
	FloodResponses    []FloodResponse
	Schedules         []Schedule
	ScheduleSteps     []ScheduleStep
	ScheduleRules     []ScheduleRule
	ScheduleDays      []ScheduleDay
	Pools             []Pool
	PoolIPs           []PoolIP
	ExternalMTAs      []ExternalMTA
	DKIMKeys          []DKIMKey
	DKIMPatterns      []DKIMPattern
	DNS               []DNSRecord
	Errors            []ForcedError
	Pauses            []Pause
	Delegates         []Delegate
	Suppressions      []Suppression
	ResponsePatterns  []ResponsePattern
	ResponseActions   []ResponseAction
	ResponseLinks     []ResponseLink
	RewriteTriggers   []RewriteTrigger
	RewriteConditions []RewriteCondition
	RewriteActions    []RewriteAction
	Tokens            []Token
	Routes            []Route
	FeedbackRules     []FeedbackRule
	FeedbackSenders   []FeedbackSender
	ReturnPathKeys    []ReturnPathKey

	// Broken are the rows that could not be read, at most a thousand of each table.
	Broken []Broken
	// Notices are rows that were put right while they were read.
	Notices []Notice
}

// Broken is a row that could not be read and was left out.
type Broken struct {
	Table  TableName
	ID     int64
	Reason string // names the column; never shows a secret
}

// String returns "table locals, id 7: type is not valid UTF-8".
func (b Broken) String() string { return place(b.Table, b.ID) + ": " + b.Reason }

// Notice is a row that was put right while it was read.
type Notice struct {
	Table TableName
	ID    int64
	Text  string
	Wrong bool // what was there made no sense, and may be meant otherwise
}

// String is as that of [Broken].
func (n Notice) String() string { return place(n.Table, n.ID) + ": " + n.Text }
