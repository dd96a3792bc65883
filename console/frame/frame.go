package frame

import (
	"cmp"
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
	// Functions are what templates of pages may call beside those of the frame. Nil: none.
	Functions template.FuncMap

	// Auth says who may log in. Nil: nobody. Unless it is an *auth.Limit, one is put in front of it.
	Auth auth.Authenticator
	// SMTPAuth is the guard of logins over SMTP, whose failures are shown and forgotten too. Nil: none are.
	SMTPAuth *auth.Limit
	// API is mounted at /v1/, Metrics at /metrics for people who are logged in. Nil: there is none.
	API, Metrics http.Handler
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

// Check makes everything ready that is otherwise made at the first request, and returns what is wrong with it: a
// template in Dir that cannot be read.
func (f *Frame) Check() error {
	f.once.Do(f.prepare)
	return f.broken
}

func (f *Frame) prepare() {
	f.life, f.end = context.WithCancel(context.Background())
	f.guard, _ = f.Auth.(*auth.Limit)
	if f.guard == nil {
		backend := f.Auth
		if backend == nil {
			backend = auth.Any()
		}
		f.guard = &auth.Limit{Backend: backend}
	}
	f.sessions.idle = cmp.Or(max(f.Idle, 0), 30*time.Minute)
	f.sessions.lifetime = cmp.Or(max(f.Lifetime, 0), 12*time.Hour)
	f.sessions.now = f.now
	f.Pages = append(f.Pages[:len(f.Pages):len(f.Pages)], f.accessPage())
	f.hub.start(f)
	if f.files, f.broken = openFiles(f.Files, f.Dir, f.log()); f.broken != nil {
		return
	}
	if f.templates, f.broken = f.files.parse(f.Functions); f.broken != nil {
		return
	}
	f.mux = f.routes()
}

// ServeHTTP implements http.Handler.
func (f *Frame) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.Check(); err != nil {
		http.Error(w, "The console cannot start; the log says why.", http.StatusInternalServerError)
		return
	}
	rec := &recorder{ResponseWriter: w}
	defer f.finish(rec, r)
	setHeaders(w.Header(), r.TLS != nil)
	f.mux.ServeHTTP(rec, r)
}

// Close tells the browsers that watch to come back later, and waits until nobody is served live data any more and all
// that was begun in the background has ended.
func (f *Frame) Close() error {
	f.once.Do(f.prepare)
	f.end()
	f.hub.close()
	f.background.Wait()
	return nil
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

// routes maps everything that is served.
func (f *Frame) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{version}/{name}", f.static)
	mux.HandleFunc("GET /favicon.ico", f.favicon)
	mux.HandleFunc("GET /healthz", f.healthz)
	mux.HandleFunc("GET /readyz", f.readyz)
	mux.HandleFunc("GET /login", f.loginPage)
	mux.Handle("POST /login", sameOrigin(http.HandlerFunc(f.login)))
	mux.Handle("POST /theme", sameOrigin(http.HandlerFunc(f.theme)))
	mux.HandleFunc("GET /live", f.socket)
	mux.HandleFunc("GET /session", f.hasSession)
	mux.HandleFunc("/", f.notFound)
	if f.API != nil {
		mux.Handle("/v1/", f.API)
	}
	if f.Metrics != nil {
		mux.HandleFunc("GET /metrics", f.metrics)
	}
	for i := range f.Pages {
		for pattern, view := range f.Pages[i].Routes {
			mux.Handle(pattern, sameOrigin(f.serve(&f.Pages[i], view)))
		}
	}
	return mux
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
