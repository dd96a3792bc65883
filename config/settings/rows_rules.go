package settings

import "slices"

// ResponsePattern selects replies; what happens then is in the actions linked to it.
type ResponsePattern struct {
	ID       int64
	Name     string
	LocalIP  string
	Pool     string
	Domain   string
	Tag      string
	Pattern  string
	Type     string
	Priority int64
	Final    bool
	Enabled  bool
}

var responsePatternTable = describe(table[ResponsePattern]{
	Table: Table{Name: TableResponsePatterns, Meaning: "replies on which response actions act", Key: []string{"name"}},
	id:    func(r *ResponsePattern) *int64 { return &r.ID },
	rows:  func(r *Rows) *[]ResponsePattern { return &r.ResponsePatterns },
	columns: []column[ResponsePattern]{
		text("name", "name of the pattern", func(r *ResponsePattern) *string { return &r.Name }).required(),
		localIP(func(r *ResponsePattern) *string { return &r.LocalIP }),
		pool(func(r *ResponsePattern) *string { return &r.Pool }),
		domain(func(r *ResponsePattern) *string { return &r.Domain }),
		tag(func(r *ResponsePattern) *string { return &r.Tag }),
		text("pattern", "pattern of replies", func(r *ResponsePattern) *string { return &r.Pattern }).
			required().hint("case makes no difference; of a class its name, such as mailbox-full"),
		oneOf("type", patternTypes+", or `class` for the class of the result",
			append(slices.Clone(patterns), Choice{ReplyClass, "is of the class"}),
			func(r *ResponsePattern) *string { return &r.Type }).required().label("Kind of pattern"),
		priority(func(r *ResponsePattern) *int64 { return &r.Priority }),
		final(func(r *ResponsePattern) *bool { return &r.Final }),
		enabled(func(r *ResponsePattern) *bool { return &r.Enabled }),
	},
})

func (ResponsePattern) schema() *table[ResponsePattern] { return responsePatternTable }

// ResponseAction is something to do about a reply.
type ResponseAction struct {
	ID       int64
	Name     string
	Type     string
	Property string
	Value    string
}

var responseActionTable = describe(table[ResponseAction]{
	Table: Table{Name: TableResponseActions, Meaning: "what can be done about a reply", Key: []string{"name"}},
	id:    func(r *ResponseAction) *int64 { return &r.ID },
	rows:  func(r *Rows) *[]ResponseAction { return &r.ResponseActions },
	columns: []column[ResponseAction]{
		text("name", "name of the action", func(r *ResponseAction) *string { return &r.Name }).required(),
		actionType(func(r *ResponseAction) *string { return &r.Type }),
		actionProperty(func(r *ResponseAction) *string { return &r.Property }),
		actionValue(func(r *ResponseAction) *string { return &r.Value }),
	},
})

func (ResponseAction) schema() *table[ResponseAction] { return responseActionTable }

// ResponseLink is one action of a pattern; a pattern's actions run in the order of these rows.
type ResponseLink struct {
	ID      int64
	Pattern int64
	Action  int64
}

var responseLinkTable = describe(table[ResponseLink]{
	Table: Table{Name: TableResponseLinks, Meaning: "the actions of each response pattern, in the order of these rows",
		Key: []string{"pattern", "action"}},
	id:   func(r *ResponseLink) *int64 { return &r.ID },
	rows: func(r *Rows) *[]ResponseLink { return &r.ResponseLinks },
	columns: []column[ResponseLink]{
		owner("pattern", TableResponsePatterns, "id of the response pattern",
			func(r *ResponseLink) *int64 { return &r.Pattern }),
		reference("action", TableResponseActions, "id of the response action",
			func(r *ResponseLink) *int64 { return &r.Action }).required(),
	},
})

func (ResponseLink) schema() *table[ResponseLink] { return responseLinkTable }

// RewriteTrigger is a rewrite rule; its conditions and actions are in tables of their own.
type RewriteTrigger struct {
	ID       int64
	Name     string
	LocalIP  string
	Pool     string
	Domain   string
	Tag      string
	Priority int64
	Final    bool
	Starts   string // see [ParseTime]
	Ends     string // see [ParseTime]
	Enabled  bool
}

