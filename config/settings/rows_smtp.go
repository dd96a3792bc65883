package settings

// Local is a pattern of addresses whose mail is accepted from anybody.
type Local struct {
	ID      int64
	Address string
	Type    string
	Enabled bool
}

var localTable = describe(table[Local]{
	Table: Table{Name: TableLocals, Meaning: "addresses whose mail is accepted from anybody, without AUTH",
		Key: []string{"address", "type"}},
	id:   func(r *Local) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Local { return &r.Locals },
	columns: []column[Local]{
		text("address", "pattern of recipient addresses",
			func(r *Local) *string { return &r.Address }).required().label("Recipient addresses").
			hint("a pattern; their mail is accepted from anybody, without a login"),
		patternType(func(r *Local) *string { return &r.Type }),
		enabled(func(r *Local) *bool { return &r.Enabled }),
	},
})

func (Local) schema() *table[Local] { return localTable }

// MTAName is the name an IP address goes by.
type MTAName struct {
	ID      int64
	LocalIP string
	Name    string
}

var mtaNameTable = describe(table[MTAName]{
	Table: Table{Name: TableMTANames, Meaning: "names of local addresses", Key: []string{"localip"}},
	id:    func(r *MTAName) *int64 { return &r.ID },
	rows:  func(r *Rows) *[]MTAName { return &r.MTANames },
	columns: []column[MTAName]{
		text("localip", "local or external address",
			func(r *MTAName) *string { return &r.LocalIP }).as(Address).required().label("Address"),
		text("name", "name in the greeting and in EHLO", func(r *MTAName) *string { return &r.Name }).required(),
	},
})

func (MTAName) schema() *table[MTAName] { return mtaNameTable }

// MTALabel is what the console calls an IP address.
type MTALabel struct {
	ID      int64
	LocalIP string
	Label   string
}

var mtaLabelTable = describe(table[MTALabel]{
	Table: Table{Name: TableMTALabels, Meaning: "labels of local addresses, shown in the console only", Ours: true,
		Key: []string{"localip"}},
	id:   func(r *MTALabel) *int64 { return &r.ID },
	rows: func(r *Rows) *[]MTALabel { return &r.MTALabels },
	columns: []column[MTALabel]{
		text("localip", "local or external address",
			func(r *MTALabel) *string { return &r.LocalIP }).as(Address).required().label("Address"),
		text("label", "what the console shows", func(r *MTALabel) *string { return &r.Label }).required(),
	},
})

func (MTALabel) schema() *table[MTALabel] { return mtaLabelTable }

// IP is an address bound on one of the hosts. See [DB.ReplaceIPs].
type IP struct {
	ID       int64
	IP       string
	Hostname string
}

var ipTable = describe(table[IP]{
	Table: Table{Name: TableIPs, Meaning: "addresses of each host; written at every start and only for others to read",
		ReadOnly: true, Incidental: true},
	id:   func(r *IP) *int64 { return &r.ID },
	rows: func(r *Rows) *[]IP { return &r.IPs },
	columns: []column[IP]{
		text("ip", "local address", func(r *IP) *string { return &r.IP }).as(Address).label("Address"),
		text("hostname", "host that has it", func(r *IP) *string { return &r.Hostname }).as(Domain),
	},
})

func (IP) schema() *table[IP] { return ipTable }

// Block is an entry of the incoming block list.
type Block struct {
	ID          int64
	Value       string
	Code        int64
	Description string
	Enabled     bool
}

var blockTable = describe(table[Block]{
	Table: Table{Name: TableBlocklist, Meaning: "clients and senders that are refused", Ours: true,
		Key: []string{"value"}},
	id:   func(r *Block) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Block { return &r.Blocklist },
	columns: []column[Block]{
		text("value", "IP, range, sender address or sender domain",
			func(r *Block) *string { return &r.Value }).required().label("Who").
			hint("an IP address, a range such as 192.0.2.0/24, a sender address or a sender domain"),
		number("code", "reply code; 0: 554", func(r *Block) *int64 { return &r.Code }).from(0,
			599).label("Code").hint("0: 554"),
		text("description", "text of the reply; empty: a standard one",
			func(r *Block) *string { return &r.Description }).label("Text of the reply").blank("a standard one"),
		enabled(func(r *Block) *bool { return &r.Enabled }),
	},
})

func (Block) schema() *table[Block] { return blockTable }

// Token is the right to use the REST API.
type Token struct {
	ID       int64
	Name     string
	Hash     Secret // see [HashToken]
	Created  string // see [ParseTime]
	LastUsed string // see [ParseTime]
	Enabled  bool
}

var tokenTable = describe(table[Token]{
	Table:  Table{Name: TableTokens, Meaning: "who may use the REST API", Ours: true, ReadOnly: true, Incidental: true},
	review: reviewToken,
	id:     func(r *Token) *int64 { return &r.ID },
	rows:   func(r *Rows) *[]Token { return &r.Tokens },
	columns: []column[Token]{
		text("name", "whose it is", func(r *Token) *string { return &r.Name }),
		text("hash",
			"`sha256:` and the token's SHA-256 in hexadecimal; a plain token is replaced by that when it is first read",
			func(r *Token) *string { return (*string)(&r.Hash) }).hidden(),
		text("created", "time", func(r *Token) *string { return &r.Created }).as(Time),
		text("lastused", "time; empty: never", func(r *Token) *string { return &r.LastUsed }).as(Time),
		enabled(func(r *Token) *bool { return &r.Enabled }),
	},
})

func (Token) schema() *table[Token] { return tokenTable }
