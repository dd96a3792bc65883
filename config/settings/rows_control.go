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

var errorTable = describe(table[ForcedError]{
	Table: Table{Name: TableErrors, Meaning: "mail that fails without being tried",
		Key: []string{"localip", "pool", "domain", "ip", "tag", "cluster", "instance"}},
	id:   func(r *ForcedError) *int64 { return &r.ID },
	rows: func(r *Rows) *[]ForcedError { return &r.Errors },
	columns: []column[ForcedError]{
		localIP(func(r *ForcedError) *string { return &r.LocalIP }),
		pool(func(r *ForcedError) *string { return &r.Pool }),
		domain(func(r *ForcedError) *string { return &r.Domain }),
		text("ip", "target IP; empty: all", func(r *ForcedError) *string { return &r.IP }).as(Address).
			label("Target address").blank("any address"),
		tag(func(r *ForcedError) *string { return &r.Tag }),
		code(func(r *ForcedError) *int64 { return &r.Code }),
		extended(func(r *ForcedError) *string { return &r.Extended }),
		description(func(r *ForcedError) *string { return &r.Description }),
		cluster(func(r *ForcedError) *bool { return &r.Cluster }),
		instance(func(r *ForcedError) *int64 { return &r.Instance }),
		enabled(func(r *ForcedError) *bool { return &r.Enabled }),
	},
})

func (ForcedError) schema() *table[ForcedError] { return errorTable }

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

var pauseTable = describe(table[Pause]{
	Table: Table{Name: TablePaused, Meaning: "mail that waits",
		Key: []string{"localip", "pool", "target", "tag", "cluster", "instance"}},
	id:   func(r *Pause) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Pause { return &r.Pauses },
	columns: []column[Pause]{
		localIP(func(r *Pause) *string { return &r.LocalIP }),
		pool(func(r *Pause) *string { return &r.Pool }),
		text("target", "recipient domain or target IP; empty: all", func(r *Pause) *string { return &r.Target }).
			label("Recipient domain or target address").blank("all"),
		tag(func(r *Pause) *string { return &r.Tag }),
		cluster(func(r *Pause) *bool { return &r.Cluster }),
		instance(func(r *Pause) *int64 { return &r.Instance }),
		expire(func(r *Pause) *string { return &r.Expire }),
		enabled(func(r *Pause) *bool { return &r.Enabled }),
	},
})

func (Pause) schema() *table[Pause] { return pauseTable }

// Delegate lets mail leave from another address.
type Delegate struct {
	ID      int64
	LocalIP string
	Domain  string
	NewIP   string
	Expire  string // see [ParseTime]
	Enabled bool
}

var delegateTable = describe(table[Delegate]{
	Table: Table{Name: TableDelegates, Meaning: "mail that leaves from another address than planned",
		Key: []string{"localip", "domain"}},
	id:   func(r *Delegate) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Delegate { return &r.Delegates },
	columns: []column[Delegate]{
		text("localip", "address it would leave from", func(r *Delegate) *string { return &r.LocalIP }).as(Address).
			label("Would leave from").blank("any address"),
		domain(func(r *Delegate) *string { return &r.Domain }),
		text("newip", "address it leaves from", func(r *Delegate) *string { return &r.NewIP }).as(Address).
			required().label("Leaves from"),
		expire(func(r *Delegate) *string { return &r.Expire }),
		enabled(func(r *Delegate) *bool { return &r.Enabled }),
	},
})

func (Delegate) schema() *table[Delegate] { return delegateTable }

// Suppression is an address or domain that gets no mail.
type Suppression struct {
	ID          int64
	Value       string
	Type        string
	Code        int64
	Extended    string
	Description string
	Enabled     bool
	Expire      string // see [ParseTime]; the server removes the row then
}

// Types of suppressions whose value is the hash of an address: without a key, and with that of the configuration.
const (
	Hashed = "sha256"
	Keyed  = "hmac"
)

var suppressionTable = describe(table[Suppression]{
	Table: Table{Name: TableSuppressions, Meaning: "addresses and domains that get no mail", Unique: "value",
		Key: []string{"value"}},
	id:   func(r *Suppression) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Suppression { return &r.Suppressions },
	columns: []column[Suppression]{
		text("value", "address or domain, or 64 hexadecimal digits: the hash of an address in lower case; unique",
			func(r *Suppression) *string { return &r.Value }).as(Key).required().label("Address or domain"),
		oneOf("type", "`address`, `domain`, `hmac` or `sha256`; empty: an address or a domain, its @ tells",
			[]Choice{{"address", "an address"}, {"domain", "a domain"},
				{Keyed, "the HMAC-SHA256 of an address, with suppression-key"}, {Hashed, "the SHA-256 of an address"}},
			func(r *Suppression) *string { return &r.Type }).
			required().label("What it is"),
		code(func(r *Suppression) *int64 { return &r.Code }),
		extended(func(r *Suppression) *string { return &r.Extended }),
		description(func(r *Suppression) *string { return &r.Description }),
		enabled(func(r *Suppression) *bool { return &r.Enabled }),
		expire(func(r *Suppression) *string { return &r.Expire }).since(3),
	},
})

func (Suppression) schema() *table[Suppression] { return suppressionTable }