var rewriteTriggerTable = describe(table[RewriteTrigger]{
	Table: Table{Name: TableRewriteTriggers, Meaning: "rules that change messages before they are sent",
		Key: []string{"name"}},
	id:   func(r *RewriteTrigger) *int64 { return &r.ID },
	rows: func(r *Rows) *[]RewriteTrigger { return &r.RewriteTriggers },
	columns: []column[RewriteTrigger]{
		text("name", "name of the rule", func(r *RewriteTrigger) *string { return &r.Name }).required(),
		localIP(func(r *RewriteTrigger) *string { return &r.LocalIP }),
		pool(func(r *RewriteTrigger) *string { return &r.Pool }),
		domain(func(r *RewriteTrigger) *string { return &r.Domain }),
		tag(func(r *RewriteTrigger) *string { return &r.Tag }),
		priority(func(r *RewriteTrigger) *int64 { return &r.Priority }),
		final(func(r *RewriteTrigger) *bool { return &r.Final }),
		moment("starts", "time from which the rule acts; empty: always",
			func(r *RewriteTrigger) *string { return &r.Starts }).
			label("From").blank("always"),
		moment("ends", "time until which it acts; empty: forever", func(r *RewriteTrigger) *string { return &r.Ends }).
			label("Until").blank("for good"),
		enabled(func(r *RewriteTrigger) *bool { return &r.Enabled }),
	},
})

func (RewriteTrigger) schema() *table[RewriteTrigger] { return rewriteTriggerTable }

// RewriteCondition is a condition of a rewrite rule; all of them must hold.
type RewriteCondition struct {
	ID       int64
	Trigger  int64
	Property string
	Type     string
	Value    string
	Negate   bool
}

var rewriteConditionTable = describe(table[RewriteCondition]{
	Table: Table{Name: TableRewriteConditions, Meaning: "conditions of the rewrite rules; all of a rule's must hold",
		Ours: true, Key: []string{"trigger", "property", "type", "value", "negate"}},
	id:   func(r *RewriteCondition) *int64 { return &r.ID },
	rows: func(r *Rows) *[]RewriteCondition { return &r.RewriteConditions },
	columns: []column[RewriteCondition]{
		owner("trigger", TableRewriteTriggers, "id of the rewrite rule",
			func(r *RewriteCondition) *int64 { return &r.Trigger }),
		text("property", "what is looked at: `envelope`, `subject`, a header, or a property by JSON pointer",
			func(r *RewriteCondition) *string { return &r.Property }).
			required().label("Looks at").hint("envelope, recipient, a header such as Subject, or a property such as /tags/0"),
		patternType(func(r *RewriteCondition) *string { return &r.Type }),
		text("value", "pattern", func(r *RewriteCondition) *string { return &r.Value }).label("Pattern"),
		boolean("negate", "1: holds when the pattern does not match", func(r *RewriteCondition) *bool { return &r.Negate }).
			label("Does not match"),
	},
})

func (RewriteCondition) schema() *table[RewriteCondition] { return rewriteConditionTable }

// RewriteAction is one action of a rewrite rule; they run in the order of their ids.
type RewriteAction struct {
	ID       int64
	Trigger  int64
	Type     string
	Property string
	Value    string
}

var rewriteActionTable = describe(table[RewriteAction]{
	Table: Table{Name: TableRewriteActions, Meaning: "what the rewrite rules do, in the order of these rows",
		Key: []string{"trigger", "type", "property", "value"}},
	id:   func(r *RewriteAction) *int64 { return &r.ID },
	rows: func(r *Rows) *[]RewriteAction { return &r.RewriteActions },
	columns: []column[RewriteAction]{
		owner("trigger", TableRewriteTriggers, "id of the rewrite rule", func(r *RewriteAction) *int64 { return &r.Trigger }),
		actionType(func(r *RewriteAction) *string { return &r.Type }),
		actionProperty(func(r *RewriteAction) *string { return &r.Property }),
		actionValue(func(r *RewriteAction) *string { return &r.Value }),
	},
})

func (RewriteAction) schema() *table[RewriteAction] { return rewriteActionTable }
