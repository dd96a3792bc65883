package config

import (
	"net/netip"
	"time"
)

// Config is the whole configuration: one field for each key that does something, named like the key. [Load] fills it;
// the zero Config is not the default one. Durations are durations whatever unit the key counts in. Several goroutines
// may read a Config; nobody changes it once it was loaded.
type Config struct {
	// SMTP server

	SMTPIP         []netip.Addr // smtp-ip: addresses to listen on; empty: all
	SMTPPort       []int        // smtp-port: ports with STARTTLS: single, list, ranges
	SMTPSecurePort []int        // smtp-secure-port: ports with TLS from the first byte
	// smtp-range: clients that may connect; without smtp-auth they may relay; empty: nobody
	SMTPRange []netip.Prefix
	SMTPAuth  []string // smtp-auth: who may log in: authentication URLs, asked in order
	// auth-exempt: clients whose failed logins are not counted, and who are never refused or slowed
	AuthExempt   []netip.Prefix
	SMTPUsername string // smtp-username: older form of smtp-auth, with smtp-password
	SMTPPassword string // smtp-password: older form of smtp-auth, with smtp-username
	// smtp-auth-required: false lets the clients of smtp-range relay without logging in
	SMTPAuthRequired bool
	// smtp-certificate: PEM files, each with a certificate and its chain, read again when they change
	SMTPCertificate []string
	SMTPKey         []string // smtp-key: PEM files with the private keys, in the order of smtp-certificate
	SMTPCiphers     string   // smtp-ciphers: OpenSSL cipher string for TLS up to 1.2; empty: Go's choice
	// smtp-proxy: proxies whose connections start with a PROXY header, version 1 or 2
	SMTPProxy         []netip.Prefix
	SMTPMaxRecipients int // smtp-maxrecipients: recipients of one mail; more are answered 452
	// smtp-transaction-timeout: seconds one mail may take, however busy the client
	SMTPTransactionTimeout time.Duration
	SMTPBusy               string // smtp-busy: clients beyond the connection limit wait, or are answered 421
	// smtp-connections-client: connections that one client address may hold; -1: any number; 0: any number for clients
	// of smtp-range that may relay, half of incoming for others
	SMTPConnectionsClient int
	// smtp-line-ends: what to do with a mail that has a bare CR, a bare LF or a NUL
	SMTPLineEnds      string
	SMTPBinaryMIME    bool          // smtp-binarymime: take mail of any bytes
	SMTPPriority      string        // smtp-priority: whose mail may go before other mail: relay, users or off
	SMTPFutureRelease time.Duration // smtp-future-release: how long mail can be held; 0: FUTURERELEASE is not offered
	SMTPDeliverBy     time.Duration // smtp-deliver-by: the shortest time for BY=…;R; 0: DELIVERBY is not offered
	SMTPMaxSize       int64         // smtp-maxsize: largest mail accepted, announced with SIZE; 0: unlimited
	// smtp-memory: bytes of memory for all mails in reception together; beyond it they go to disk at once; 0: a tenth
	// of memory
	SMTPMemory int64
	// smtp-timeout: seconds a silent client is kept; starts again with all data received
	SMTPTimeout time.Duration
	// smtp-threads: listening sockets for each port, a hint; 0: as many as are useful
	SMTPThreads int
	// smtp-connections: incoming and outgoing connections together; 0: by the limit on file descriptors
	SMTPConnections int
	// smtp-connections-in: incoming connections; 0: by the limit on file descriptors
	SMTPConnectionsIn int
	// smtp-connections-out: outgoing connections; 0: by the limit on file descriptors
	SMTPConnectionsOut int
	// smtp-hostname: name in the greeting; a name configured for the local IP wins; "": reverse DNS
	SMTPHostname   string
	SMTPProtection bool // smtp-protection: refuse clients on the incoming block list
	// smtp-check: checks of incoming mail: any of spf, dkim, dmarc, spam, arc, virus, dnsbl
	SMTPCheck []string
	// smtp-auth-results: mail that gets an Authentication-Results header: local, nonlocal
	SMTPAuthResults     []string
	SMTPValidateAddress string       // smtp-validate-address: syntax demanded of MAIL FROM and RCPT TO
	SMTPExtract         bool         // smtp-extract: turn x-mq-* headers into properties of the message
	SMTPDefaultIPs      []netip.Addr // smtp-default-ips: source addresses of mail that names none; empty: any
	// smtp-mappable-ips: mail that came in to these leaves from the same address; empty: all but loopback and
	// link-local
	SMTPMappableIPs   []netip.Prefix
	SMTPUnmappableIPs []netip.Prefix // smtp-unmappable-ips: exceptions to smtp-mappable-ips; empty: none
	DSNAdvertise      bool           // dsn-advertise: announce the DSN extension and pass its parameters on
	SMTPGreeting      string         // smtp-greeting: text of the greeting behind the host name
	DefaultDomain     string         // default-domain: appended to addresses without a domain
	// submission-port: ports where TLS and logging in are required and smtp-range does not apply, usually 587
	SubmissionPort []int

	// Checks of incoming mail

	SpamAssassinHost string   // spamassassin-host: where spamd listens
	SpamAssassinPort int      // spamassassin-port: port of spamd
	ClamAVAddress    string   // clamav-address: where clamd listens: unix:///run/clamav/clamd.ctl or tcp://host:3310
	ClamAVDatabase   string   // clamav-database: directory of the definition files, for the Services page
	DNSBLZones       []string // dnsbl-zones: DNS block lists for clients
	SpamRejectScore  float64  // spam-reject-score: refuse mail with this score and above; 0: never
	SpamSubject      string   // spam-subject: what to put in front of the subject of spam
	VirusAction      string   // virus-action: record that a mail is infected, or refuse it
	VirusFail        string   // virus-fail: with a dead scanner: answer 451 (closed), or accept unscanned (open)
	DMARCEnforce     bool     // dmarc-enforce: act on what the sender's DMARC policy asks for
	DNSBLReject      bool     // dnsbl-reject: refuse clients that a DNS block list names

	// Delivery

	MaxDeliverTime     time.Duration   // max-delivertime: seconds to keep trying after the first pickup
	MaxAttempts        int             // max-attempts: attempts for one message; 0: unlimited
	RetryInterval      []time.Duration // retry-interval: delays between attempts; the last repeats
	ValidateEnvelope   string          // validate-envelope: loose sends from addresses that RFC 5321 forbids
	ValidateRecipient  string          // validate-recipient: loose sends to addresses that RFC 5321 forbids
	Smarthost          string          // smarthost: relay for all mail; "": none
	SmarthostPort      int             // smarthost-port: port of the relay
	SmarthostUsername  string          // smarthost-username: user to log in as at the relay
	SmarthostPassword  string          // smarthost-password: password for the relay
	SmarthostPlaintext bool            // smarthost-plaintext: log in at the relay over a connection without TLS, too
	// smtp-sink-address: all connections go here instead, for tests; 0.0.0.0: off; "": off
	SMTPSinkAddress  string
	SMTPSinkPort     int    // smtp-sink-port: port of the sink
	SMTPSinkUsername string // smtp-sink-username: user to log in as at the sink
	SMTPSinkPassword string // smtp-sink-password: password for the sink
	// dsn-notify: when to send bounces, unless the message says so: FAILURE, DELAY, SUCCESS or NEVER
	DSNNotify  []string
	DSNRet     string // dsn-ret: what a bounce returns, unless the message says so: FULL or HDRS
	SMTPRoutes string // smtp-routes: file of domain:relay:port lines
	// allow-private-targets: deliver to MX hosts with private, loopback or link-local addresses
	AllowPrivateTargets bool
	BounceFrom          string // bounce-from: From of bounces; a bare user gets bounce-host
	// bounce-host: domain of bounces, and the name under which they report; "": hostname
	BounceHost string
	// double-bounce-to: where bounces of bounces go; a bare user gets double-bounce-host; "": dropped
	DoubleBounceTo string
	// double-bounce-host: domain of a double-bounce-to without one; "": bounce-host
	DoubleBounceHost string
	BounceLimit      int // bounce-limit: bounces to one address in an hour; 0: unlimited
	// bounce-delay: seconds after which mail counts as delayed, for senders that asked to be told (DELAY)
	BounceDelay time.Duration
	// verp: return paths that lead back to the message: a domain, or an address with {token} in it, as in
	// b+{token}@bounces.{domain}; "": the message's own envelope
	VERP    string
	VERPAll bool // verp-all: false: only messages that ask for it with their property verp get such a return path
	// verp-lifetime: seconds after which such a return path counts for nothing
	VERPLifetime time.Duration
	// suppression-key: of the hashes by which feedback rules list addresses, the same on all instances
	SuppressionKey string
	// verp-unsubscribe: mail without a field List-Unsubscribe gets one, with an address that leads back to the message
	VERPUnsubscribe bool
	// unsubscribe-url: where the console's /unsubscribe can be reached from outside, for one click (RFC 8058)
	UnsubscribeURL string
	ReceiversFile  string // receivers-file: what is known about receivers beside the standard rules
	BounceTexts    string // bounce-texts: directory of texts such as failed.en.txt in place of the built-in ones

	// Base throttles and downloads

	DomainMaxMessages int // domain-maxmessages: messages a minute to one target domain; 0: unlimited
	// domain-maxconnects: new connections a minute to one target domain; 0: unlimited
	DomainMaxConnects int
	// domain-maxconnections: simultaneous connections to one target domain; 0: unlimited
	DomainMaxConnections  int
	DomainMaxQueue        int           // domain-maxqueue: messages for one target domain in memory
	IPMaxMessages         int           // ip-maxmessages: messages a minute to one target IP; 0: unlimited
	IPMaxConnects         int           // ip-maxconnects: new connections a minute to one target IP; 0: unlimited
	IPMaxConnections      int           // ip-maxconnections: simultaneous connections to one target IP; 0: unlimited
	ConnectionMaxMessages int           // connection-maxmessages: messages over one connection; 0: unlimited
	ConnectionMaxIdle     time.Duration // connection-maxidle: milliseconds a connection without work stays open
	ConnectionSecure      bool          // connection-secure: use TLS when it is offered
	// smtp-out-multi-recipient: so many messages that are the same go as one mail; below 2: each goes by itself
	SMTPOutMultiRecipient int
	TLSPolicy             string        // tls-policy: on, report or off
	SignLibrary           string        // sign-library: auto, go or libcrypto
	PreflightSample       float64       // preflight-sample: share of mail that is looked at as it leaves, from 0 to 1
	TLSReportFrom         string        // tls-report-from: where reports about TLS come from; empty: none are sent
	ProxyServer           string        // proxy-server: proxy for outgoing HTTP: http:// or socks://
	DownloadCache         string        // download-cache: message store that has downloads beside memory; "": memory alone
	DownloadTTL           time.Duration // download-ttl: seconds a download is kept at most
	DownloadUserAgent     string        // download-user-agent: User-Agent of downloads; "": Sluice and its version
	DownloadProxy         string        // download-proxy: proxy for downloads; "": proxy-server
	// download-blacklist: addresses nothing is downloaded from, beside those that are private
	DownloadBlacklist []RangePort
	// download-whitelist: exceptions, such as 192.168.0.30/32:80
	DownloadWhitelist []RangePort

	// DNS

	DNSServers    []netip.AddrPort // dns-servers: resolvers to ask, 1.2.3.4 or 1.2.3.4:53; empty: those of resolv.conf
	DNSTrustAD    bool             // dns-trust-ad: believe these resolvers that an answer is authentic (AD bit)
	DNSMinTTL     time.Duration    // dns-min-ttl: seconds an answer is kept at least; zero is refused
	DNSTimeout    time.Duration    // dns-timeout: seconds to wait after the last try
	DNSInterval   time.Duration    // dns-interval: seconds between tries
	DNSAttempts   int              // dns-attempts: tries for one look-up
	DNSCapacity   int              // dns-capacity: look-ups at a time
	DNSSockets    int              // dns-sockets: sockets that look-ups share
	DNSBufferSize int64            // dns-buffersize: buffer of each of these sockets
	DNSRotate     bool             // dns-rotate: ask the resolvers in turn instead of the first one first

	// Queues and the message store

	QueueAddress string   // queue-address: the embedded durable queue; not used with rabbitmq-address
	RedisAddress []string // redis-address: where throttles are shared with other instances
	// rabbitmq-address: brokers to use instead of the embedded queue, amqp:// or amqps://
	RabbitMQAddress []string
	RabbitMQOutbox  string // rabbitmq-outbox: queue of messages to send
	RabbitMQInbox   string // rabbitmq-inbox: queue of messages received; empty: discard them
	RabbitMQLocal   string // rabbitmq-local: queue of messages for local addresses; "": the inbox
	RabbitMQReports string // rabbitmq-reports: queue of reports to local addresses; "": as other local mail
	// rabbitmq-feedback: queue in which reports wait to be read and joined to what was sent, before they go to
	// rabbitmq-reports; "": they go there as they came
	RabbitMQFeedback string
	// rabbitmq-refused: queue of messages refused for lack of authentication; "": not kept
	RabbitMQRefused   string
	RabbitMQDSN       string        // rabbitmq-dsn: queue of bounces made here; "": none are made
	RabbitMQResults   string        // rabbitmq-results: queue of all final results; "": not published
	RabbitMQSuccess   string        // rabbitmq-success: queue of successes; "": not published
	RabbitMQFailure   string        // rabbitmq-failure: queue of final failures; "": not published
	RabbitMQRetry     string        // rabbitmq-retry: queue of attempts that will be repeated; "": not published
	StorageAddress    string        // storage-address: store that keeps mail outside the queue
	StoragePolicy     string        // storage-policy: mail kept there: none, in, out (only what is published back), all
	StorageTTL        time.Duration // storage-ttl: seconds it stays there after delivery
	StorageTimeout    time.Duration // storage-timeout: seconds fetching a mail may take
	StorageReschedule time.Duration // storage-reschedule: seconds until a mail that took longer is tried again
	StorageThreads    int           // storage-threads: operations of the store at a time

	// RabbitMQ only

	RabbitMQVerify   bool   // rabbitmq-verify: verify the broker's certificate
	RabbitMQExchange string // rabbitmq-exchange: publish through this exchange, with the queue's name as routing key
	RabbitMQDeclare  bool   // rabbitmq-declare: declare the queues at start
	RabbitMQDurable  bool   // rabbitmq-durable: declare durable queues
	// rabbitmq-persistent: publish persistent messages (false in MailerQ: here nothing accepted may be lost)
	RabbitMQPersistent  bool
	RabbitMQLazy        bool   // rabbitmq-lazy: declare lazy queues
	RabbitMQQueueType   string // rabbitmq-queue-type: type of the queues declared
	RabbitMQMaxPriority int    // rabbitmq-maxpriority: x-max-priority of the queues declared; 0: no priorities
	RabbitMQConsumers   int    // rabbitmq-consumers: connections that consume
	RabbitMQPublishers  int    // rabbitmq-publishers: connections that publish
	RabbitMQQoS         int    // rabbitmq-qos: prefetch for each consumer
	RabbitMQMinQoS      int    // rabbitmq-minqos: lower bound of the prefetch when it is scaled back
	RabbitMQFlushQoS    int    // rabbitmq-flush-qos: prefetch when a parked queue is flushed
	RabbitMQThrottle    int    // rabbitmq-throttle: unconfirmed messages for each publisher
	RabbitMQEncoding    string // rabbitmq-encoding: gzip compresses what is published; "": none

	// Cluster

	ClusterAddress  []string      // cluster-address: broker over which the instances talk; empty: rabbitmq-address
	ClusterExchange string        // cluster-exchange: exchange that the instances share
	ClusterVerify   bool          // cluster-verify: verify that broker's certificate
	ClusterTimeout  time.Duration // cluster-timeout: seconds to wait for the others' answers
	ServerID        int           // server-id: part of every message id, so that instances never collide

	// Settings database

	DatabaseAddress  string        // database-address: settings database: sqlite://, mysql://, postgresql://
	DatabaseTTL      time.Duration // database-ttl: seconds between reloads
	DatabaseValidate bool          // database-validate: check the tables at start
	DatabaseRequired bool          // database-required: do not start without settings

	// Console

	WWWPort        int          // www-port: port of the console; 0: no HTTP
	WWWIP          []netip.Addr // www-ip: addresses the console listens on; empty: all
	WWWSecurePort  int          // www-secure-port: port of the console with HTTPS; HTTP redirects to it; 0: none
	WWWCertificate string       // www-certificate: PEM file with the certificate and its chain
	WWWPrivateKey  string       // www-privatekey: PEM file with the certificate's private key
	WWWCiphers     string       // www-ciphers: OpenSSL cipher string for TLS up to 1.2; empty: Go's choice
	// www-auth: who may log in: authentication URLs, asked in order; none: a password made at first start
	WWWAuth         []string
	WWWPassword     string // www-password: older form: one password, any user name; www-auth wins over it
	WWWDir          string // www-dir: serve the console's files from here; "": built in
	WWWConnections  int    // www-connections: simultaneous HTTP connections, web sockets included; 0: unlimited
	WWWHost         string // www-host: host under which other instances link here; "": detected
	WWWURL          string // www-url: URL under which other instances link here; "": detected
	WWWCacheControl string // www-cache-control: Cache-Control of the console's files
	// idempotency-ttl: seconds for which an Idempotency-Key is remembered
	IdempotencyTTL  time.Duration
	IdempotencyKeys int    // idempotency-keys: how many are remembered; beyond it the oldest is forgotten
	RenderUserAgent string // render-useragent: only this User-Agent may render mail

	// Logs

	ApplicationLog []string // application-log: stdout, stderr, syslog, files; several with commas
	// application-log-format: text, or json: an object a line
	ApplicationLogFormat string
	ApplicationLogLevel  string // application-log-level: the least of debug, info, warn and error that is told
	SendLogFile          string // send-log-file: log of attempts
	SendLogFormat        string // send-log-format: its template; "": built in
	SendBinLogFile       string // send-bin-log-file: log of attempts, a JSON object a line
	ReceivedLogFile      string // received-log-file: log of messages received
	ReceivedLogFormat    string // received-log-format: its template; "": built in
	ReceivedBinLogFile   string // received-bin-log-file: log of messages received, a JSON object a line
	DownloadLogFile      string // download-log-file: log of downloads
	DownloadLogFormat    string // download-log-format: its template; "": built in
	DownloadBinLogFile   string // download-bin-log-file: log of downloads, a JSON object a line
	WWWLogFile           string // www-log-file: log of requests to the console
	WWWLogFormat         string // www-log-format: its template; "": built in
	WWWBinLogFile        string // www-bin-log-file: log of requests to the console, a JSON object a line
	MetricsAddress       string // metrics-address: endpoint for Prometheus, such as 127.0.0.1:9100
	MetricsDomains       int    // metrics-domains: recipient domains that it tells apart; 0: none
	MetricsSources       int    // metrics-sources: source addresses that it tells apart; 0: none

	TracesURL   string  // traces-url: OTLP collector; "": none
	TracesRatio float64 // traces-ratio: which part of the mails is followed

	// Web hooks

	WebhookURL     string // webhook-url: results are posted here in batches; "": nowhere
	WebhookSecret  string // webhook-secret: signs these batches; "": they are not signed
	WebhookRetries bool   // webhook-retries: post attempts that will be repeated, too
	WebhookExtract bool   // webhook-extract: with the property extracted: subject, addresses, header fields
	// webhook-filter: JSON pointers to properties that are left out
	WebhookFilter []string
	// webhook-whitelist: leave out what webhook-filter does not name, instead
	WebhookWhitelist bool
	WebhookBatch     int           // webhook-batch: results in a request at most
	WebhookDelay     time.Duration // webhook-delay: seconds that a result waits for others
	WebhookTimeout   time.Duration // webhook-timeout: seconds that an answer may take
	// webhook-connections: requests at a time; results of one message go one after the other
	WebhookConnections int
	WebhookQueue       string // webhook-queue: queue that results go through
	// webhook-journal: directory that keeps results until they are taken; "": webhook, in that of queue-address
	WebhookJournal     string
	WebhookJournalSize int64 // webhook-journal-size: bytes it may hold: beyond them the oldest results are lost

	// Getting mail in

	SpoolDirectory     string        // spool-directory: watched directory of MIME files
	SpoolFailDirectory string        // spool-fail-directory: where files go that cannot be used
	SpoolDelay         time.Duration // spool-delay: seconds a file stays before it is picked up
	SpoolRemove        bool          // spool-remove: remove files once they are queued
	SpoolExtract       bool          // spool-extract: turn x-mq-* headers into properties of the message
	SpoolOpenFiles     int           // spool-open-files: files open at a time
	SpoolThreads       int           // spool-threads: files read at a time

	// Process

	User     string // user: user to become after the ports are open; "": the user that started it
	Lock     string // lock: pid file that refuses a second start (MailerQ: /tmp/mailerq.pid); "": none
	Daemon   bool   // daemon: go on in the background once everything is open
	Paused   bool   // paused: start with every delivery paused
	Loopback bool   // loopback: use loopback addresses too
}
