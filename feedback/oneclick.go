package feedback

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"path"
	"time"

	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/queue"
)

// OneClick takes requests for no more mail over HTTP (RFC 8058): a POST to an address that ends in a token and ?to=
// with the recipient, both as List-Unsubscribe has them. It becomes the report that a mail to unsubscribe+TOKEN would
// be, once within an hour however often it is sent. Browsers that ask with GET, as scanners of links do, get a page
// with a button. Fields are set before use; it is safe for concurrent use.
type OneClick struct {
	Paths  *verp.Paths
	Queue  queue.Queue
	Name   string           // of the queue in which reports wait
	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // nil: time.Now

	clicks clicks
}

// The form of RFC 8058 §3.1; and how long a request may be.
const (
	oneClickName  = "List-Unsubscribe"
	oneClickValue = "One-Click"
	maxForm       = 16 << 10
)

// ServeHTTP implements http.Handler.
func (o *OneClick) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, to := path.Base(r.URL.Path), r.URL.Query().Get("to")
	opened, err := o.open(token, to)
	switch {
	case err == verp.ErrExpired:
		show(w, http.StatusGone, "This link is too old. Please use that of a newer mail.", "")
		return
	case err != nil:
		show(w, http.StatusNotFound, "This link does not belong to a mail from here.", "")
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		show(w, http.StatusOK, "Do you want no more mail to "+to+"?", oneClickValue)
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		show(w, http.StatusMethodNotAllowed, "Expected GET or POST.", "")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.PostFormValue(oneClickName) != oneClickValue {
		show(w, http.StatusBadRequest, "Expected the form "+oneClickName+"="+oneClickValue+" (RFC 8058).", "")
		return
	}
	err = o.clicks.once(r.Context(), opened, o.now(), func() error {
		return o.Queue.Publish(r.Context(), queue.Item{Queue: o.Name, Message: o.report(token, to)})
	})
	if err != nil {
		cmp.Or(o.Logger, slog.Default()).Warn("a request for no more mail could not be stored", "error", err)
		w.Header().Set("Retry-After", "60")
		show(w, http.StatusServiceUnavailable, "This does not work at present. Please try again later.", "")
		return
	}
	show(w, http.StatusOK, "There will be no more mail of this kind to "+to+".", "")
}

// open reads a token. An error says what is wrong with it; nil: it was made for this recipient.
func (o *OneClick) open(token, to string) (verp.Token, error) {
	t, err := o.Paths.Open(token, o.now())
	if err == nil && (address(to) != to || !t.IsFor(to)) {
		err = verp.ErrForged
	}
	return t, err
}

// report is the mail that could have been written instead.
func (o *OneClick) report(token, to string) *queue.Message {
	now := o.now().UTC()
	local := unsubscribeLocal + "+" + token
	return &queue.Message{ID: "click-" + rand.Text(), Envelope: to, Recipient: local + "@one-click.invalid", Received: now,
		Body: queue.Bytes(fmt.Sprintf("From: <%s>\r\nTo: <%s@one-click.invalid>\r\nDate: %s\r\nSubject: unsubscribe\r\n\r\n",
			to, local, now.Format(time.RFC1123Z)))}
}

func (o *OneClick) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// page is all that people see. Button is the value of the form; "": there is none.
var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>Unsubscribe</title></head>
<body><p>{{.Text}}</p>{{if .Button}}
<form method="post"><button name="List-Unsubscribe" value="{{.Button}}">Unsubscribe</button></form>{{end}}
</body></html>
`))

func show(w http.ResponseWriter, code int, text, button string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(code)
	_ = page.Execute(w, struct{ Text, Button string }{text, button}) // else nobody is there
}
