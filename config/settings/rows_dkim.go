package settings

import "slices"

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

var dkimKeyTable = describe(table[DKIMKey]{
	Table: Table{Name: TableDKIMKeys,
		Meaning: "keys to sign mail with; the columns mean what the properties of a message's `dkim` do",
		Key:     []string{"domain", "selector"}},
	id:   func(r *DKIMKey) *int64 { return &r.ID },
	rows: func(r *Rows) *[]DKIMKey { return &r.DKIMKeys },
	columns: []column[DKIMKey]{
		text("domain", "signing domain", func(r *DKIMKey) *string { return &r.Domain }).as(Domain).
			required().label("Signing domain"),
		text("selector", "selector", func(r *DKIMKey) *string { return &r.Selector }).
			required().hint("names the key in the DNS: SELECTOR._domainkey.DOMAIN"),
		text("privatekey", "RSA or Ed25519 key as PEM", func(r *DKIMKey) *string { return (*string)(&r.PrivateKey) }).
			as(Long).hidden().required().label("Private key").hint("RSA or Ed25519, as PEM"),
		text("expire",
			"when signatures expire and the key is used no more, a UTC time, or seconds after signing; empty: never",
			func(r *DKIMKey) *string { return &r.Expire }).
			label("Signatures expire").blank("never"),
		text("headers", "headers that are also signed, with commas between", func(r *DKIMKey) *string { return &r.Headers }).
			label("More headers to sign").blank("none beside the usual").hint("with commas between"),
		number("priority", "the lower number is nearer the top of the mail", func(r *DKIMKey) *int64 { return &r.Priority }).
			hint("the lower number is nearer the top of the mail"),
		text("protocols", "what it makes: `dkim` signatures, `arc` seals, or both with a comma between; empty: dkim",
			func(r *DKIMKey) *string { return &r.Protocols }).
			blank("dkim").hint("dkim, arc; seals need the check arc for mail that was sealed before"),
		text("canonicalization", "of header and body; empty: `relaxed/simple`",
			func(r *DKIMKey) *string { return &r.Canonicalization }).
			blank("relaxed/simple").hint("of header and body"),
		boolean("report", "1: ask for reports (`r=y`)", func(r *DKIMKey) *bool { return &r.Report }).
			label("Ask for reports of failures (r=y)"),
		boolean("checkdns", "1: sign only while DNS has the matching public key",
			func(r *DKIMKey) *bool { return &r.CheckDNS }).
			label("Sign only while the DNS has the public key"),
		enabled(func(r *DKIMKey) *bool { return &r.Enabled }),
	},
})

func (DKIMKey) schema() *table[DKIMKey] { return dkimKeyTable }

// DKIMPattern says which mail a key signs.
type DKIMPattern struct {
	ID      int64
	DKIMKey int64
	Type    string
	Sign    string
}

var dkimPatternTable = describe(table[DKIMPattern]{
	Table: Table{Name: TableDKIMPatterns, Meaning: "which mail a key signs", Key: []string{"dkim_key", "type", "sign"}},
	id:    func(r *DKIMPattern) *int64 { return &r.ID },
	rows:  func(r *Rows) *[]DKIMPattern { return &r.DKIMPatterns },
	columns: []column[DKIMPattern]{
		owner("dkim_key", TableDKIMKeys, "id of the key", func(r *DKIMPattern) *int64 { return &r.DKIMKey }),
		oneOf("type", patternTypes+", or `global` for all mail",
			append(slices.Clip(patterns), Choice{Global, "all mail"}), func(r *DKIMPattern) *string { return &r.Type }).
			required().label("Kind of pattern"),
		text("sign", "pattern of From domains", func(r *DKIMPattern) *string { return &r.Sign }).
			label("From domain").blank("all, with the kind “all mail”"),
	},
})

func (DKIMPattern) schema() *table[DKIMPattern] { return dkimPatternTable }
