package settings

// Pool is a named group of source addresses.
type Pool struct {
	ID          int64
	Name        string
	Description string
	Enabled     bool
}

var poolTable = describe(table[Pool]{
	Table: Table{Name: TablePools, Meaning: "named groups of source addresses", Key: []string{"name"}},
	id:    func(r *Pool) *int64 { return &r.ID },
	rows:  func(r *Rows) *[]Pool { return &r.Pools },
	columns: []column[Pool]{
		text("name", "name, by which messages and rules refer to the pool",
			func(r *Pool) *string { return &r.Name }).required().
			hint("messages and rules name the pool by it"),
		text("description", "for the reader", func(r *Pool) *string { return &r.Description }).hint("for people only"),
		enabled(func(r *Pool) *bool { return &r.Enabled }),
	},
})

func (Pool) schema() *table[Pool] { return poolTable }

// PoolIP is a member of a pool.
type PoolIP struct {
	ID   int64
	Pool string
	IP   string
}

var poolIPTable = describe(table[PoolIP]{
	Table: Table{Name: TablePoolIPs, Meaning: "members of the pools", Key: []string{"ip"}},
	id:    func(r *PoolIP) *int64 { return &r.ID },
	rows:  func(r *Rows) *[]PoolIP { return &r.PoolIPs },
	columns: []column[PoolIP]{
		text("pool", "name of the pool", func(r *PoolIP) *string { return &r.Pool }).as(PoolName).required(),
		text("ip", "local or external address; it belongs to one pool", func(r *PoolIP) *string { return &r.IP }).as(Address).
			required().label("Address").hint("an address that is in another pool moves here"),
	},
})

func (PoolIP) schema() *table[PoolIP] { return poolIPTable }

// ExternalMTA is a public address that is reached through another machine.
type ExternalMTA struct {
	ID          int64
	PublicIP    string
	LocalIP     string
	ConnectIP   string
	ConnectPort int64
	Protocol    string
	Enabled     bool
}

var externalMTATable = describe(table[ExternalMTA]{
	Table: Table{Name: TableExternalMTAs, Meaning: "public addresses that are reached through another machine",
		Key: []string{"public_ip"}},
	id:   func(r *ExternalMTA) *int64 { return &r.ID },
	rows: func(r *Rows) *[]ExternalMTA { return &r.ExternalMTAs },
	columns: []column[ExternalMTA]{
		text("public_ip", "address that the world sees", func(r *ExternalMTA) *string { return &r.PublicIP }).as(Address).
			required().label("Public address").hint("that the world sees"),
		text("local_ip", "local address to connect from", func(r *ExternalMTA) *string { return &r.LocalIP }).as(Address).
			required().label("Local address").hint("to connect from"),
		text("connect_ip", "address of the proxy", func(r *ExternalMTA) *string { return &r.ConnectIP }).as(Address).
			label("Address of the proxy").blank("with nat: none"),
		number("connect_port", "port of the proxy", func(r *ExternalMTA) *int64 { return &r.ConnectPort }).
			from(1, 65535).required().label("Port").hint("of the proxy"),
		oneOf("protocol", "`nat`, `socks` or `http`; empty: nat", []Choice{
			{"nat", "NAT: connect from the local address"}, {"socks", "SOCKS 5 proxy"}, {"http", "HTTP proxy (CONNECT)"}},
			func(r *ExternalMTA) *string { return &r.Protocol }),
		enabled(func(r *ExternalMTA) *bool { return &r.Enabled }),
	},
})

func (ExternalMTA) schema() *table[ExternalMTA] { return externalMTATable }

// DNSRecord overrides the address of a host.
type DNSRecord struct {
	ID       int64
	Hostname string
	IP       string
	Enabled  bool
}

var dnsTable = describe(table[DNSRecord]{
	Table: Table{Name: TableDNS, Meaning: "addresses that override those in DNS", Key: []string{"hostname", "ip"}},
	id:    func(r *DNSRecord) *int64 { return &r.ID },
	rows:  func(r *Rows) *[]DNSRecord { return &r.DNS },
	columns: []column[DNSRecord]{
		text("hostname", "name of a host", func(r *DNSRecord) *string { return &r.Hostname }).as(Domain).
			required().label("Host name"),
		text("ip", "its address; several rows for several addresses",
			func(r *DNSRecord) *string { return &r.IP }).as(Address).
			required().label("Address").hint("one row for each; rows of the same name belong together"),
		enabled(func(r *DNSRecord) *bool { return &r.Enabled }),
	},
})

func (DNSRecord) schema() *table[DNSRecord] { return dnsTable }

// Route sends the mail of a domain to a relay.
type Route struct {
	ID      int64
	Domain  string
	Relay   string
	Port    int64
	Enabled bool
}

var routeTable = describe(table[Route]{
	Table: Table{Name: TableRoutes, Meaning: "domains whose mail goes to a relay, as in the file of smtp-routes",
		Ours: true, Key: []string{"domain"}},
	id:   func(r *Route) *int64 { return &r.ID },
	rows: func(r *Rows) *[]Route { return &r.Routes },
	columns: []column[Route]{
		text("domain", "recipient domain; with a dot in front all below it; empty: every other",
			func(r *Route) *string { return &r.Domain }).
			label("Recipient domain").blank("every other").hint("with a dot in front all below it"),
		text("relay", "host or address, or a `lmtp://` or `maildir://` URL; empty: by MX",
			func(r *Route) *string { return &r.Relay }).
			blank("by MX").hint("host or address, lmtp:// or maildir://"),
		number("port", "port of the relay; 0: 25", func(r *Route) *int64 { return &r.Port }).from(0, 65535).hint("0: 25"),
		enabled(func(r *Route) *bool { return &r.Enabled }),
	},
})

func (Route) schema() *table[Route] { return routeTable }
