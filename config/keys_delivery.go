package config

import (
	"net/netip"
	"time"
)

// privateRanges are the addresses on which nobody else's attachments are found.
const privateRanges = "0.0.0.0/8,10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16,::/128,::1/128,fc00::/7,fe80::/10"

func deliveryKeys() []Key {
	return []Key{
		key("max-delivertime", "86400", unlimited(seconds(time.Second)), func(c *Config) *time.Duration { return &c.MaxDeliverTime }, "seconds to keep trying after the first pickup").alias("max-deliver-time").restart(),
		key("max-attempts", "0", limit(), func(c *Config) *int { return &c.MaxAttempts }, "attempts for one message; 0: unlimited").restart(),
		key("retry-interval", "600,600,1800,1800,3600,3600,7200", intervals(), func(c *Config) *[]time.Duration { return &c.RetryInterval }, "delays between attempts; the last repeats").restart(),
		key("validate-envelope", "strict", oneOf("strict", "loose"), func(c *Config) *string { return &c.ValidateEnvelope }, "loose sends from addresses that RFC 5321 forbids").restart(),
		key("validate-recipient", "strict", oneOf("strict", "loose"), func(c *Config) *string { return &c.ValidateRecipient }, "loose sends to addresses that RFC 5321 forbids").restart(),
		key("smarthost", "", host(), func(c *Config) *string { return &c.Smarthost }, "relay for all mail").blank("none").restart(),
		key("smarthost-port", "25", port(), func(c *Config) *int { return &c.SmarthostPort }, "port of the relay").restart(),
		key("smarthost-username", "", plain(), func(c *Config) *string { return &c.SmarthostUsername }, "user to log in as at the relay").restart(),
		key("smarthost-password", "", secret(), func(c *Config) *string { return &c.SmarthostPassword }, "password for the relay").restart(),
		key("smarthost-plaintext", "false", boolean(), func(c *Config) *bool { return &c.SmarthostPlaintext }, "log in at the relay over a connection without TLS, too; messages allow that for their own with smarthost.plaintext").ours().restart(),
		key("smtp-sink-address", "", sink(), func(c *Config) *string { return &c.SMTPSinkAddress }, "all connections go here instead, for tests; 0.0.0.0: off").blank("off").restart().alias("smtp-sink-ip"),
		key("smtp-sink-port", "25", port(), func(c *Config) *int { return &c.SMTPSinkPort }, "port of the sink").restart(),
		key("smtp-sink-username", "", plain(), func(c *Config) *string { return &c.SMTPSinkUsername }, "user to log in as at the sink").restart(),
		key("smtp-sink-password", "", secret(), func(c *Config) *string { return &c.SMTPSinkPassword }, "password for the sink").restart(),
		key("dsn-notify", "FAILURE", notify(), func(c *Config) *[]string { return &c.DSNNotify }, "when to send bounces, unless the message says so: FAILURE, DELAY, SUCCESS or NEVER").restart(),
		key("dsn-ret", "HDRS", oneOf("FULL", "HDRS"), func(c *Config) *string { return &c.DSNRet }, "what a bounce returns, unless the message says so: FULL or HDRS").restart(),
		key("smtp-routes", "", path(), func(c *Config) *string { return &c.SMTPRoutes }, "file of domain:relay:port lines").ours(),
		key("allow-private-targets", "false", boolean(), func(c *Config) *bool { return &c.AllowPrivateTargets }, "deliver to MX hosts with private, loopback or link-local addresses").ours().restart(),
		key("bounce-from", "postmaster", plain(), func(c *Config) *string { return &c.BounceFrom }, "From of bounces; a bare user gets bounce-host").ours().restart(),
		key("bounce-host", "", host(), func(c *Config) *string { return &c.BounceHost }, "domain of bounces, and the name under which they report").blank("hostname").ours().restart(),
		key("double-bounce-to", "", plain(), func(c *Config) *string { return &c.DoubleBounceTo }, "where bounces of bounces go; a bare user gets double-bounce-host").blank("dropped").ours().restart(),
		key("double-bounce-host", "", host(), func(c *Config) *string { return &c.DoubleBounceHost }, "domain of a double-bounce-to without one").blank("bounce-host").ours().restart(),
		key("bounce-limit", "100", limit(), func(c *Config) *int { return &c.BounceLimit }, "bounces to one address in an hour; 0: unlimited").ours().restart(),
		key("bounce-delay", "14400", seconds(time.Second), func(c *Config) *time.Duration { return &c.BounceDelay }, "seconds after which mail counts as delayed, for senders that asked to be told (DELAY)").ours().restart(),
		key("receivers-file", "", path(), func(c *Config) *string { return &c.ReceiversFile }, "file of rules that say what replies mean, before the standard ones; see docs/reply-classes.md").blank("none").ours(),
		key("bounce-texts", "", path(), func(c *Config) *string { return &c.BounceTexts }, "directory of texts such as failed.en.txt in place of the built-in ones").blank("built in").ours().restart(),
		key("sign-library", "auto", oneOf("auto", "go", "libcrypto"), func(c *Config) *string { return &c.SignLibrary }, "what makes RSA signatures: crypto/rsa (go), or the system's libcrypto.so.3 where it can be used; auto: the faster of the two").ours().restart(),
		key("verp", "", plain(), func(c *Config) *string { return &c.VERP }, "return paths that lead back to the message: a domain, or an address with {token} in it, as in b+{token}@bounces.{domain}").blank("the message's own envelope").ours().restart(),
		key("verp-all", "true", boolean(), func(c *Config) *bool { return &c.VERPAll }, "false: only messages that ask for it with their property verp get such a return path").ours().restart(),
		key("verp-lifetime", "2592000", seconds(24*time.Hour), func(c *Config) *time.Duration { return &c.VERPLifetime }, "seconds after which such a return path counts for nothing").ours().restart(),
		key("suppression-key", "", secret(), func(c *Config) *string { return &c.SuppressionKey }, "key of the hashes by which feedback rules list addresses, the same on all instances of a cluster").blank("hashes without a key, which can be guessed").ours().restart(),
		key("verp-unsubscribe", "false", boolean(), func(c *Config) *bool { return &c.VERPUnsubscribe }, "mail without a field List-Unsubscribe gets one, with an address that leads back to the message").ours().restart(),
		key("unsubscribe-url", "", plain(), func(c *Config) *string { return &c.UnsubscribeURL }, "https address at which the console's /unsubscribe can be reached from outside, for unsubscribing with one click").blank("by mail only").ours().restart(),
	}
}

