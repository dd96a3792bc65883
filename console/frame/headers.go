package frame

import (
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/sluicemail/sluice/internal/human"
)

// policy lets pages load what this server serves, and nothing else. There are no inline scripts, styles or event
// handlers.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; " +
	"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func setHeaders(h http.Header, secure bool) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// sameOrigin refuses requests that change something and come from pages of others.
func sameOrigin(next http.Handler) http.Handler {
	var guard http.CrossOriginProtection
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "This request came from a page of another site and was refused. Open the console and try again there.",
			http.StatusForbidden)
	}))
	return guard.Handler(next)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	user   string
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// finish ends a request: it answers for a view that panicked, and writes the access log.
func (f *Frame) finish(rec *recorder, r *http.Request) {
	if cause := recover(); cause != nil {
		if cause == http.ErrAbortHandler {
			panic(cause)
		}
		f.log().Error("console: a page failed", "path", r.URL.Path, "panic", fmt.Sprint(cause), "stack",
			string(debug.Stack()))
		if rec.status == 0 {
			http.Error(rec, "This page failed. The application log says why.", http.StatusInternalServerError)
		}
	}
	if f.Access == nil {
		return
	}
	line := fmt.Sprintf("%s %s %d %d", r.Method, human.Cut(r.URL.RequestURI(), 500), rec.status, rec.bytes)
	if rec.user != "" {
		line += " " + strings.ReplaceAll(rec.user, " ", "_")
	}
	f.Access(f.now(), clientOf(r).Addr(), line)
}

// clientOf returns who is at the other end of the connection; zero when that is not known.
func clientOf(r *http.Request) netip.AddrPort {
	client, _ := netip.ParseAddrPort(r.RemoteAddr)
	return netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
}
