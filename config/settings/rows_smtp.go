package settings

// Pattern types, as the columns "type" of locals, flood_responses, dkim_patterns and response_patterns name them.
const (
	Exact    = "exact"
	Regex    = "regex"
	Wildcard = "fnmatch" // of a shell: * ? []
	Contains = "substr"
	Global   = "global" // matches everything; dkim_patterns only
)

const patternTypes = "`exact`, `regex`, `fnmatch` (shell wildcards) or `substr`"

// Local is a pattern of addresses whose mail is accepted from anybody.
type Local struct {
	ID      int64
	Address string
	Type    string
	Enabled bool
}

func (Local) schema() *table[Local] {
	return &table[Local]{name: "locals", meaning: "addresses whose mail is accepted from anybody, without AUTH",
		id: func(r *Local) *int64 { return &r.ID }, rows: func(r *Rows) *[]Local { return &r.Locals },
		columns: []column[Local]{
			text("address", "pattern of recipient addresses", func(r *Local) *string { return &r.Address }),
			text("type", patternTypes, func(r *Local) *string { return &r.Type }),
			enabled(func(r *Local) *bool { return &r.Enabled }),
		}}
}

// MTAName is the name an IP address goes by.
type MTAName struct {
	ID      int64
	LocalIP string
	Name    string
}

func (MTAName) schema() *table[MTAName] {
	return &table[MTAName]{name: "mtanames", meaning: "names of local addresses",
		id: func(r *MTAName) *int64 { return &r.ID }, rows: func(r *Rows) *[]MTAName { return &r.MTANames },
		columns: []column[MTAName]{
			text("localip", "local or external address", func(r *MTAName) *string { return &r.LocalIP }),
			text("name", "name in the greeting and in EHLO", func(r *MTAName) *string { return &r.Name }),
		}}
}

// MTALabel is what the console calls an IP address.
type MTALabel struct {
	ID      int64
	LocalIP string
	Label   string
}

func (MTALabel) schema() *table[MTALabel] {
	return &table[MTALabel]{name: "mtalabels", meaning: "labels of local addresses, shown in the console only", ours: true,
		id: func(r *MTALabel) *int64 { return &r.ID }, rows: func(r *Rows) *[]MTALabel { return &r.MTALabels },
		columns: []column[MTALabel]{
			text("localip", "local or external address", func(r *MTALabel) *string { return &r.LocalIP }),
			text("label", "what the console shows", func(r *MTALabel) *string { return &r.Label }),
		}}
}

// IP is an address bound on one of the hosts. See [DB.ReplaceIPs].
type IP struct {
	ID       int64
	IP       string
	Hostname string
}

func (IP) schema() *table[IP] {
	return &table[IP]{name: "ips", meaning: "addresses of each host; written at every start and only for others to read",
		id: func(r *IP) *int64 { return &r.ID }, rows: func(r *Rows) *[]IP { return &r.IPs },
		columns: []column[IP]{
			text("ip", "local address", func(r *IP) *string { return &r.IP }),
			text("hostname", "host that has it", func(r *IP) *string { return &r.Hostname }),
		}}
}

// Block is an entry of the incoming block list.
type Block struct {
	ID          int64
	Value       string
	Code        int64
	Description string
	Enabled     bool
}

func (Block) schema() *table[Block] {
	return &table[Block]{name: "blocklist", meaning: "clients and senders that are refused", ours: true,
		id: func(r *Block) *int64 { return &r.ID }, rows: func(r *Rows) *[]Block { return &r.Blocklist },
		columns: []column[Block]{
			text("value", "IP, range, sender address or sender domain", func(r *Block) *string { return &r.Value }),
			number("code", "reply code; 0: 554", func(r *Block) *int64 { return &r.Code }),
			text("description", "text of the reply; empty: a standard one", func(r *Block) *string { return &r.Description }),
			enabled(func(r *Block) *bool { return &r.Enabled }),
		}}
}

// Token is the right to use the REST API.
type Token struct {
	ID       int64
	Name     string
	Hash     Secret // see [HashToken]
	Created  string // see [ParseTime]
	LastUsed string // see [ParseTime]
	Enabled  bool
}

func (Token) schema() *table[Token] {
	return &table[Token]{name: "tokens", meaning: "who may use the REST API", ours: true, review: reviewToken,
		id: func(r *Token) *int64 { return &r.ID }, rows: func(r *Rows) *[]Token { return &r.Tokens },
		columns: []column[Token]{
			text("name", "whose it is", func(r *Token) *string { return &r.Name }),
			text("hash",
				"`sha256:` and the token's SHA-256 in hexadecimal; a plain token is replaced by that when it is first read",
				func(r *Token) *string { return (*string)(&r.Hash) }).hidden(),
			text("created", "time", func(r *Token) *string { return &r.Created }),
			text("lastused", "time; empty: never", func(r *Token) *string { return &r.LastUsed }),
			enabled(func(r *Token) *bool { return &r.Enabled }),
		}}
}
