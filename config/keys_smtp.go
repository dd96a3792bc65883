package config

import (
	"net/netip"
	"time"
)

// authSchemes are the authentication back ends.
func authSchemes() []string {
	return []string{"hardcoded", "ldap", "ldaps", "radius", "users", "http", "https", "file", "exec"}
}

func smtpKeys() []Key {
	return []Key{
		key("smtp-ip", "", ips(), func(c *Config) *[]netip.Addr { return &c.SMTPIP }, "addresses to listen on").blank("all").restart(),
		key("smtp-port", "25", ports(), func(c *Config) *[]int { return &c.SMTPPort }, "ports with STARTTLS: single, list, ranges").restart(),
		key("smtp-secure-port", "", ports(), func(c *Config) *[]int { return &c.SMTPSecurePort }, "ports with TLS from the first byte").restart(),
		key("smtp-range", "", ranges(), func(c *Config) *[]netip.Prefix { return &c.SMTPRange }, "clients that may connect; without smtp-auth they may relay").blank("nobody").alias("smtp-ranges"),
		key("smtp-auth", "", chain(authSchemes()...), func(c *Config) *[]string { return &c.SMTPAuth }, "who may log in: an authentication URL; several lines form a chain, the first that accepts wins").lines().restart(),
		key("auth-exempt", "", ranges(), func(c *Config) *[]netip.Prefix { return &c.AuthExempt }, "clients whose failed logins are not counted, and who are never refused or slowed, for SMTP and console").blank("none").ours(),
		key("smtp-username", "", plain(), func(c *Config) *string { return &c.SMTPUsername }, "older form of smtp-auth, with smtp-password").restart(),
		key("smtp-password", "", secret(), func(c *Config) *string { return &c.SMTPPassword }, "older form of smtp-auth, with smtp-username").restart(),
		key("smtp-auth-required", "true", boolean(), func(c *Config) *bool { return &c.SMTPAuthRequired }, "false lets the clients of smtp-range relay without logging in").ours().restart(),
		key("smtp-certificate", "", paths(), func(c *Config) *[]string { return &c.SMTPCertificate }, "PEM file with the certificate and its chain, read again when it changes; several, such as one of ECDSA and one of RSA: each client gets one that it understands, ECDSA first").restart(),
		key("smtp-key", "", paths(), func(c *Config) *[]string { return &c.SMTPKey }, "PEM file with the certificate's private key; several in the order of smtp-certificate").restart().alias("smtp-privatekey"),
		key("smtp-ciphers", "", plain(), func(c *Config) *string { return &c.SMTPCiphers }, "OpenSSL cipher string for TLS up to 1.2; empty: Go's choice. What Go has not is warned about; TLS 1.3 stays on, and which of the suites that both sides have is taken Go decides").restart(),
		key("smtp-proxy", "", ranges(), func(c *Config) *[]netip.Prefix { return &c.SMTPProxy }, "proxies whose connections start with a PROXY header, version 1 or 2"),
		key("smtp-maxrecipients", "1000", count(1), func(c *Config) *int { return &c.SMTPMaxRecipients }, "recipients of one mail; more are answered 452").ours().restart(),
		key("smtp-transaction-timeout", "3600", seconds(time.Second), func(c *Config) *time.Duration { return &c.SMTPTransactionTimeout }, "seconds one mail may take, however busy the client").ours().restart(),
		key("smtp-busy", "wait", oneOf("wait", "reject"), func(c *Config) *string { return &c.SMTPBusy }, "clients beyond the connection limit wait, or are answered 421").ours().restart(),
		key("smtp-connections-client", "", unlessZero(count(0)), func(c *Config) *int { return &c.SMTPConnectionsClient }, "connections that one client address may hold; 0: any number").blank("any number for clients of smtp-range that may relay, half of incoming for others").ours().restart(),
		key("smtp-binarymime", "true", boolean(), func(c *Config) *bool { return &c.SMTPBinaryMIME }, "take mail of any bytes (BINARYMIME); servers that do not get it in base64").ours().restart(),
		key("smtp-priority", "relay", oneOf("relay", "users", "off"), func(c *Config) *string { return &c.SMTPPriority }, "whose mail may go before other mail with MT-PRIORITY: that of clients that may relay, or that have logged in; off: nobody's, and it is not offered").ours().restart(),
		key("smtp-future-release", "604800", seconds(0), func(c *Config) *time.Duration { return &c.SMTPFutureRelease }, "seconds for which clients that may relay can have mail held (FUTURERELEASE); 0: it is not offered").ours().restart(),
		key("smtp-deliver-by", "60", seconds(0), func(c *Config) *time.Duration { return &c.SMTPDeliverBy }, "shortest time in seconds in which clients can ask for mail to be delivered or returned (DELIVERBY); 0: it is not offered").ours().restart(),
		key("smtp-line-ends", "reject", oneOf("reject", "normalise|normalize"), func(c *Config) *string { return &c.SMTPLineEnds }, "what to do with a mail that has a bare CR, a bare LF or a NUL").ours().restart(),
		key("smtp-maxsize", "100MB", size(), func(c *Config) *int64 { return &c.SMTPMaxSize }, "largest mail accepted, announced with SIZE; 0: unlimited").restart(),
		key("smtp-memory", "", size(), func(c *Config) *int64 { return &c.SMTPMemory }, "memory for all mails in reception together; beyond it they go to disk at once").blank("a tenth of memory").ours().restart(),
		key("smtp-timeout", "300", seconds(time.Second), func(c *Config) *time.Duration { return &c.SMTPTimeout }, "seconds a silent client is kept; starts again with all data received").restart(),
		key("smtp-threads", "0", number(0, 1024), func(c *Config) *int { return &c.SMTPThreads }, "listening sockets for each port, a hint; 0: as many as are useful").restart(),
		key("smtp-connections", "", limit(), func(c *Config) *int { return &c.SMTPConnections }, "incoming and outgoing connections together").blank("by the limit on file descriptors").restart().alias("max-connections"),
		key("smtp-connections-in", "", limit(), func(c *Config) *int { return &c.SMTPConnectionsIn }, "incoming connections").blank("by the limit on file descriptors").restart(),
		key("smtp-connections-out", "", limit(), func(c *Config) *int { return &c.SMTPConnectionsOut }, "outgoing connections").blank("by the limit on file descriptors").restart(),
		key("smtp-hostname", "", host(), func(c *Config) *string { return &c.SMTPHostname }, "name in the greeting; a name configured for the local IP wins").blank("reverse DNS").restart(),
		key("smtp-protection", "true", boolean(), func(c *Config) *bool { return &c.SMTPProtection }, "refuse clients on the incoming block list"),
		key("smtp-check", "", someOf("spf", "dkim", "dmarc", "spam", "arc", "virus", "dnsbl"), func(c *Config) *[]string { return &c.SMTPCheck }, "checks of incoming mail: any of spf, dkim, dmarc, spam, arc, virus, dnsbl"),
		key("smtp-auth-results", "", someOf("local", "nonlocal"), func(c *Config) *[]string { return &c.SMTPAuthResults }, "mail that gets an Authentication-Results header: local, nonlocal"),
		key("smtp-validate-address", "strict", oneOf("strict", "loose"), func(c *Config) *string { return &c.SMTPValidateAddress }, "syntax demanded of MAIL FROM and RCPT TO").restart(),
		key("smtp-extract", "true", boolean(), func(c *Config) *bool { return &c.SMTPExtract }, "turn x-mq-* headers into properties of the message").restart(),
		key("smtp-default-ips", "", ips(), func(c *Config) *[]netip.Addr { return &c.SMTPDefaultIPs }, "source addresses of mail that names none").blank("any").alias("smtp-defaultips"),
		key("smtp-mappable-ips", "", ranges(), func(c *Config) *[]netip.Prefix { return &c.SMTPMappableIPs }, "mail that came in to these leaves from the same address").blank("all but loopback and link-local"),
		key("smtp-unmappable-ips", "", ranges(), func(c *Config) *[]netip.Prefix { return &c.SMTPUnmappableIPs }, "exceptions to smtp-mappable-ips").blank("none"),
		key("dsn-advertise", "true", boolean(), func(c *Config) *bool { return &c.DSNAdvertise }, "announce the DSN extension and pass its parameters on").restart(),
		key("smtp-greeting", "", plain(), func(c *Config) *string { return &c.SMTPGreeting }, "text of the greeting behind the host name").ours().restart(),
		key("default-domain", "", host(), func(c *Config) *string { return &c.DefaultDomain }, "appended to addresses without a domain").ours().restart(),
		key("submission-port", "", ports(), func(c *Config) *[]int { return &c.SubmissionPort }, "ports where TLS and logging in are required and smtp-range does not apply, usually 587").ours().restart(),
	}
}

