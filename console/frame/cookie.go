package frame

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// cookieName tells consoles on several ports of one host apart, as browsers send each the cookies of all. The prefix
// has browsers refuse a cookie that was not set by this host over TLS.
func (f *Frame) cookieName(r *http.Request) string {
	port := ""
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(local.String())
	}
	if f.isSecure(r) {
		return "__Host-sluice-" + port
	}
	return "sluice-" + port
}

// isSecure reports whether the browser speaks TLS, with us or with the proxy that URL tells of.
func (f *Frame) isSecure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	at, err := url.Parse(f.URL)
	return err == nil && at.Scheme == "https" && strings.EqualFold(at.Host, r.Host)
}

func (f *Frame) setCookie(w http.ResponseWriter, r *http.Request, token string) {
	cookie := &http.Cookie{
		Name: f.cookieName(r), Value: token, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: f.isSecure(r),
	}
	if token == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// session returns who asks, or nil. touch counts it as use.
func (f *Frame) session(r *http.Request, touch bool) *session {
	cookie, err := r.Cookie(f.cookieName(r))
	if err != nil || cookie.Value == "" {
		return nil
	}
	return f.sessions.find(cookie.Value, touch)
}

// LocalPath returns the address of a page of this console that a request may name as the one to go to, or "/" for
// anything that could lead elsewhere.
func LocalPath(next string) string {
	at, err := url.Parse(next)
	switch {
	case err != nil, at.Scheme != "", at.Host != "", at.User != nil, at.Opaque != "",
		!strings.HasPrefix(next, "/"), strings.HasPrefix(next, "//"), strings.ContainsAny(next, "\\\r\n\t"), len(next) > 2000:
		return "/"
	}
	switch first, _, _ := strings.Cut(strings.TrimPrefix(at.Path, "/"), "/"); first {
	case "login", "logout", "live", "session", "static", "v1", "theme":
		return "/"
	}
	if strings.HasPrefix(at.Path, "//") {
		return "/"
	}
	return at.RequestURI()
}

// hasSession tells scripts whether their session goes on; asking is no use of it.
func (f *Frame) hasSession(w http.ResponseWriter, r *http.Request) {
	if f.session(r, false) == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
