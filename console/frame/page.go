package frame

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/human"
)

// Page is one entry of the side bar, or a page reached from others, with all that it serves.
type Page struct {
	Path  string     // where its side bar entry leads; "": it has none
	Title string     // of the entry, and of the page unless the view says another
	Group Group      // where the entry stands
	Count func() int // a small number beside the entry; nil, or 0 from it: none
	// filter returns what stands on top to choose what figures are about, and the query of addresses that keep the
	// choice, with its question mark. Nil: nothing is chosen.
	Filter  func(*Visit) (bar any, query string)
	Topics  map[string]Topic  // live data by name
	Streams map[string]Stream // live data that each browser gets for itself, by name
	Routes  map[string]View   // by pattern of http.ServeMux: "GET /domains", "POST /domains/{domain}/pause"
}

// Group is a part of the side bar.
type Group string

// The groups, in their order.
const (
	Live     Group = "Live"
	Steering Group = "Steering"
	SetUp    Group = "Set-up"
	System   Group = "System"
)

func groups() []Group { return []Group{Live, Steering, SetUp, System} }

// View answers one kind of request. It ends with Visit.render or Visit.redirect, or returns why it cannot.
type View func(v *Visit) error

// Visit is one request of somebody who is logged in.
type Visit struct {
	Frame   *Frame
	W       http.ResponseWriter
	R       *http.Request
	page    *Page
	session *session // nil on the login page
	Title   string   // instead of the page's
}

// Fault is an error for people: what is wrong, and what to do next.
type Fault struct {
	Status     int
	What, Next string
	Cause      error // for the log
}

func (f *Fault) Error() string { return f.What }
func (f *Fault) Unwrap() error { return f.Cause }

func Missing(what string) error {
	return &Fault{Status: http.StatusNotFound, What: what,
		Next: "Look for it in the list it was in: it may have been removed."}
}

const (
	maxForm  = 2 << 20          // bytes of a form
	pageTime = 30 * time.Second // to read a form, and again to send a page
)

// deadlines bound how long a client may take; the server's own are for uploads.
func (f *Frame) deadlines(w http.ResponseWriter) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(pageTime)) // fails where there is no connection: in tests
	_ = rc.SetWriteDeadline(time.Now().Add(2 * pageTime))
}

// serve wraps a view: session, form, proof that the form is ours, errors.
func (f *Frame) serve(p *Page, answer View) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.deadlines(w)
		s := f.session(r, true)
		if s == nil {
			f.toLogin(w, r)
			return
		}
		if rec, ok := w.(*recorder); ok {
			rec.user = s.user
		}
		v := &Visit{Frame: f, W: w, R: r.WithContext(f.actor(r, s)), page: p, session: s}
		if err := v.prove(); err != nil {
			f.fail(v, err)
			return
		}
		if err := answer(v); err != nil {
			f.fail(v, err)
		}
	})
}

// actor is the context of a request of somebody who is logged in.
func (f *Frame) actor(r *http.Request, s *session) context.Context {
	if f.Actor == nil {
		return r.Context()
	}
	return f.Actor(r.Context(), s.user, clientOf(r))
}

// prove reads the form and looks for the session's token in it, or in a header that only scripts of our own can set.
func (v *Visit) prove() error {
	if v.R.Method == http.MethodGet || v.R.Method == http.MethodHead {
		return nil
	}
	v.R.Body = http.MaxBytesReader(v.W, v.R.Body, maxForm)
	token := v.R.Header.Get("X-CSRF-Token")
	if token == "" {
		if err := v.R.ParseForm(); err != nil {
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				return &Fault{Status: http.StatusRequestEntityTooLarge, What: "The form is larger than 2 MB.",
					Next: "Send less at a time, or use the REST API."}
			}
			return &Fault{Status: http.StatusBadRequest, What: "The form could not be read.", Next: "Go back and send it again."}
		}
		token = v.R.PostForm.Get("csrf")
	}
	if !v.session.proves(token) {
		return &Fault{Status: http.StatusForbidden, What: "The form belongs to another session, and nothing was changed.",
			Next: "Go back, load the page again, and send it once more."}
	}
	return nil
}

// Proof shows that somebody in this session was given an address that does something.
func (v *Visit) Proof(of string) string {
	mac := hmac.New(sha256.New, []byte(v.session.csrf))
	_, _ = io.WriteString(mac, of)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Render sends a page made of a template of that name.
func (v *Visit) Render(name string, data any) error {
	return v.RenderStatus(http.StatusOK, name, data)
}

// RenderStatus is render for pages that say that something is wrong with what was sent.
func (v *Visit) RenderStatus(status int, name string, data any) error {
	v.Frame.write(v, status, name, data)
	return nil
}

// Redirect sends the browser to another page after a change; notice is shown there, once.
func (v *Visit) Redirect(to, notice string) error {
	v.Frame.sessions.leave(v.session, human.Cut(notice, 400))
	http.Redirect(v.W, v.R, LocalPath(to), http.StatusSeeOther)
	return nil
}

// fail shows an error as a page.
func (f *Frame) fail(v *Visit, err error) {
	shown := f.Fault(err)
	if shown.Status >= 500 {
		f.log().Error("console", "path", v.R.URL.Path, "error", err)
	}
	v.Title = http.StatusText(shown.Status)
	f.write(v, shown.Status, "fault", shown.lines())
}

// Fault says for people what went wrong.
func (f *Frame) Fault(err error) *Fault {
	if known, ok := errors.AsType[*Fault](err); ok {
		return known
	}
	if f.Explain != nil {
		return f.Explain(err)
	}
	return &Fault{Status: http.StatusInternalServerError, What: "This did not work.",
		Next: "The application log says why.", Cause: err}
}

type faultLines struct{ What, Next string }

func (f *Fault) lines() faultLines { return faultLines{f.What, f.Next} }

func (f *Frame) notFound(w http.ResponseWriter, r *http.Request) {
	s := f.session(r, true)
	if s == nil {
		f.toLogin(w, r)
		return
	}
	f.fail(&Visit{Frame: f, W: w, R: r, page: &Page{}, session: s},
		&Fault{Status: http.StatusNotFound, What: "There is no such page.", Next: "The side bar lists all there are."})
}

// write renders into memory first, so that a template that fails leaves no half page.
func (f *Frame) write(v *Visit, status int, name string, data any) {
	t := f.templates[name]
	if t == nil {
		panic(fmt.Sprintf("no template %q", name))
	}
	var page bytes.Buffer
	if err := t.ExecuteTemplate(&page, "layout", v.shell(data)); err != nil {
		f.log().Error("console: a template failed", "template", name, "error", err)
		http.Error(v.W, "This page could not be made. The application log says why.", http.StatusInternalServerError)
		return
	}
	h := v.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	v.W.WriteHeader(status)
	if v.R.Method != http.MethodHead {
		_, _ = v.W.Write(page.Bytes())
	}
}

// Partial renders one template by itself, for what scripts put into a page.
func (v *Visit) Partial(name, block string, data any) error {
	var part bytes.Buffer
	if err := v.Frame.templates[name].ExecuteTemplate(&part, block, data); err != nil {
		return err
	}
	v.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := v.W.Write(part.Bytes())
	return err
}
