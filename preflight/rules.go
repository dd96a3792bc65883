package preflight

import "slices"

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // mail is refused for it, or filed as spam
	Warning Severity = "warning" // some mail may be
	Notice  Severity = "notice"  // what could be better
)

// Severities returns all of them, the worst first.
func Severities() []Severity { return []Severity{Error, Warning, Notice} }

// Source is who asks for something.
type Source struct {
	Receiver string `json:"receiver"`
	URL      string `json:"url"` // of the published rule
}

// Rule is something that receivers ask of a mail.
type Rule struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Asked    []Source `json:"asked"` // who asks for it
	Meaning  string   `json:"meaning"`
	Remedy   string   `json:"remedy"`
}

// Finding is a rule that a mail does not keep.
type Finding struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Asked    []Source `json:"asked"`
	Found    string   `json:"found"`  // in this mail
	Remedy   string   `json:"remedy"` // what to do
}

// Where the rules are published.
var (
	gmail     = Source{"Gmail", "https://support.google.com/mail/answer/81126"}
	gmailSize = Source{"Gmail", "https://support.google.com/mail/answer/6584"}
	yahoo     = Source{"Yahoo", "https://senders.yahooinc.com/best-practices/"}
	yahooDNS  = Source{"Yahoo", "https://senders.yahooinc.com/smtp-error-codes/"}
	microsoft = Source{"Microsoft", "https://techcommunity.microsoft.com/blog/microsoftdefenderforoffice365blog/" +
		"strengthening-email-ecosystem-outlook%E2%80%99s-new-requirements-for-high%E2%80%90volume-senders/4399730"}
	outlook    = Source{"Microsoft", "https://sendersupport.olc.protection.outlook.com/pm/policies.aspx"}
	apple      = Source{"Apple", "https://support.apple.com/en-us/102322"}
	appleSize  = Source{"Apple", "https://support.apple.com/en-us/102198"}
	messages   = Source{"RFC 5322", "https://www.rfc-editor.org/rfc/rfc5322#section-3.6"}
	signatures = Source{"RFC 6376", "https://www.rfc-editor.org/rfc/rfc6376"}
	algorithms = Source{"RFC 8301", "https://www.rfc-editor.org/rfc/rfc8301"}
	oneClick   = Source{"RFC 8058", "https://www.rfc-editor.org/rfc/rfc8058"}

	form      = []Source{gmail, yahoo, outlook, apple, messages}
	signed    = []Source{gmail, yahoo, microsoft, apple, signatures}
	proven    = []Source{gmail, yahoo, microsoft, apple}
	unsub     = []Source{gmail, yahoo, oneClick}
	reachable = []Source{yahooDNS, microsoft}
)

// rule numbers the rules: it is an index of the table.
type rule uint8

const (
	noHeader rule = iota
	noFrom
	severalFrom
	badFrom
	noDate
	badDate
	oddDate
	noMessageID
	badMessageID
	repeatedField
	oddLine
	headerEightBit
	headerLong
	headerLarge
	bodyLong
	bareCR
	bareLF
	nul
	tooLarge

	unsigned
	badSignature
	weakAlgorithm
	expiredSignature
	partialSignature
	notAligned

	noUnsubscribe
	noOneClick
	badOneClick
	unsubscribeUnsigned

	signatureFails
	shortKey
	keyOf1024
	spfFails
	noDMARC
	dmarcFails
	fromUnreachable
	envelopeUnreachable
	noZone
	noPTR
	otherPTR
	noAnswer
	ruleCount
)

// rules is the table.
var rules = [ruleCount]Rule{
	noHeader: {"no-header", Error, form, "the mail begins with text",
		"begin with header fields, then an empty line, then the text"},
	noFrom:      {"no-from", Error, form, "there is no From", "put one From field with one address into the mail"},
	severalFrom: {"several-from", Error, []Source{gmail}, "From has several addresses", "name one author in From"},
	badFrom: {"bad-from", Error, form, "From has no usable address",
		`write From as "Name <local@domain.example>"; quote a name with commas, dots or other special characters`},
	noDate:  {"no-date", Error, form, "there is no Date", "put one Date field into the mail, or have mtad add it"},
	badDate: {"bad-date", Warning, form, "Date cannot be read", `write it as "Tue, 1 Dec 2026 03:00:00 +0000"`},
	oddDate: {"odd-date", Warning, []Source{yahoo, outlook}, "Date is far from now",
		"set the clock of the machine that makes the mails, and make a mail when it is sent"},
	noMessageID: {"no-message-id", Error, form, "there is no Message-ID",
		"put one Message-ID into each mail, another for each, or have mtad add it"},
	badMessageID: {"bad-message-id", Warning, form, "Message-ID is malformed", `write it as "<unique@your.domain>"`},
	repeatedField: {"repeated-field", Error, form, "a field stands twice that may stand once",
		"leave one of them; where programs add it one after the other, have only one do so"},
	oddLine: {"odd-line", Error, form, "a line of the header is no field",
		"continue long fields on lines that begin with a blank, and end the header with one empty line"},
	headerEightBit: {"header-8bit", Warning, []Source{gmail, messages}, "the header has characters beyond ASCII",
		"encode them (RFC 2047), as in =?utf-8?q?…?="},
	headerLong: {"header-line-long", Error, form, "a line of the header has more than 998 characters",
		"fold the field at its blanks"},
	headerLarge: {"header-large", Warning, []Source{gmail}, "the header is very large",
		"leave out fields that no receiver reads; keep lists of addresses out of To and Cc"},
	bodyLong: {"body-line-long", Error, form, "a line of the body has more than 998 characters",
		"encode the part as quoted-printable or base64, or break its lines"},
	bareCR: {"bare-cr", Error, form, "a CR stands without LF", "end lines with CRLF only"},
	bareLF: {"bare-lf", Error, form, "a line ends with LF alone", "end lines with CRLF"},
	nul:    {"nul", Error, form, "there is a NUL byte", "encode the part as base64"},
	tooLarge: {"too-large", Warning, []Source{appleSize, gmailSize}, "some receivers take no mail that large",
		"put large files on a web server, and a link into the mail"},

	unsigned: {"unsigned", Error, signed, "the mail has no DKIM signature",
		"make a key for the domain of From, publish it, and sign with it (console: DKIM keys)"},
	badSignature: {"bad-signature", Warning, signed, "a DKIM signature cannot be used",
		"sign with another program, or take the broken signature out"},
	weakAlgorithm: {"sha1", Error, []Source{gmail, yahoo, algorithms}, "a DKIM signature is made with SHA-1",
		"sign with rsa-sha256"},
	expiredSignature: {"expired-signature", Warning, []Source{signatures}, "a DKIM signature is over",
		"let signatures be valid for a week at least: mail that is deferred arrives late"},
	partialSignature: {"partial-signature", Warning, []Source{gmail, signatures},
		"a DKIM signature covers only the beginning of the body", "sign without l="},
	notAligned: {"not-aligned", Error, proven, "neither DKIM nor SPF can vouch for From",
		"sign with a key of the domain of From, or of its organisation"},

	noUnsubscribe: {"no-unsubscribe", Warning, unsub, "there is no List-Unsubscribe",
		"marketing and subscribed mail needs it: set the property list-unsubscribe with one-click, or the fields"},
	noOneClick: {"no-one-click", Warning, unsub, "recipients cannot unsubscribe with one click",
		`add "List-Unsubscribe-Post: List-Unsubscribe=One-Click" and an https address in List-Unsubscribe`},
	badOneClick: {"bad-one-click", Error, unsub, "the fields for one-click unsubscribe are malformed",
		`write "List-Unsubscribe-Post: List-Unsubscribe=One-Click" and "List-Unsubscribe: <https://…>"`},
	unsubscribeUnsigned: {"unsubscribe-unsigned", Error, unsub, "one-click unsubscribe is not covered by a signature",
		"sign List-Unsubscribe and List-Unsubscribe-Post with the domain of From, after they were added"},

	signatureFails: {"signature-fails", Error, signed, "a DKIM signature does not hold",
		"publish the key under the name given, and let nothing change the mail after it was signed"},
	shortKey: {"short-key", Error, append(slices.Clip(signed), algorithms), "a DKIM key has under 1024 bits",
		"make a key of 2048 bits, and rotate to it"},
	keyOf1024: {"key-under-2048", Notice, []Source{gmail, algorithms}, "a DKIM key has under 2048 bits",
		"make a key of 2048 bits, and rotate to it"},
	spfFails: {"spf-fails", Error, proven, "SPF does not pass for the sending address",
		"publish an SPF record at the domain of the envelope that names the address: ip4:… or ip6:…"},
	noDMARC: {"no-dmarc", Error, proven, "the domain of From publishes no DMARC policy",
		`publish a TXT record "v=DMARC1; p=none; rua=mailto:…" at _dmarc below the domain`},
	dmarcFails: {"dmarc-fails", Error, proven, "DMARC does not pass",
		"make DKIM pass for the domain of From, or SPF for an envelope of that domain"},
	fromUnreachable: {"from-unreachable", Warning, reachable, "the domain of From has neither MX nor address",
		"publish an MX record: replies must be possible"},
	envelopeUnreachable: {"envelope-unreachable", Error, reachable,
		"the domain of the envelope has neither MX nor address",
		"publish an MX record: bounces must be possible"},
	noZone: {"no-soa", Error, []Source{yahooDNS}, "the domain has no SOA record",
		"have the zone of the domain served: delegation and name servers must agree"},
	noPTR: {"no-ptr", Error, []Source{gmail, yahoo, outlook, apple}, "the sending address has no PTR record",
		"have who gave you the address publish its name"},
	otherPTR: {"ptr-mismatch", Error, []Source{gmail, yahoo, outlook, apple},
		"the name of the sending address leads elsewhere", "publish an A or AAAA record of that name with the address"},
	noAnswer: {"no-answer", Notice, nil, "the DNS did not answer", "try again later"},
}

// Rules returns what mails are held against.
func Rules() []Rule { return slices.Clone(rules[:]) }

// finding makes one of a rule.
func (r rule) finding(found string) Finding {
	of := &rules[r]
	if found == "" {
		found = of.Meaning
	}
	return Finding{ID: of.ID, Severity: of.Severity, Asked: of.Asked, Found: found, Remedy: of.Remedy}
}

// Worst returns the severity of the worst finding, "" without any.
func Worst(findings []Finding) Severity {
	for _, s := range Severities() {
		if slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == s }) {
			return s
		}
	}
	return ""
}
