package config

import (
	"net/netip"
	"time"
)

func consoleKeys() []Key {
	return []Key{
		key("www-port", "8485", optionalPort(), func(c *Config) *int { return &c.WWWPort }, "port of the console; 0: no HTTP").restart(),
		key("www-ip", "0.0.0.0", ips(), func(c *Config) *[]netip.Addr { return &c.WWWIP }, "addresses the console listens on").blank("all").restart(),
		key("www-secure-port", "", optionalPort(), func(c *Config) *int { return &c.WWWSecurePort }, "port of the console with HTTPS; HTTP redirects to it").blank("none").restart(),
		key("www-certificate", "", path(), func(c *Config) *string { return &c.WWWCertificate }, "PEM file with the certificate and its chain"),
		key("www-privatekey", "", path(), func(c *Config) *string { return &c.WWWPrivateKey }, "PEM file with the certificate's private key").alias("www-private-key"),
		key("www-ciphers", "", plain(), func(c *Config) *string { return &c.WWWCiphers }, "OpenSSL cipher string for TLS up to 1.2; empty: Go's choice"),
		key("www-auth", "", chain(authSchemes()...), func(c *Config) *[]string { return &c.WWWAuth }, "who may log in: an authentication URL; several lines form a chain, the first that accepts wins").lines().blank("a password made at first start").restart(),
		key("www-password", "", secret(), func(c *Config) *string { return &c.WWWPassword }, "older form: one password, any user name; www-auth wins over it").restart(),
		key("www-dir", "", path(), func(c *Config) *string { return &c.WWWDir }, "serve the console's files from here").blank("built in").restart(),
		key("www-connections", "", limit(), func(c *Config) *int { return &c.WWWConnections }, "simultaneous HTTP connections, web sockets included").blank("unlimited").restart(),
		key("www-host", "", host(), func(c *Config) *string { return &c.WWWHost }, "host under which other instances link here").blank("detected"),
		key("www-url", "", address("http", "https"), func(c *Config) *string { return &c.WWWURL }, "URL under which other instances link here").blank("detected"),
		key("www-cache-control", "", plain(), func(c *Config) *string { return &c.WWWCacheControl }, "Cache-Control of the console's files").restart(),
		key("idempotency-ttl", "86400", seconds(time.Second), func(c *Config) *time.Duration { return &c.IdempotencyTTL }, "seconds for which an Idempotency-Key is remembered").ours().restart(),
		key("idempotency-keys", "100000", count(1), func(c *Config) *int { return &c.IdempotencyKeys }, "how many are remembered; beyond it the oldest is forgotten").ours().restart(),
		key("render-useragent", "", plain(), func(c *Config) *string { return &c.RenderUserAgent }, "only this User-Agent may render mail"),
	}
}

