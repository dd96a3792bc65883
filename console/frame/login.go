package frame

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/internal/human"
)

// loginData is what the login page shows.
type loginData struct {
	Next, Username string
	Problem        string // why the last try did not succeed
	Unreachable    bool   // nobody could be asked
	Notice         string // why a login is asked for
}

const (
	maxLogin     = 8 << 10 // bytes of its form
	maxLoginTime = 20 * time.Second
)

func (f *Frame) loginPage(w http.ResponseWriter, r *http.Request) {
	next := LocalPath(r.URL.Query().Get("next"))
	if f.session(r, true) != nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	d := loginData{Next: next}
	switch r.URL.Query().Get("why") {
	case "ended":
		d.Notice = "Your session has ended. Log in to go on."
	case "out":
		d.Notice = "You are logged out."
	}
	f.showLogin(w, r, http.StatusOK, d)
}

func (f *Frame) showLogin(w http.ResponseWriter, r *http.Request, status int, d loginData) {
	v := &Visit{Frame: f, W: w, R: r, page: &Page{Title: "Log in"}}
	f.write(v, status, "login", d)
}

// login judges a name and a password.
func (f *Frame) login(w http.ResponseWriter, r *http.Request) {
	f.deadlines(w)
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form could not be read.", http.StatusBadRequest)
		return
	}
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	next := LocalPath(r.PostForm.Get("next"))
	ctx, cancel := context.WithTimeout(r.Context(), maxLoginTime)
	defer cancel()
	err := f.guard.Authenticate(ctx, auth.Login{Username: name, Password: password, Client: clientOf(r), Service: "www"})
	if err != nil {
		f.refuse(w, r, name, next, err)
		return
	}
	if old := f.session(r, false); old != nil {
		f.sessions.logOut(old, false)
	}
	token, s := f.sessions.begin(strings.TrimSpace(name), clientOf(r))
	f.setCookie(w, r, token)
	f.log().Info("logged in to the console", "user", s.user, "from", clientOf(r).Addr())
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// refuse shows why a login did not succeed. A wrong name is not logged, since it may be a password typed into the wrong
// field.
func (f *Frame) refuse(w http.ResponseWriter, r *http.Request, name, next string, err error) {
	d := loginData{Next: next, Username: name}
	status := http.StatusUnauthorized
	if limited, ok := errors.AsType[*auth.Limited](err); ok {
		status = http.StatusTooManyRequests
		wait := max(limited.Until.Sub(f.now()), time.Second)
		w.Header().Set("Retry-After", retryAfter(wait))
		d.Problem = "Too many failed logins. Try again in " + human.Span(wait) + "."
	} else if errors.Is(err, auth.ErrRejected) {
		d.Problem = "Wrong user name or password."
		f.log().Warn("login to the console refused", "from", clientOf(r).Addr())
	} else {
		status = http.StatusServiceUnavailable
		d.Problem = "The login service cannot be reached, so nobody can log in now. Your password was not judged. Try again in a minute; the application log says what is wrong."
		d.Unreachable = true
		f.log().Error("the login service of the console cannot be asked", "error", err)
	}
	f.showLogin(w, r, status, d)
}

// toLogin sends a browser without a session to the login page.
func (f *Frame) toLogin(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		f.showLogin(w, r, http.StatusUnauthorized,
			loginData{Next: "/", Notice: "Your session has ended, and nothing was changed. Log in and try again."})
		return
	}
	to := "/login"
	query := url.Values{}
	if next := LocalPath(r.URL.RequestURI()); next != "/" {
		query.Set("next", next)
	}
	if _, err := r.Cookie(f.cookieName(r)); err == nil {
		query.Set("why", "ended")
	}
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// theme keeps whether pages are light or dark, or as the system is.
func (f *Frame) theme(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	theme := r.PostFormValue("theme")
	cookie := &http.Cookie{Name: "theme", Value: theme, Path: "/", SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 3600,
		HttpOnly: true}
	if theme != "light" && theme != "dark" {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, LocalPath(r.PostFormValue("next")), http.StatusSeeOther)
}

func themeOf(r *http.Request) string {
	if cookie, err := r.Cookie("theme"); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		return cookie.Value
	}
	return ""
}

func retryAfter(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }
