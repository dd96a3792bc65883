package settings

// What feedback rules are about.
const (
	FeedbackBounce      = "bounce"      // mail came back for good, such as from an address that does not exist
	FeedbackComplaint   = "complaint"   // the recipient called it spam
	FeedbackUnsubscribe = "unsubscribe" // the recipient asked for no more
)

// FeedbackRule has recipients suppressed because of what was reported of mail to them.
type FeedbackRule struct {
	ID        int64
	Kind      string
	Tag       string
	Threshold int64
	Days      int64
	Expire    int64 // days
	Hashed    bool
	Enabled   bool
}

var feedbackRuleTable = describe(table[FeedbackRule]{
	Table: Table{Name: TableFeedbackRules, Meaning: "when recipients are put on the suppression list because of reports",
		Ours: true, Since: 3, Key: []string{"kind", "tag"}},
	id:   func(r *FeedbackRule) *int64 { return &r.ID },
	rows: func(r *Rows) *[]FeedbackRule { return &r.FeedbackRules },
	columns: []column[FeedbackRule]{
		oneOf("kind", "`bounce` (mail came back for good), `complaint` or `unsubscribe`",
			[]Choice{{FeedbackBounce, "hard bounces"}, {FeedbackComplaint, "complaints"},
				{FeedbackUnsubscribe, "requests for no more mail"}}, func(r *FeedbackRule) *string { return &r.Kind }).
			required().label("Reports"),
		tag(func(r *FeedbackRule) *string { return &r.Tag }),
		number("threshold", "of how many mails it has to be reported; 0: one",
			func(r *FeedbackRule) *int64 { return &r.Threshold }).within(0, 100).label("Mails").
			hint("how many mails it has to be reported of; 0: one"),
		number("days", "within how many days; 0: 30", func(r *FeedbackRule) *int64 { return &r.Days }).within(0, 365).
			label("Within").unit("days").hint("0: 30 days"),
		number("expire", "for how many days the recipient gets no mail; 0: for good",
			func(r *FeedbackRule) *int64 { return &r.Expire }).within(0, 3650).label("Suppressed for").unit("days").
			hint("0: for good"),
		boolean("hashed", "1: the suppression list gets a hash of the address in place of the address, keyed where there is a suppression-key",
			func(r *FeedbackRule) *bool { return &r.Hashed }).label("Keep a hash in place of the address"),
		enabled(func(r *FeedbackRule) *bool { return &r.Enabled }),
	},
})

func (FeedbackRule) schema() *table[FeedbackRule] { return feedbackRuleTable }

// FeedbackSender is somebody whose complaints count.
type FeedbackSender struct {
	ID          int64
	Domain      string
	Description string
	Enabled     bool
}

var feedbackSenderTable = describe(table[FeedbackSender]{
	Table: Table{Name: TableFeedbackSenders, Meaning: "whose complaints (ARF) count: feedback loops", Ours: true, Since: 3,
		Key: []string{"domain"}},
	id:   func(r *FeedbackSender) *int64 { return &r.ID },
	rows: func(r *Rows) *[]FeedbackSender { return &r.FeedbackSenders },
	columns: []column[FeedbackSender]{
		text("domain", "domain of the reports' From; DKIM or SPF has to pass for it, or for a domain below it",
			func(r *FeedbackSender) *string { return &r.Domain }).as(Domain).required().label("Domain").
			hint("of the reports' From; DKIM or SPF has to pass for it, or for a domain below it"),
		text("description", "for people", func(r *FeedbackSender) *string { return &r.Description }).label("Description"),
		enabled(func(r *FeedbackSender) *bool { return &r.Enabled }),
	},
})

func (FeedbackSender) schema() *table[FeedbackSender] { return feedbackSenderTable }

// ReturnPathKey signs return paths.
type ReturnPathKey struct {
	ID      int64
	Created string // see [ParseTime]
	Secret  Secret // base64
}

var returnPathKeyTable = describe(table[ReturnPathKey]{
	Table: Table{Name: TableReturnPathKeys, Meaning: "keys that sign return paths (`verp`); servers make and remove them",
		Ours: true, Since: 3, ReadOnly: true, Incidental: true},
	id:   func(r *ReturnPathKey) *int64 { return &r.ID },
	rows: func(r *Rows) *[]ReturnPathKey { return &r.ReturnPathKeys },
	columns: []column[ReturnPathKey]{
		text("created", "time", func(r *ReturnPathKey) *string { return &r.Created }).as(Time),
		text("secret", "32 random bytes in base64", func(r *ReturnPathKey) *string { return (*string)(&r.Secret) }).hidden(),
	},
})

func (ReturnPathKey) schema() *table[ReturnPathKey] { return returnPathKeyTable }