func throttleKeys() []Key {
	proxies := func() codec[string] { return address("http", "https", "socks", "socks5") }
	return []Key{
		key("domain-maxmessages", "0", limit(), func(c *Config) *int { return &c.DomainMaxMessages }, "messages a minute to one target domain; 0: unlimited"),
		key("domain-maxconnects", "0", limit(), func(c *Config) *int { return &c.DomainMaxConnects }, "new connections a minute to one target domain; 0: unlimited"),
		key("domain-maxconnections", "0", limit(), func(c *Config) *int { return &c.DomainMaxConnections }, "simultaneous connections to one target domain; 0: unlimited"),
		key("domain-maxqueue", "500", boundless(count(1)), func(c *Config) *int { return &c.DomainMaxQueue }, "messages for one target domain in memory"),
		key("ip-maxmessages", "0", limit(), func(c *Config) *int { return &c.IPMaxMessages }, "messages a minute to one target IP; 0: unlimited"),
		key("ip-maxconnects", "0", limit(), func(c *Config) *int { return &c.IPMaxConnects }, "new connections a minute to one target IP; 0: unlimited"),
		key("ip-maxconnections", "0", limit(), func(c *Config) *int { return &c.IPMaxConnections }, "simultaneous connections to one target IP; 0: unlimited"),
		key("connection-maxmessages", "0", limit(), func(c *Config) *int { return &c.ConnectionMaxMessages }, "messages over one connection; 0: unlimited"),
		key("connection-maxidle", "5000", unlimited(millis(0)), func(c *Config) *time.Duration { return &c.ConnectionMaxIdle }, "milliseconds a connection without work stays open"),
		key("smtp-out-multi-recipient", "0", count(0), func(c *Config) *int { return &c.SMTPOutMultiRecipient }, "so many messages that are the same but for their recipients go to a server as one mail, at most 100; below 2: each goes by itself").ours().restart(),
		key("connection-secure", "true", boolean(), func(c *Config) *bool { return &c.ConnectionSecure }, "use TLS when it is offered"),
		key("tls-policy", "on", oneOf("on", "report", "off"), func(c *Config) *string { return &c.TLSPolicy }, "what recipients publish about TLS (DANE, MTA-STS): obeyed, only told in results, or not asked for; DANE needs dns-trust-ad and a validating resolver").ours().restart(),
		key("preflight-sample", "", share(), func(c *Config) *float64 { return &c.PreflightSample }, "share of mail, such as 0.01, that is held against the rules of large receivers as it leaves; it is counted, and not delayed").blank("none").ours().restart(),
		key("tls-report-from", "", plain(), func(c *Config) *string { return &c.TLSReportFrom }, "address from which domains that ask for it are told, once a day, how connections to them were secured (RFC 8460)").blank("no reports are sent").ours().restart(),
		key("proxy-server", "", proxies(), func(c *Config) *string { return &c.ProxyServer }, "proxy for outgoing HTTP: http:// or socks://"),
		key("download-cache", "", stores(), func(c *Config) *string { return &c.DownloadCache }, "where downloads are kept beside memory: a message store, such as directory:///var/cache/mtad").blank("memory alone").restart(),
		key("download-ttl", "3600", seconds(0), func(c *Config) *time.Duration { return &c.DownloadTTL }, "seconds a download is kept at most, whatever its server says"),
		key("download-user-agent", "", plain(), func(c *Config) *string { return &c.DownloadUserAgent }, "User-Agent of downloads").blank("Sluice and its version"),
		key("download-proxy", "", proxies(), func(c *Config) *string { return &c.DownloadProxy }, "proxy for downloads").blank("proxy-server"),
		key("download-blacklist", privateRanges, rangePorts(), func(c *Config) *[]RangePort { return &c.DownloadBlacklist }, "addresses nothing is downloaded from; private, loopback, link-local and metadata addresses never are, unless download-whitelist has them"),
		key("download-whitelist", "", rangePorts(), func(c *Config) *[]RangePort { return &c.DownloadWhitelist }, "exceptions, such as 192.168.0.30/32:80"),
	}
}