func checkKeys() []Key {
	return []Key{
		key("spamassassin-host", "localhost", host(), func(c *Config) *string { return &c.SpamAssassinHost }, "where spamd listens"),
		key("spamassassin-port", "783", port(), func(c *Config) *int { return &c.SpamAssassinPort }, "port of spamd"),
		key("clamav-address", "", address("unix", "tcp"), func(c *Config) *string { return &c.ClamAVAddress }, "where clamd listens: unix:///run/clamav/clamd.ctl or tcp://host:3310").ours(),
		key("clamav-database", "/var/lib/clamav", path(), func(c *Config) *string { return &c.ClamAVDatabase }, "directory of ClamAV's definition files, for the Services page").ours(),
		key("dnsbl-zones", "", domains(), func(c *Config) *[]string { return &c.DNSBLZones }, "DNS block lists for clients").ours(),
		key("spam-reject-score", "", score(), func(c *Config) *float64 { return &c.SpamRejectScore }, "refuse mail with this score and above").blank("never").ours(),
		key("spam-subject", "", plain(), func(c *Config) *string { return &c.SpamSubject }, "what to put in front of the subject of spam").ours(),
		key("virus-action", "record", oneOf("record", "reject"), func(c *Config) *string { return &c.VirusAction }, "record that a mail is infected, or refuse it").ours(),
		key("virus-fail", "closed", oneOf("closed", "open"), func(c *Config) *string { return &c.VirusFail }, "with a dead scanner: answer 451 (closed), or accept unscanned (open)").ours(),
		key("dmarc-enforce", "false", boolean(), func(c *Config) *bool { return &c.DMARCEnforce }, "act on what the sender's DMARC policy asks for").ours(),
		key("dnsbl-reject", "false", boolean(), func(c *Config) *bool { return &c.DNSBLReject }, "refuse clients that a DNS block list names").ours(),
	}
}
