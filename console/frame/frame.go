package frame

import (
	"context"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/sluicemail/sluice/auth"
)

// Frame is what all pages have in common: who is logged in, the shell around each page, live data, files and headers.
// Set its fields before use; Close ends what it started.
type Frame struct {
	// Pages are all there are, in the order of the side bar within its group.
	Pages []Page
	// Files hold the templates (NAME.html) and the static files of the pages, beside those of the frame.
	Files []fs.FS

	// Auth says who may log in. Nil: nobody. Unless it is an *auth.Limit, one is put in front of it.
	Auth auth.Authenticator
	// SMTPAuth is the guard of logins over SMTP, whose failures are shown and forgotten too. Nil: none are.
	SMTPAuth *auth.Limit
	// API is mounted at /v1/, Metrics at /metrics for people who are logged in. Nil: there is none.
	API, Metrics http.Handler
	// Unsubscribe is mounted at /unsubscribe/, for everybody. Nil: there is none.
	Unsubscribe http.Handler
	// Ready returns why the server cannot do its work. Nil: it is ready.
	Ready func() error
	// Troubles are what every page says about the server, beside Ready. Nil: nothing.
	Troubles func() []string
	// Pill is the news of what stands on top of pages that can be filtered, by the parameters of their address. Nil: none.
	Pill func(params url.Values) any
	// Actor returns a context that tells who asks. Nil: none does.
	Actor func(ctx context.Context, user string, client netip.AddrPort) context.Context
	// Explain says what went wrong with a view that did not return a fault. Nil: only the log tells.
	Explain func(error) *Fault

	// Hostname is the name shown; Version that of the program. "": left out.
	Hostname, Version string
	// Dir holds files that replace those built in: templates/NAME.html and static/NAME. "": none.
	Dir string
	// CacheControl is the header of that name for static files. "": as fits where they come from.
	CacheControl string
	// URL is where browsers reach the console. "": they come directly.
	URL string
	// Idle and Lifetime end sessions: without use, and in any case. Zero: 30 minutes and 12 hours.
	Idle, Lifetime time.Duration
	// SessionFile keeps sessions, tokens as hashes, so that they outlive the process. "": they end with it.
	SessionFile string
	// Credentials is what logins are judged by, such as the passwords: sessions that were kept end when it has changed.
	Credentials []byte
	// MaxSockets is how many browsers may watch at a time. Zero: 1,000.
	MaxSockets int
	// Access is told of every request that was answered. Nil: nobody is.
	Access func(at time.Time, client netip.Addr, request string)
	// Logger hears of logins and of what goes wrong. Nil: slog.Default.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	once       sync.Once
	guard      *auth.Limit
	sessions   sessions
	files      *files
	templates  map[string]*template.Template
	mux        *http.ServeMux
	hub        hub
	life       context.Context // ends with Close
	end        context.CancelFunc
	background sync.WaitGroup
	broken     error
}

// Begin starts work in the background, unless the console is closed; ctx ends with it.
func (f *Frame) Begin(work func(ctx context.Context)) bool {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	if f.hub.closed {
		return false
	}
	f.background.Go(func() { work(f.life) })
	return true
}

func (f *Frame) log() *slog.Logger {
	if f.Logger == nil {
		return slog.Default()
	}
	return f.Logger
}

func (f *Frame) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}