func dnsKeys() []Key {
	return []Key{
		key("dns-servers", "", dnsServers(), func(c *Config) *[]netip.AddrPort { return &c.DNSServers }, "resolvers to ask, 1.2.3.4 or 1.2.3.4:53").blank("those of resolv.conf").ours().restart(),
		key("dns-trust-ad", "false", boolean(), func(c *Config) *bool { return &c.DNSTrustAD }, "believe these resolvers that an answer is authentic (AD bit)").ours().restart(),
		key("dns-min-ttl", "60", seconds(time.Second), func(c *Config) *time.Duration { return &c.DNSMinTTL }, "seconds an answer is kept at least; zero is refused").restart(),
		key("dns-timeout", "60", seconds(time.Millisecond), func(c *Config) *time.Duration { return &c.DNSTimeout }, "seconds to wait after the last try").restart(),
		key("dns-interval", "3", seconds(time.Millisecond), func(c *Config) *time.Duration { return &c.DNSInterval }, "seconds between tries").restart(),
		key("dns-attempts", "5", number(1, 100), func(c *Config) *int { return &c.DNSAttempts }, "tries for one look-up").restart(),
		key("dns-capacity", "100", count(1), func(c *Config) *int { return &c.DNSCapacity }, "look-ups at a time").restart(),
		key("dns-sockets", "4", number(1, 1024), func(c *Config) *int { return &c.DNSSockets }, "sockets that look-ups share").restart(),
		key("dns-buffersize", "1MB", size(), func(c *Config) *int64 { return &c.DNSBufferSize }, "buffer of each of these sockets").restart(),
		key("dns-rotate", "false", boolean(), func(c *Config) *bool { return &c.DNSRotate }, "ask the resolvers in turn instead of the first one first").restart(),
	}
}
