package frame

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/sluicemail/sluice/auth"
)

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
	f.sessions.now, f.sessions.log = f.now, f.log
	if f.SessionFile != "" {
		if err := f.sessions.keep(f.SessionFile, f.Credentials); err != nil {
			f.log().Warn("whoever was logged in to the console has to log in again", "error", err)
		}
	}
	f.Pages = append(f.Pages[:len(f.Pages):len(f.Pages)], f.accessPage())
	f.hub.start(f)
	if f.files, f.broken = openFiles(f.Files, f.Dir, f.log()); f.broken != nil {
		return
	}
	if f.templates, f.broken = f.files.parse(); f.broken != nil {
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

// routes maps everything that is served.
func (f *Frame) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{version}/{name}", f.static)
	mux.HandleFunc("GET /favicon.ico", f.favicon)
	HandleHealth(mux, f.Ready, f.log())
	mux.HandleFunc("GET /login", f.loginPage)
	mux.Handle("POST /login", sameOrigin(http.HandlerFunc(f.login)))
	mux.Handle("POST /theme", sameOrigin(http.HandlerFunc(f.theme)))
	mux.HandleFunc("GET /live", f.socket)
	mux.HandleFunc("GET /session", f.hasSession)
	mux.HandleFunc("/", f.notFound)
	if f.API != nil {
		mux.Handle("/v1/", f.API)
	}
	if f.Unsubscribe != nil {
		mux.Handle("/unsubscribe/", f.Unsubscribe)
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
