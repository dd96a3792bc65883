package settings

// Pool is a named group of source addresses.
type Pool struct {
	ID          int64
	Name        string
	Description string
	Enabled     bool
}

func (Pool) schema() *table[Pool] {
	return &table[Pool]{name: "pools", meaning: "named groups of source addresses",
		id: func(r *Pool) *int64 { return &r.ID }, rows: func(r *Rows) *[]Pool { return &r.Pools },
		columns: []column[Pool]{
			text("name", "name, by which messages and rules refer to the pool", func(r *Pool) *string { return &r.Name }),
			text("description", "for the reader", func(r *Pool) *string { return &r.Description }),
			enabled(func(r *Pool) *bool { return &r.Enabled }),
		}}
}

// PoolIP is a member of a pool.
type PoolIP struct {
	ID   int64
	Pool string
	IP   string
}

func (PoolIP) schema() *table[PoolIP] {
	return &table[PoolIP]{name: "poolips", meaning: "members of the pools",
		id: func(r *PoolIP) *int64 { return &r.ID }, rows: func(r *Rows) *[]PoolIP { return &r.PoolIPs },
		columns: []column[PoolIP]{
			text("pool", "name of the pool", func(r *PoolIP) *string { return &r.Pool }),
			text("ip", "local or external address; it belongs to one pool", func(r *PoolIP) *string { return &r.IP }),
		}}
}

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

func (ExternalMTA) schema() *table[ExternalMTA] {
	return &table[ExternalMTA]{name: "externalmtas", meaning: "public addresses that are reached through another machine",
		id: func(r *ExternalMTA) *int64 { return &r.ID }, rows: func(r *Rows) *[]ExternalMTA { return &r.ExternalMTAs },
		columns: []column[ExternalMTA]{
			text("public_ip", "address that the world sees", func(r *ExternalMTA) *string { return &r.PublicIP }),
			text("local_ip", "local address to connect from", func(r *ExternalMTA) *string { return &r.LocalIP }),
			text("connect_ip", "address of the proxy", func(r *ExternalMTA) *string { return &r.ConnectIP }),
			number("connect_port", "port of the proxy", func(r *ExternalMTA) *int64 { return &r.ConnectPort }),
			text("protocol", "`nat`, `socks` or `http`; empty: nat", func(r *ExternalMTA) *string { return &r.Protocol }),
			enabled(func(r *ExternalMTA) *bool { return &r.Enabled }),
		}}
}

// DNSRecord overrides the address of a host.
type DNSRecord struct {
	ID       int64
	Hostname string
	IP       string
	Enabled  bool
}

func (DNSRecord) schema() *table[DNSRecord] {
	return &table[DNSRecord]{name: "dns", meaning: "addresses that override those in DNS",
		id: func(r *DNSRecord) *int64 { return &r.ID }, rows: func(r *Rows) *[]DNSRecord { return &r.DNS },
		columns: []column[DNSRecord]{
			text("hostname", "name of a host", func(r *DNSRecord) *string { return &r.Hostname }),
			text("ip", "its address; several rows for several addresses", func(r *DNSRecord) *string { return &r.IP }),
			enabled(func(r *DNSRecord) *bool { return &r.Enabled }),
		}}
}

// Route sends the mail of a domain to a relay.
type Route struct {
	ID      int64
	Domain  string
	Relay   string
	Port    int64
	Enabled bool
}

func (Route) schema() *table[Route] {
	return &table[Route]{name: "routes", meaning: "domains whose mail goes to a relay, as in the file of smtp-routes",
		ours: true,
		id:   func(r *Route) *int64 { return &r.ID }, rows: func(r *Rows) *[]Route { return &r.Routes },
		columns: []column[Route]{
			text("domain", "recipient domain; with a dot in front all below it; empty: every other",
				func(r *Route) *string { return &r.Domain }),
			text("relay", "host or address, or a `lmtp://` or `maildir://` URL; empty: by MX",
				func(r *Route) *string { return &r.Relay }),
			number("port", "port of the relay; 0: 25", func(r *Route) *int64 { return &r.Port }),
			enabled(func(r *Route) *bool { return &r.Enabled }),
		}}
}