func logKeys() []Key {
	return []Key{
		key("application-log", "stderr", texts(), func(c *Config) *[]string { return &c.ApplicationLog }, "stdout, stderr, syslog, files; several with commas").restart(),
		key("application-log-format", "text", oneOf("text", "json"), func(c *Config) *string { return &c.ApplicationLogFormat }, "text, or json: an object a line").ours().restart(),
		key("application-log-level", "info", oneOf("debug", "info", "warn", "error"), func(c *Config) *string { return &c.ApplicationLogLevel }, "what is told: this and what is graver; REST and mtad ctl log-level change it until the next reload").ours(),
		key("send-log-file", "", path(), func(c *Config) *string { return &c.SendLogFile }, "log of attempts").restart(),
		key("send-log-format", "", plain(), func(c *Config) *string { return &c.SendLogFormat }, "its template").blank("built in").restart(),
		key("send-bin-log-file", "", path(), func(c *Config) *string { return &c.SendBinLogFile }, "log of attempts, a JSON object a line").restart(),
		key("received-log-file", "", path(), func(c *Config) *string { return &c.ReceivedLogFile }, "log of messages received").restart(),
		key("received-log-format", "", plain(), func(c *Config) *string { return &c.ReceivedLogFormat }, "its template").blank("built in").restart(),
		key("received-bin-log-file", "", path(), func(c *Config) *string { return &c.ReceivedBinLogFile }, "log of messages received, a JSON object a line").restart(),
		key("download-log-file", "", path(), func(c *Config) *string { return &c.DownloadLogFile }, "log of downloads").restart(),
		key("download-log-format", "", plain(), func(c *Config) *string { return &c.DownloadLogFormat }, "its template").blank("built in").restart(),
		key("download-bin-log-file", "", path(), func(c *Config) *string { return &c.DownloadBinLogFile }, "log of downloads, a JSON object a line").restart(),
		key("www-log-file", "", path(), func(c *Config) *string { return &c.WWWLogFile }, "log of requests to the console"),
		key("www-log-format", "", plain(), func(c *Config) *string { return &c.WWWLogFormat }, "its template").blank("built in"),
		key("www-bin-log-file", "", path(), func(c *Config) *string { return &c.WWWBinLogFile }, "log of requests to the console, a JSON object a line"),
		older("error-log", "older name of application-log"),
		older("send-log-directory", "older form of send-log-file: its directory"),
		older("send-log-prefix", "older form of send-log-file: its name in that directory"),
		older("send-log-maxsize", "ignored: a log that logrotate moves is opened anew"),
		older("send-log-history", "ignored: a log that logrotate moves is opened anew"),
		older("received-log-directory", "older form of received-log-file: its directory"),
		older("received-log-prefix", "older form of received-log-file: its name in that directory"),
		older("received-log-maxsize", "ignored: a log that logrotate moves is opened anew"),
		older("received-log-history", "ignored: a log that logrotate moves is opened anew"),
		older("download-log-directory", "older form of download-log-file: its directory"),
		older("download-log-prefix", "older form of download-log-file: its name in that directory"),
		older("download-log-maxsize", "ignored: a log that logrotate moves is opened anew"),
		older("download-log-history", "ignored: a log that logrotate moves is opened anew"),
		older("www-log-directory", "older form of www-log-file: its directory"),
		older("www-log-prefix", "older form of www-log-file: its name in that directory"),
		older("www-log-maxsize", "ignored: a log that logrotate moves is opened anew"),
		older("www-log-history", "ignored: a log that logrotate moves is opened anew"),
		key("metrics-address", "", listen(), func(c *Config) *string { return &c.MetricsAddress }, "endpoint for Prometheus, such as 127.0.0.1:9100").ours().restart(),
		key("metrics-domains", "0", number(0, 10000), func(c *Config) *int { return &c.MetricsDomains }, "how many recipient domains it tells apart, the first that results come from; the rest is other").ours().restart(),
		key("metrics-sources", "0", number(0, 10000), func(c *Config) *int { return &c.MetricsSources }, "how many source addresses it tells apart, likewise").ours().restart(),
		key("traces-url", "", address("http", "https"), func(c *Config) *string { return &c.TracesURL }, "OpenTelemetry collector that is told of some mails, by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces").blank("none").ours().restart(),
		key("traces-ratio", "0.001", share(), func(c *Config) *float64 { return &c.TracesRatio }, "which part of the mails it is told of, 0 to 1; of mail with a trace context that is sampled always").ours().restart(),
	}
}

