package admin

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/doctor"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/preflight"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/once"
)

// Admin gives access to a running server. Fields may be left out where the comment says what is missing then. Set them
// before use; the methods are safe for concurrent use. Close ends what works in the background.
type Admin struct {
	// Settings is where the settings are kept. Nil: every call about settings fails with [ErrUnavailable].
	Settings Settings
	// Instance is the server-id: rules that are not for the whole cluster are stored for it.
	Instance int64
	// Queue is where mail waits, Inbox the queue in it that [Admin.Inject] fills. Nil or "": [ErrUnavailable].
	Queue queue.Queue
	Inbox string
	// MaxMessage is the size of the largest mail that can be injected, in bytes. Zero: any.
	MaxMessage int64
	// Hostname is written into injected messages; "": the name of the host.
	Hostname string
	// Injected remembers the keys of [Admin.InjectOnce], and publishes into Queue. Nil: [ErrUnsupported].
	Injected *once.Book
	// NewID makes the message-id of an injected message. Nil: the instance, a dash, and 130 random bits.
	NewID func() string
	// Live has the figures of the last minute. Nil: they are all zero.
	Live *monitor.Live

	// Paths tells what governs the paths to a domain, all paths when it is "", and only those from a source address
	// when that is valid. Nil: nothing is known of paths.
	Paths func(ctx context.Context, domain string, source netip.Addr) ([]Path, error)
	// Hosts lists the addresses of the hosts that mail to a domain goes to, as far as they are known or soon found. Nil:
	// none is.
	Hosts func(ctx context.Context, domain string) []Host
	// WhyWaiting tells why a message has not left, of which entry is the line in a listing; ok is false when it is not
	// the delivery engine's. Nil: never.
	WhyWaiting func(ctx context.Context, m *queue.Message, entry *queue.Entry) (why Why, ok bool)
	// Floods lists what is active; ResumeFlood lets mail go on that floods hold on the paths from source (not valid:
	// any) to site, only those with the name when that is not "", and returns how many those were. Nil: there are none.
	Floods      func() []Flood
	ResumeFlood func(source netip.Addr, site, name string) int
	// Probe tests an address; see [Admin.TestAddress]. Nil: [ErrUnsupported].
	Probe func(ctx context.Context, address string, requireTLS bool) ([]ProbeStep, error)
	// Preflight tells what receivers will find wrong with a mail; see [Admin.CheckMail]. Nil: [ErrUnsupported].
	Preflight func(ctx context.Context, d *Draft) (*Checked, error)
	// Sampled counts what was found in mail that left. Nil: no mail is looked at.
	Sampled *preflight.Tally
	// Examine examines the installation; see [Admin.Doctor]. Nil: [ErrUnsupported].
	Examine func(ctx context.Context) *doctor.Report
	// Held lists what pauses hold in the queue, by what it is set aside under. Nil: nothing is known of that.
	Held func(ctx context.Context) ([]Held, error)
	// SearchLogs searches the machine-readable logs, as a logsearch.Files does. Nil: [ErrUnsupported].
	SearchLogs func(ctx context.Context, q logsearch.Query) (*logsearch.Page, error)
	// Feedback knows of the reports about mail that was sent. Nil: [ErrUnsupported].
	Feedback Feedback
	// TLS knows of policies and reports on TLS. Nil: [ErrUnsupported].
	TLS TLS
	// Services tells how the parts of the server and what it depends on are doing. Nil: only the settings database is
	// told.
	Services func(ctx context.Context) []Service
	// Control stops or resumes a service by name; it returns an error for a service that cannot be stopped. Nil: none
	// can.
	Control func(ctx context.Context, name string, run bool) error
	// Key tells about a private key, and LookupTXT asks the DNS whether it is published. Nil: nothing is known of keys;
	// the system's resolver.
	Key       func(pem string) (KeyFacts, error)
	LookupTXT func(ctx context.Context, name string) ([]string, error)
	// Webhook posts results to a web server. Nil: none are posted.
	Webhook Webhook

	// Tracer follows some of the messages that are injected. Nil: nobody does.
	Tracer monitor.Tracer
	// LogLevel is that of the application log. Nil: [ErrUnsupported].
	LogLevel *slog.LevelVar

	// Logger hears who changed what. Nil: slog.Default.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	used tokenUse
	work sync.WaitGroup
}

// Settings is what Admin needs of the settings: a *snapshot.Keeper.
type Settings interface {
	// Current returns the settings in force.
	Current() *snapshot.Snapshot
	// State tells whether the database can be reached.
	State() snapshot.State
	// Reload puts in force what the database says now.
	Reload(ctx context.Context) error
	// Read lets do read the database.
	Read(ctx context.Context, do func(settings.Store) error) error
	// Change keeps what do writes, unless it returns an error, and puts it in force before it returns.
	Change(ctx context.Context, do func(settings.Store) error) error
}

// Close waits for what is still being written in the background.
func (a *Admin) Close() error {
	a.flushTokens()
	a.work.Wait()
	return nil
}

func (a *Admin) log() *slog.Logger {
	if a.Logger == nil {
		return slog.Default()
	}
	return a.Logger
}

func (a *Admin) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// Actor is who does something.
type Actor struct {
	Name   string         // of the token or the user
	Via    string         // "rest", "console"
	Remote netip.AddrPort // zero: not over the network
}

type actorKey struct{}

// As returns a context in which what is done is logged as done by an actor.
func As(ctx context.Context, who Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

// actorOf returns the actor of a context, the zero Actor when it has none.
func actorOf(ctx context.Context) Actor {
	who, _ := ctx.Value(actorKey{}).(Actor)
	return who
}

// did logs a change with who made it.
func (a *Admin) did(ctx context.Context, what string, args ...any) {
	who := actorOf(ctx)
	line := []any{"who", who.Name}
	if who.Via != "" {
		line = append(line, "via", who.Via)
	}
	if who.Remote.IsValid() {
		line = append(line, "from", who.Remote.String())
	}
	a.log().InfoContext(ctx, what, append(line, args...)...)
}

// view reads the database.
func (a *Admin) view(ctx context.Context, do func(settings.Store) error) error {
	if a.Settings == nil {
		return unavailable("the settings database is not configured", nil)
	}
	return databaseError(a.Settings.Read(ctx, do))
}

// change writes the database, and puts it in force.
func (a *Admin) change(ctx context.Context, do func(settings.Store) error) error {
	if a.Settings == nil {
		return unavailable("the settings database is not configured", nil)
	}
	return databaseError(a.Settings.Change(ctx, do))
}
