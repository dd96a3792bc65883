package console

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/live"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/console/services"
	"github.com/sluicemail/sluice/console/sheets"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
)

// Console serves the pages. The zero Console shows empty pages, and lets nobody in. Set its fields before use; Close
// ends what it started.
type Console struct {
	// Auth says who may log in. Nil: nobody. Unless it is an *auth.Limit, the console puts one in front of it.
	Auth auth.Authenticator
	// SMTPAuth is the guard of logins over SMTP, whose failures are shown and forgotten beside failures of the console.
	// Nil: none are.
	SMTPAuth *auth.Limit
	// Live has the figures of the last minute. Nil: they are all zero.
	Live *monitor.Live
	// Settings are the settings in force. Nil: there are none.
	Settings *snapshot.Keeper
	// Admin does what the pages ask for: settings, queues, explanations. Nil: pages only show.
	Admin *admin.Admin
	// API is mounted at /v1/ and knows its users by itself. Nil: there is none.
	API http.Handler
	// Unsubscribe is mounted at /unsubscribe/ and answers everybody. Nil: there is none.
	Unsubscribe http.Handler
	// Tools are what the pages of the settings ask of the rooms that these are for. The zero Tools leave out what they
	// cannot do.
	Tools sheets.Tools
	// Tail hands out what is being logged, for the page that follows it live. Nil: nothing can be followed.
	Tail *logsearch.Tail
	// Instances lists the other instances of the cluster, and whether they are known now. Nil: there is no cluster.
	Instances func() ([]Instance, error)
	// RenderUserAgent is the only User-Agent that may render mail. "": all may.
	RenderUserAgent string
	// Preview makes the mail of a message as it would be sent. Nil: nothing is shown before it is sent.
	Preview func(ctx context.Context, m *queue.Message) (queue.Body, error)
	// Resolver looks up the names of local addresses, so that those are flagged whose forward and reverse DNS disagree.
	// Nil: none are.
	Resolver Resolver
	// Site returns the name of the site that mail to a domain goes to, at once: what holds back one domain of a site
	// holds back all. Nil: each domain is a site of its own.
	Site func(domain string) string
	// Metrics is shown at /metrics to people who are logged in. Nil: there is none.
	Metrics http.Handler
	// Slots tells how many connections are in use and allowed. Nil: limits are not shown.
	Slots func() Slots
	// Ready returns why the server cannot do its work: a queue or a port that is not open. Nil: it is ready.
	Ready func() error

	// Hostname is the name shown; Version that of the program. "": left out.
	Hostname, Version string
	// Dir holds files that replace those built in: templates/NAME.html and static/NAME. "": none. One in which nothing
	// has such a name, or that cannot be opened, is left alone, with a warning.
	Dir string
	// CacheControl is the header of that name for static files. "": a year for those built in, as their address changes
	// with their content, and "no-cache" for those of Dir.
	CacheControl string
	// URL is where browsers reach the console, when a proxy stands before it: if it begins with https://, cookies are
	// marked as secure for that host even though the proxy's requests arrive without TLS. "": they come directly.
	URL string

	// Idle and Lifetime end sessions: without use, and in any case. Zero: 30 minutes and 12 hours.
	Idle, Lifetime time.Duration
	// SessionFile keeps sessions, tokens as hashes, so that they outlive the process. "": they end with it.
	SessionFile string
	// Credentials is what logins are judged by, such as the passwords: sessions that were kept end when it has changed.
	Credentials []byte
	// MaxSockets is how many browsers may watch at a time. Zero: 1,000.
	MaxSockets int

	// Access is told of every request that was answered, as in "GET /domains 200 5123 admin". Nil: nobody is.
	Access func(at time.Time, client netip.Addr, request string)
	// Logger hears of logins and of what goes wrong. Nil: slog.Default.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	once     sync.Once
	frame    frame.Frame
	live     live.Live
	messages messages.Messages
	services services.Services
}

// Server gives a handler its ports, TLS and limits.
type Server = frame.Server

// What the pages of the settings ask of the rooms that the settings are for.
type (
	Tools     = sheets.Tools
	Condition = sheets.Condition
	Action    = sheets.Action
)

// What other pages ask for.
type (
	Slots    = live.Slots
	Resolver = live.Resolver
	Instance = services.Instance
)

// FirstPassword makes a password for the user admin, and writes its hash to a file of package auth/file unless the file
// is there already. It returns the password when it made one.
func FirstPassword(file string) (password string, err error) { return frame.FirstPassword(file) }

func (c *Console) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// actor returns a context that tells Admin who asks.
func actor(ctx context.Context, user string, client netip.AddrPort) context.Context {
	return admin.As(ctx, admin.Actor{Name: user, Via: "console", Remote: client})
}