func webhookKeys() []Key {
	all := []Key{
		key("webhook-url", "", address("http", "https"), func(c *Config) *string { return &c.WebhookURL }, "results are posted here in batches").restart(),
		key("webhook-secret", "", secret(), func(c *Config) *string { return &c.WebhookSecret }, "signs these batches").blank("they are not signed"),
		key("webhook-retries", "false", boolean(), func(c *Config) *bool { return &c.WebhookRetries }, "post attempts that will be repeated, too, not final results alone").restart(),
		key("webhook-extract", "false", boolean(), func(c *Config) *bool { return &c.WebhookExtract }, "with the property extracted: subject, addresses and header fields, for which every header is read").restart(),
		key("webhook-filter", "", jsonPointers(), func(c *Config) *[]string { return &c.WebhookFilter }, "JSON pointers to properties that are left out, such as results/*/description"),
		key("webhook-whitelist", "false", boolean(), func(c *Config) *bool { return &c.WebhookWhitelist }, "leave out what webhook-filter does not name, instead of what it names"),
		key("webhook-batch", "500", number(1, 10000), func(c *Config) *int { return &c.WebhookBatch }, "results in a request at most; it has no more than 1 MiB"),
		key("webhook-delay", "1", seconds(0), func(c *Config) *time.Duration { return &c.WebhookDelay }, "seconds that a result waits for others"),
		key("webhook-timeout", "30", seconds(time.Millisecond), func(c *Config) *time.Duration { return &c.WebhookTimeout }, "seconds that an answer may take"),
		key("webhook-connections", "4", number(1, 64), func(c *Config) *int { return &c.WebhookConnections }, "requests at a time; results of one message go one after the other"),
		key("webhook-queue", "webhooks", queueName(), func(c *Config) *string { return &c.WebhookQueue }, "queue that results go through").restart(),
		key("webhook-journal", "", path(), func(c *Config) *string { return &c.WebhookJournal }, "directory that keeps results until they are taken").blank("webhook, in the directory of queue-address").restart(),
		key("webhook-journal-size", "1GiB", size(), func(c *Config) *int64 { return &c.WebhookJournalSize }, "what it may hold: beyond it the oldest results are lost").restart(),
	}
	for i := range all {
		all[i] = all[i].ours()
	}
	return all
}

func spoolKeys() []Key {
	return []Key{
		key("spool-directory", "", path(), func(c *Config) *string { return &c.SpoolDirectory }, "watched directory of MIME files").restart(),
		key("spool-fail-directory", "", path(), func(c *Config) *string { return &c.SpoolFailDirectory }, "where files go that cannot be used").restart(),
		key("spool-delay", "0", seconds(0), func(c *Config) *time.Duration { return &c.SpoolDelay }, "seconds a file stays before it is picked up").restart(),
		key("spool-remove", "true", boolean(), func(c *Config) *bool { return &c.SpoolRemove }, "remove files once they are queued").restart(),
		key("spool-extract", "true", boolean(), func(c *Config) *bool { return &c.SpoolExtract }, "turn x-mq-* headers into properties of the message").restart(),
		key("spool-open-files", "10", count(1), func(c *Config) *int { return &c.SpoolOpenFiles }, "files open at a time").restart(),
		key("spool-threads", "1", number(1, 1024), func(c *Config) *int { return &c.SpoolThreads }, "files read at a time").restart(),
	}
}

func processKeys() []Key {
	const crash = "nothing is sent anywhere after a crash"
	return []Key{
		key("user", "", plain(), func(c *Config) *string { return &c.User }, "user to become after the ports are open").blank("whoever started it").restart(),
		key("lock", "", path(), func(c *Config) *string { return &c.Lock }, "pid file that refuses a second start (MailerQ: /tmp/mailerq.pid)").blank("none").restart(),
		key("daemon", "false", boolean(), func(c *Config) *bool { return &c.Daemon }, "go on in the background once everything is open; systemd does not want that").restart(),
		key("paused", "false", boolean(), func(c *Config) *bool { return &c.Paused }, "start with every delivery paused").restart(),
		key("loopback", "false", boolean(), func(c *Config) *bool { return &c.Loopback }, "use loopback addresses too").restart(),
		ignored("license", "there is no licence"),
		ignored("heartbeat", "nothing is reported to anybody"),
		ignored("heartbeat-enabled", "nothing is reported to anybody"),
		ignored("disable-crash-report", crash),
		ignored("disable-crash-post", crash),
		ignored("plugin-directory", "Go interfaces replace plug-ins"),
	}
}
