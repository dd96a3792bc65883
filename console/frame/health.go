package frame

import (
	"io"
	"log/slog"
	"net/http"
)

// HandleHealth has a mux say at /healthz that the process is alive, and at /readyz whether mail can be taken and
// delivered: the reason goes to the log's reader, not to everybody. Nil ready: it always can.
func HandleHealth(mux *http.ServeMux, ready func() error, log *slog.Logger) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "alive\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ready != nil {
			if err := ready(); err != nil {
				log.Debug("not ready", "error", err)
				plain(w, http.StatusServiceUnavailable, "not ready\n")
				return
			}
		}
		plain(w, http.StatusOK, "ready\n")
	})
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
