package sheets

import (
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// words are how a form asks for a column.
type words struct {
	label string
	unit  string // inside the field
	hint  string // below it
	blank string // what an empty field means
}

// wordsOf returns the words for a column of a table.
func wordsOf(table, column string) words {
	if w, ok := ownWords(table, column); ok {
		return w
	}
	switch column {
	case "name":
		return words{label: "Name"}
	case "localip":
		return words{label: "From address", blank: "any address"}
	case "pool":
		return words{label: "From pool", blank: "any pool"}
	case "domain":
		return words{label: "Recipient domain", blank: "all domains", hint: "* stands for any text: *.example.com"}
	case "target":
		return words{label: "Recipient domain or target address", blank: "all"}
	case "tag":
		return words{label: "Tag", blank: "any tag"}
	case "ip":
		return words{label: "Target address", blank: "any address"}
	case "code":
		return words{label: "Code", hint: "as in an SMTP reply, 400 to 599"}
	case "extended":
		return words{label: "Enhanced code", blank: "such as 5.1.1"}
	case "description":
		return words{label: "Description"}
	case "cluster":
		return words{label: "On all instances of the cluster", hint: "otherwise on this one only"}
	case "expire":
		return words{label: "Until", unit: "UTC", blank: "until it is removed",
			hint: "YYYY-MM-DD HH:MM:SS, or a span from now: 30m, 2h, 3d"}
	case "priority":
		return words{label: "Priority", hint: "the lower number comes first"}
	case "final":
		return words{label: "Last rule: no further one is looked at after it"}
	case "starts":
		return words{label: "From", unit: "UTC", blank: "always",
			hint: "YYYY-MM-DD HH:MM:SS, or a span from now: 30m, 2h, 3d"}
	case "ends":
		return words{label: "Until", unit: "UTC", blank: "for good",
			hint: "YYYY-MM-DD HH:MM:SS, or a span from now: 30m, 2h, 3d"}
	case "pattern":
		return words{label: "Pattern", hint: "case makes no difference"}
	case "type":
		return words{label: "Kind of pattern"}
	case "enabled":
		return words{label: "In force"}
	case "property":
		return words{label: "Property"}
	case "value":
		return words{label: "Value"}
	}
	return words{label: human.Capital(strings.ReplaceAll(column, "_", " "))}
}

// ownWords are those for columns that mean something else elsewhere.
func ownWords(table, column string) (words, bool) {
	switch table + "." + column {
	case "capacity_rules.domain", "schedule_rules.domain":
		return words{label: "Recipient domain", blank: "all domains"}, true
	case "capacity.priority":
		return words{label: "Priority", hint: "between rules that match equally well, the lower number wins"}, true
	case "flood_responses.pattern":
		return words{label: "Pattern", hint: "of what the other side answers, such as “too many connections”"}, true
	case "flood_responses.pause":
		return words{label: "Pause delivery for", unit: "s", hint: "nothing is sent on that path meanwhile"}, true
	case "flood_responses.duration":
		return words{label: "Then slow down for", unit: "s", hint: "the limits below hold so long after the pause"}, true
	case "schedule_steps.day":
		return words{label: "From day", hint: "the first day on which mail is sent is day 1"}, true
	case "schedule_steps.capacity":
		return words{label: "Throttle"}, true
	case "pools.name":
		return words{label: "Name", hint: "messages and rules name the pool by it"}, true
	case "pools.description":
		return words{label: "Description", hint: "for people only"}, true
	case "poolips.ip":
		return words{label: "Address", hint: "an address that is in another pool moves here"}, true
	case "externalmtas.public_ip":
		return words{label: "Public address", hint: "that the world sees"}, true
	case "externalmtas.local_ip":
		return words{label: "Local address", hint: "to connect from"}, true
	case "externalmtas.connect_ip":
		return words{label: "Address of the proxy", blank: "with nat: none"}, true
	case "externalmtas.connect_port":
		return words{label: "Port", hint: "of the proxy"}, true
	case "externalmtas.protocol":
		return words{label: "Protocol"}, true
	case "delegates.localip":
		return words{label: "Would leave from", blank: "any address"}, true
	case "delegates.newip":
		return words{label: "Leaves from"}, true
	case "suppressions.value":
		return words{label: "Address or domain"}, true
	case "suppressions.type":
		return words{label: "What it is"}, true
	case "locals.address":
		return words{label: "Recipient addresses", hint: "a pattern; their mail is accepted from anybody, without a login"},
			true
	case "dns.hostname":
		return words{label: "Host name"}, true
	case "dns.ip":
		return words{label: "Address", hint: "one row for each; rows of the same name belong together"}, true
	case "blocklist.value":
		return words{label: "Who", hint: "an IP address, a range such as 192.0.2.0/24, a sender address or a sender domain"},
			true
	case "blocklist.code":
		return words{label: "Code", hint: "0: 554"}, true
	case "blocklist.description":
		return words{label: "Text of the reply", blank: "a standard one"}, true
	case "routes.domain":
		return words{label: "Recipient domain", blank: "every other", hint: "with a dot in front all below it"}, true
	case "routes.relay":
		return words{label: "Relay", blank: "by MX", hint: "host or address, lmtp:// or maildir://"}, true
	case "routes.port":
		return words{label: "Port", hint: "0: 25"}, true
	}
	return moreWords(table, column)
}

func moreWords(table, column string) (words, bool) {
	switch table + "." + column {
	case "dkim_keys.domain":
		return words{label: "Signing domain"}, true
	case "dkim_keys.selector":
		return words{label: "Selector", hint: "names the key in the DNS: SELECTOR._domainkey.DOMAIN"}, true
	case "dkim_keys.privatekey":
		return words{label: "Private key", hint: "RSA or Ed25519, as PEM"}, true
	case "dkim_keys.expire":
		return words{label: "Signatures expire", blank: "never"}, true
	case "dkim_keys.headers":
		return words{label: "More headers to sign", blank: "none beside the usual", hint: "with commas between"}, true
	case "dkim_keys.priority":
		return words{label: "Priority", hint: "the lower number is nearer the top of the mail"}, true
	case "dkim_keys.protocols":
		return words{label: "Protocols", blank: "dkim", hint: "dkim, arc"}, true
	case "dkim_keys.canonicalization":
		return words{label: "Canonicalization", blank: "relaxed/simple", hint: "of header and body"}, true
	case "dkim_keys.report":
		return words{label: "Ask for reports of failures (r=y)"}, true
	case "dkim_keys.checkdns":
		return words{label: "Sign only while the DNS has the public key"}, true
	case "dkim_patterns.sign":
		return words{label: "From domain", blank: "all, with the kind “all mail”"}, true
	case "rewrite_conditions.property":
		return words{label: "Looks at", hint: "envelope, recipient, a header such as Subject, or a property such as /tags/0"},
			true
	case "rewrite_conditions.value":
		return words{label: "Pattern"}, true
	case "rewrite_conditions.negate":
		return words{label: "Does not match"}, true
	case "rewrite_actions.type", "response_actions.type":
		return words{label: "Action"}, true
	case "response_patterns_actions.action":
		return words{label: "Action"}, true
	}
	if table == "capacity" || table == "flood_responses" {
		return limitWords(column)
	}
	return words{}, false
}

// limitWords are those for the columns that are limits.
func limitWords(column string) (words, bool) {
	switch strings.TrimPrefix(column, "ip_") {
	case "maxmessages":
		return words{label: "Messages a minute", unit: "msg/min"}, true
	case "maxbytes":
		return words{label: "Bytes a minute", unit: "B/min"}, true
	case "maxconnects":
		return words{label: "New connections a minute", unit: "conn/min"}, true
	case "maxconnections":
		return words{label: "Connections at once", unit: "conn"}, true
	case "maxstarting":
		return words{label: "Connections being opened at once", unit: "conn"}, true
	case "maxidle":
		return words{label: "Idle connections at once", unit: "conn"}, true
	}
	switch column {
	case "connection_maxmessages":
		return words{label: "Messages over one connection", unit: "msg"}, true
	case "connection_maxbytes":
		return words{label: "Bytes over one connection", unit: "B"}, true
	case "connection_minmessages":
		return words{label: "Waiting messages before another is opened", unit: "msg"}, true
	case "connection_idle":
		return words{label: "Idle connections are kept for", unit: "s"}, true
	case "connection_offline":
		return words{label: "After a failed connect wait", unit: "s"}, true
	case "connection_spread":
		return words{label: "Spread over all addresses of the target"}, true
	case "security":
		return words{label: "Encryption"}, true
	case "maxqueue":
		return words{label: "Messages in memory", unit: "msg"}, true
	case "retryshare":
		return words{label: "Of these kept for retries", unit: "%"}, true
	case "greylist_delay":
		return words{label: "Try greylisted messages again after", unit: "s"}, true
	case "greylist_sameip":
		return words{label: "From the same address"}, true
	case "bind_retry":
		return words{label: "After an address that could not be bound", unit: "s"}, true
	case "lost_offline":
		return words{label: "After a lost connection", unit: "s"}, true
	case "invalid_offline":
		return words{label: "After an answer that makes no sense", unit: "s"}, true
	case "timeout_connect":
		return words{label: "For connecting", unit: "s"}, true
	case "timeout_intro":
		return words{label: "For the greeting", unit: "s"}, true
	case "timeout_command":
		return words{label: "For the answer to a command", unit: "s"}, true
	case "timeout_data":
		return words{label: "For the answer to DATA", unit: "s"}, true
	case "timeout_message":
		return words{label: "For the answer to a message", unit: "s"}, true
	}
	return words{}, false
}

// choiceWords are what a value of a choice is called.
func choiceWords(value string) string {
	switch value {
	case settings.Exact:
		return "is exactly"
	case settings.Contains:
		return "contains"
	case settings.Wildcard:
		return "matches with wildcards"
	case settings.Regex:
		return "matches the regular expression"
	case settings.Global:
		return "all mail"
	case "address":
		return "an address"
	case "domain":
		return "a domain"
	case "nat":
		return "NAT: connect from the local address"
	case "socks":
		return "SOCKS 5 proxy"
	case "http":
		return "HTTP proxy (CONNECT)"
	}
	return value
}

// levelWords are the values of a limit that has few.
func levelWords(column string) []string {
	switch column {
	case "security":
		return []string{"no TLS", "TLS when it is offered", "TLS required", "TLS with a valid certificate required"}
	case "connection_spread", "greylist_sameip":
		return []string{"no", "yes"}
	}
	return nil
}

// text returns a text value of a row.
func text(values admin.Values, column string) string {
	s, _ := values[column].(string)
	return s
}

func number(values admin.Values, column string) int64 {
	n, _ := values[column].(int64)
	return n
}
