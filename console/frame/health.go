package frame

import (
	"io"
	"net/http"
)

// healthz says that the process is alive.
func (f *Frame) healthz(w http.ResponseWriter, r *http.Request) { plain(w, http.StatusOK, "alive\n") }

// readyz says whether mail can be taken and delivered. The reason goes to the log's reader, not to everybody.
func (f *Frame) readyz(w http.ResponseWriter, r *http.Request) {
	if f.Ready != nil {
		if err := f.Ready(); err != nil {
			f.log().Debug("not ready", "error", err)
			plain(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
	}
	plain(w, http.StatusOK, "ready\n")
}

// metrics shows the figures for Prometheus to who is logged in.
func (f *Frame) metrics(w http.ResponseWriter, r *http.Request) {
	if f.session(r, false) == nil {
		plain(w, http.StatusUnauthorized, "Log in to the console first, or have metrics-address set for scrapers.\n")
		return
	}
	f.Metrics.ServeHTTP(w, r)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
