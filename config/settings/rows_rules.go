package settings

const (
	finalMeaning    = "1: no further rule is looked at after this one"
	rulePriority    = "the lower number comes first"
	actionMeaning   = "what the action does"
	propertyMeaning = "property, by JSON pointer, that it is about"
)

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

func (ResponsePattern) schema() *table[ResponsePattern] {
	return &table[ResponsePattern]{name: "response_patterns", meaning: "replies on which response actions act",
		id:   func(r *ResponsePattern) *int64 { return &r.ID },
		rows: func(r *Rows) *[]ResponsePattern { return &r.ResponsePatterns },
		columns: []column[ResponsePattern]{
			text("name", "name of the pattern", func(r *ResponsePattern) *string { return &r.Name }),
			text("localip", localIPMeaning, func(r *ResponsePattern) *string { return &r.LocalIP }),
			text("pool", poolMeaning, func(r *ResponsePattern) *string { return &r.Pool }),
			text("domain", domainMeaning, func(r *ResponsePattern) *string { return &r.Domain }),
			text("tag", tagMeaning, func(r *ResponsePattern) *string { return &r.Tag }),
			text("pattern", "pattern of replies", func(r *ResponsePattern) *string { return &r.Pattern }),
			text("type", patternTypes, func(r *ResponsePattern) *string { return &r.Type }),
			number("priority", rulePriority, func(r *ResponsePattern) *int64 { return &r.Priority }),
			boolean("final", finalMeaning, func(r *ResponsePattern) *bool { return &r.Final }),
			enabled(func(r *ResponsePattern) *bool { return &r.Enabled }),
		}}
}

// ResponseAction is something to do about a reply.
type ResponseAction struct {
	ID       int64
	Name     string
	Type     string
	Property string
	Value    string
}

func (ResponseAction) schema() *table[ResponseAction] {
	return &table[ResponseAction]{name: "response_actions", meaning: "what can be done about a reply",
		id:   func(r *ResponseAction) *int64 { return &r.ID },
		rows: func(r *Rows) *[]ResponseAction { return &r.ResponseActions },
		columns: []column[ResponseAction]{
			text("name", "name of the action", func(r *ResponseAction) *string { return &r.Name }),
			text("type", actionMeaning, func(r *ResponseAction) *string { return &r.Type }),
			text("property", propertyMeaning, func(r *ResponseAction) *string { return &r.Property }),
			text("value", "value for it", func(r *ResponseAction) *string { return &r.Value }),
		}}
}

// ResponseLink is one action of a pattern; a pattern's actions run in the order of these rows.
type ResponseLink struct {
	ID      int64
	Pattern int64
	Action  int64
}

func (ResponseLink) schema() *table[ResponseLink] {
	return &table[ResponseLink]{name: "response_patterns_actions",
		meaning: "the actions of each response pattern, in the order of these rows",
		id:      func(r *ResponseLink) *int64 { return &r.ID },
		rows:    func(r *Rows) *[]ResponseLink { return &r.ResponseLinks },
		columns: []column[ResponseLink]{
			number("pattern", "id of the response pattern", func(r *ResponseLink) *int64 { return &r.Pattern }),
			number("action", "id of the response action", func(r *ResponseLink) *int64 { return &r.Action }),
		}}
}

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

func (RewriteTrigger) schema() *table[RewriteTrigger] {
	return &table[RewriteTrigger]{name: "rewrite_triggers", meaning: "rules that change messages before they are sent",
		id:   func(r *RewriteTrigger) *int64 { return &r.ID },
		rows: func(r *Rows) *[]RewriteTrigger { return &r.RewriteTriggers },
		columns: []column[RewriteTrigger]{
			text("name", "name of the rule", func(r *RewriteTrigger) *string { return &r.Name }),
			text("localip", localIPMeaning, func(r *RewriteTrigger) *string { return &r.LocalIP }),
			text("pool", poolMeaning, func(r *RewriteTrigger) *string { return &r.Pool }),
			text("domain", domainMeaning, func(r *RewriteTrigger) *string { return &r.Domain }),
			text("tag", tagMeaning, func(r *RewriteTrigger) *string { return &r.Tag }),
			number("priority", rulePriority, func(r *RewriteTrigger) *int64 { return &r.Priority }),
			boolean("final", finalMeaning, func(r *RewriteTrigger) *bool { return &r.Final }),
			text("starts", "time from which the rule acts; empty: always", func(r *RewriteTrigger) *string { return &r.Starts }),
			text("ends", "time until which it acts; empty: forever", func(r *RewriteTrigger) *string { return &r.Ends }),
			enabled(func(r *RewriteTrigger) *bool { return &r.Enabled }),
		}}
}

// RewriteCondition is a condition of a rewrite rule; all of them must hold.
type RewriteCondition struct {
	ID       int64
	Trigger  int64
	Property string
	Type     string
	Value    string
	Negate   bool
}

func (RewriteCondition) schema() *table[RewriteCondition] {
	return &table[RewriteCondition]{name: "rewrite_conditions",
		meaning: "conditions of the rewrite rules; all of a rule's must hold", ours: true,
		id:   func(r *RewriteCondition) *int64 { return &r.ID },
		rows: func(r *Rows) *[]RewriteCondition { return &r.RewriteConditions },
		columns: []column[RewriteCondition]{
			number("trigger", "id of the rewrite rule", func(r *RewriteCondition) *int64 { return &r.Trigger }),
			text("property", "what is looked at: `envelope`, `subject`, a header, or a property by JSON pointer",
				func(r *RewriteCondition) *string { return &r.Property }),
			text("type", patternTypes, func(r *RewriteCondition) *string { return &r.Type }),
			text("value", "pattern", func(r *RewriteCondition) *string { return &r.Value }),
			boolean("negate", "1: holds when the pattern does not match", func(r *RewriteCondition) *bool { return &r.Negate }),
		}}
}

// RewriteAction is one action of a rewrite rule; they run in the order of their ids.
type RewriteAction struct {
	ID       int64
	Trigger  int64
	Type     string
	Property string
	Value    string
}

func (RewriteAction) schema() *table[RewriteAction] {
	return &table[RewriteAction]{name: "rewrite_actions", meaning: "what the rewrite rules do, in the order of these rows",
		id: func(r *RewriteAction) *int64 { return &r.ID }, rows: func(r *Rows) *[]RewriteAction { return &r.RewriteActions },
		columns: []column[RewriteAction]{
			number("trigger", "id of the rewrite rule", func(r *RewriteAction) *int64 { return &r.Trigger }),
			text("type", actionMeaning, func(r *RewriteAction) *string { return &r.Type }),
			text("property", propertyMeaning, func(r *RewriteAction) *string { return &r.Property }),
			text("value", "value for it", func(r *RewriteAction) *string { return &r.Value }),
		}}
}
