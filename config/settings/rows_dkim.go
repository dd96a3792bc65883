package settings

// DKIMKey is a key to sign mail with.
type DKIMKey struct {
	ID               int64
	Domain           string
	Selector         string
	PrivateKey       Secret // PEM
	Expire           string
	Headers          string
	Priority         int64
	Protocols        string
	Canonicalization string
	Report           bool
	CheckDNS         bool
	Enabled          bool
}

func (DKIMKey) schema() *table[DKIMKey] {
	return &table[DKIMKey]{name: "dkim_keys",
		meaning: "keys to sign mail with; the columns mean what the properties of a message's `dkim` do",
		id:      func(r *DKIMKey) *int64 { return &r.ID }, rows: func(r *Rows) *[]DKIMKey { return &r.DKIMKeys },
		columns: []column[DKIMKey]{
			text("domain", "signing domain", func(r *DKIMKey) *string { return &r.Domain }),
			text("selector", "selector", func(r *DKIMKey) *string { return &r.Selector }),
			text("privatekey", "RSA or Ed25519 key as PEM",
				func(r *DKIMKey) *string { return (*string)(&r.PrivateKey) }).as(Long).hidden(),
			text("expire",
				"when signatures expire and the key is used no more, a UTC time, or seconds after signing; empty: never",
				func(r *DKIMKey) *string { return &r.Expire }),
			text("headers", "headers that are also signed, with commas between", func(r *DKIMKey) *string { return &r.Headers }),
			number("priority", "the lower number is nearer the top of the mail", func(r *DKIMKey) *int64 { return &r.Priority }),
			text("protocols", "`dkim`, `arc`, with commas between; empty: dkim",
				func(r *DKIMKey) *string { return &r.Protocols }),
			text("canonicalization", "of header and body; empty: `relaxed/simple`",
				func(r *DKIMKey) *string { return &r.Canonicalization }),
			boolean("report", "1: ask for reports (`r=y`)", func(r *DKIMKey) *bool { return &r.Report }),
			boolean("checkdns", "1: sign only while DNS has the matching public key",
				func(r *DKIMKey) *bool { return &r.CheckDNS }),
			enabled(func(r *DKIMKey) *bool { return &r.Enabled }),
		}}
}

// DKIMPattern says which mail a key signs.
type DKIMPattern struct {
	ID      int64
	DKIMKey int64
	Type    string
	Sign    string
}

func (DKIMPattern) schema() *table[DKIMPattern] {
	return &table[DKIMPattern]{name: "dkim_patterns", meaning: "which mail a key signs",
		id: func(r *DKIMPattern) *int64 { return &r.ID }, rows: func(r *Rows) *[]DKIMPattern { return &r.DKIMPatterns },
		columns: []column[DKIMPattern]{
			number("dkim_key", "id of the key", func(r *DKIMPattern) *int64 { return &r.DKIMKey }),
			text("type", patternTypes+", or `global` for all mail", func(r *DKIMPattern) *string { return &r.Type }),
			text("sign", "pattern of From domains", func(r *DKIMPattern) *string { return &r.Sign }),
		}}
}
