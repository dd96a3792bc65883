package console

import (
	"io"
	"net/http"
)

// healthz says that the process is alive.
func (c *Console) healthz(w http.ResponseWriter, r *http.Request) { plain(w, http.StatusOK, "alive\n") }

// readyz says whether mail can be taken and delivered. The reason goes to the log's reader, not to everybody.
func (c *Console) readyz(w http.ResponseWriter, r *http.Request) {
	if c.Ready != nil {
		if err := c.Ready(); err != nil {
			c.log().Debug("not ready", "error", err)
			plain(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
	}
	plain(w, http.StatusOK, "ready\n")
}

// metrics shows the figures for Prometheus to who is logged in.
func (c *Console) metrics(w http.ResponseWriter, r *http.Request) {
	if c.session(r, false) == nil {
		plain(w, http.StatusUnauthorized, "Log in to the console first, or have metrics-address set for scrapers.\n")
		return
	}
	c.Metrics.ServeHTTP(w, r)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
