package console

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// page is one entry of the side bar, or a page reached from others, with all that it serves.
type page struct {
	path    string             // where its side bar entry leads; "": it has none
	title   string             // of the entry, and of the page unless the view says another
	group   group              // where the entry stands
	count   func(*Console) int // a small number beside the entry; nil, or 0 from it: none
	filter  bool               // MTA IP, domain and tag can be chosen on top
	topics  map[string]topic   // live data by name
	streams map[string]stream  // live data that each browser gets for itself, by name
	routes  map[string]view    // by pattern of http.ServeMux: "GET /domains", "POST /domains/{domain}/pause"
}

// group is a part of the side bar.
type group string

// The groups, in their order.
const (
	live     group = "Live"
	steering group = "Steering"
	setUp    group = "Set-up"
	system   group = "System"
)

func groups() []group { return []group{live, steering, setUp, system} }

// view answers one kind of request. It ends with visit.render or visit.redirect, or returns why it cannot.
type view func(v *visit) error

// visit is one request of somebody who is logged in.
type visit struct {
	c       *Console
	w       http.ResponseWriter
	r       *http.Request
	page    *page
	session *session // nil on the login page
	title   string   // instead of the page's
}

// fault is an error for people: what is wrong, and what to do next.
type fault struct {
	status     int
	what, next string
	cause      error // for the log
}

func (f *fault) Error() string { return f.what }
func (f *fault) Unwrap() error { return f.cause }

func missing(what string) error {
	return &fault{status: http.StatusNotFound, what: what,
		next: "Look for it in the list it was in: it may have been removed."}
}

const (
	maxForm  = 2 << 20          // bytes of a form
	pageTime = 30 * time.Second // to read a form, and again to send a page
)

// deadlines bound how long a client may take; the server's own are for uploads.
func (c *Console) deadlines(w http.ResponseWriter) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(pageTime)) // fails where there is no connection: in tests
	_ = rc.SetWriteDeadline(time.Now().Add(2 * pageTime))
}

// serve wraps a view: session, form, proof that the form is ours, errors.
func (c *Console) serve(p *page, answer view) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.deadlines(w)
		s := c.session(r, true)
		if s == nil {
			c.toLogin(w, r)
			return
		}
		if rec, ok := w.(*recorder); ok {
			rec.user = s.user
		}
		v := &visit{c: c, w: w, r: r.WithContext(actor(r.Context(), s, clientOf(r))), page: p, session: s}
		if err := v.prove(); err != nil {
			c.fail(v, err)
			return
		}
		if err := answer(v); err != nil {
			c.fail(v, err)
		}
	})
}

// prove reads the form and looks for the session's token in it, or in a header that only scripts of our own can set.
func (v *visit) prove() error {
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead {
		return nil
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	token := v.r.Header.Get("X-CSRF-Token")
	if token == "" {
		if err := v.r.ParseForm(); err != nil {
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				return &fault{status: http.StatusRequestEntityTooLarge, what: "The form is larger than 2 MB.",
					next: "Send less at a time, or use the REST API."}
			}
			return &fault{status: http.StatusBadRequest, what: "The form could not be read.", next: "Go back and send it again."}
		}
		token = v.r.PostForm.Get("csrf")
	}
	if !v.session.proves(token) {
		return &fault{status: http.StatusForbidden, what: "The form belongs to another session, and nothing was changed.",
			next: "Go back, load the page again, and send it once more."}
	}
	return nil
}

// render sends a page made of a template of that name.
func (v *visit) render(name string, data any) error {
	return v.renderStatus(http.StatusOK, name, data)
}

// renderStatus is render for pages that say that something is wrong with what was sent.
func (v *visit) renderStatus(status int, name string, data any) error {
	v.c.write(v, status, name, data)
	return nil
}

// redirect sends the browser to another page after a change; notice is shown there, once.
func (v *visit) redirect(to, notice string) error {
	v.c.sessions.leave(v.session, cut(notice, 400))
	http.Redirect(v.w, v.r, localPath(to), http.StatusSeeOther)
	return nil
}

// fail shows an error as a page.
func (c *Console) fail(v *visit, err error) {
	shown, ok := errors.AsType[*fault](err)
	if !ok {
		shown = asFault(err)
	}
	if shown.status >= 500 {
		c.log().Error("console", "path", v.r.URL.Path, "error", err)
	}
	v.title = http.StatusText(shown.status)
	c.write(v, shown.status, "fault", shown.lines())
}

type faultLines struct{ What, Next string }

func (f *fault) lines() faultLines { return faultLines{f.what, f.next} }

func (c *Console) notFound(w http.ResponseWriter, r *http.Request) {
	s := c.session(r, true)
	if s == nil {
		c.toLogin(w, r)
		return
	}
	c.fail(&visit{c: c, w: w, r: r, page: &page{}, session: s},
		&fault{status: http.StatusNotFound, what: "There is no such page.", next: "The side bar lists all there are."})
}

// write renders into memory first, so that a template that fails leaves no half page.
func (c *Console) write(v *visit, status int, name string, data any) {
	t := c.templates[name]
	if t == nil {
		panic(fmt.Sprintf("no template %q", name))
	}
	var page bytes.Buffer
	if err := t.ExecuteTemplate(&page, "layout", v.shell(data)); err != nil {
		c.log().Error("console: a template failed", "template", name, "error", err)
		http.Error(v.w, "This page could not be made. The application log says why.", http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(page.Bytes())
	}
}

// partial renders one template by itself, for what scripts put into a page.
func (v *visit) partial(name, block string, data any) error {
	var part bytes.Buffer
	if err := v.c.templates[name].ExecuteTemplate(&part, block, data); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := v.w.Write(part.Bytes())
	return err
}
