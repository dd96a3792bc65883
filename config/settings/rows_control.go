package settings

// ForcedError is a failure that mail gets without being tried.
type ForcedError struct {
	ID          int64
	LocalIP     string
	Pool        string
	Domain      string
	IP          string
	Tag         string
	Code        int64
	Extended    string
	Description string
	Cluster     bool
	Instance    int64
	Enabled     bool
}

func (ForcedError) schema() *table[ForcedError] {
	return &table[ForcedError]{name: "errors", meaning: "mail that fails without being tried",
		id: func(r *ForcedError) *int64 { return &r.ID }, rows: func(r *Rows) *[]ForcedError { return &r.Errors },
		columns: []column[ForcedError]{
			text("localip", localIPMeaning, func(r *ForcedError) *string { return &r.LocalIP }),
			text("pool", poolMeaning, func(r *ForcedError) *string { return &r.Pool }),
			text("domain", domainMeaning, func(r *ForcedError) *string { return &r.Domain }),
			text("ip", "target IP; empty: all", func(r *ForcedError) *string { return &r.IP }),
			text("tag", tagMeaning, func(r *ForcedError) *string { return &r.Tag }),
			number("code", "reply code of the result", func(r *ForcedError) *int64 { return &r.Code }),
			text("extended", "enhanced status code of the result", func(r *ForcedError) *string { return &r.Extended }),
			text("description", "description of the result", func(r *ForcedError) *string { return &r.Description }),
			boolean("cluster", clusterMeaning, func(r *ForcedError) *bool { return &r.Cluster }),
			number("instance", instMeaning, func(r *ForcedError) *int64 { return &r.Instance }),
			enabled(func(r *ForcedError) *bool { return &r.Enabled }),
		}}
}

// Pause is a selection of mail that waits.
type Pause struct {
	ID       int64
	LocalIP  string
	Pool     string
	Target   string
	Tag      string
	Cluster  bool
	Instance int64
	Expire   string // see [ParseTime]
	Enabled  bool
}

func (Pause) schema() *table[Pause] {
	return &table[Pause]{name: "paused", meaning: "mail that waits",
		id: func(r *Pause) *int64 { return &r.ID }, rows: func(r *Rows) *[]Pause { return &r.Pauses },
		columns: []column[Pause]{
			text("localip", localIPMeaning, func(r *Pause) *string { return &r.LocalIP }),
			text("pool", poolMeaning, func(r *Pause) *string { return &r.Pool }),
			text("target", "recipient domain or target IP; empty: all", func(r *Pause) *string { return &r.Target }),
			text("tag", tagMeaning, func(r *Pause) *string { return &r.Tag }),
			boolean("cluster", clusterMeaning, func(r *Pause) *bool { return &r.Cluster }),
			number("instance", instMeaning, func(r *Pause) *int64 { return &r.Instance }),
			text("expire", expireMeaning, func(r *Pause) *string { return &r.Expire }),
			enabled(func(r *Pause) *bool { return &r.Enabled }),
		}}
}

// Delegate lets mail leave from another address.
type Delegate struct {
	ID      int64
	LocalIP string
	Domain  string
	NewIP   string
	Expire  string // see [ParseTime]
	Enabled bool
}

func (Delegate) schema() *table[Delegate] {
	return &table[Delegate]{name: "delegates", meaning: "mail that leaves from another address than planned",
		id: func(r *Delegate) *int64 { return &r.ID }, rows: func(r *Rows) *[]Delegate { return &r.Delegates },
		columns: []column[Delegate]{
			text("localip", "address it would leave from", func(r *Delegate) *string { return &r.LocalIP }),
			text("domain", domainMeaning, func(r *Delegate) *string { return &r.Domain }),
			text("newip", "address it leaves from", func(r *Delegate) *string { return &r.NewIP }),
			text("expire", expireMeaning, func(r *Delegate) *string { return &r.Expire }),
			enabled(func(r *Delegate) *bool { return &r.Enabled }),
		}}
}

// Suppression is an address or domain that gets no mail.
type Suppression struct {
	ID          int64
	Value       string
	Type        string
	Code        int64
	Extended    string
	Description string
	Enabled     bool
}

func (Suppression) schema() *table[Suppression] {
	return &table[Suppression]{name: "suppressions", meaning: "addresses and domains that get no mail", unique: "value",
		id: func(r *Suppression) *int64 { return &r.ID }, rows: func(r *Rows) *[]Suppression { return &r.Suppressions },
		columns: []column[Suppression]{
			text("value", "address or domain; unique", func(r *Suppression) *string { return &r.Value }).as(Key),
			text("type", "`address` or `domain`; empty: which of them, its @ tells",
				func(r *Suppression) *string { return &r.Type }),
			number("code", "reply code of the result", func(r *Suppression) *int64 { return &r.Code }),
			text("extended", "enhanced status code of the result", func(r *Suppression) *string { return &r.Extended }),
			text("description", "description of the result", func(r *Suppression) *string { return &r.Description }),
			enabled(func(r *Suppression) *bool { return &r.Enabled }),
		}}
}
