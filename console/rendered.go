package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/queue"
)

// openMail is a mail that somebody looks at.
type openMail struct {
	Base   string // address of its pages
	Raw    string // address of it as it is
	Back   string // address of where it was found
	BackTo string // name of that
	Title  string
	Note   string // what is missing; "": nothing
	Body   queue.Body
}

// mailSource finds the mail that a request is about.
type mailSource func(v *visit) (*openMail, error)

// mailRoutes adds the pages of a mail below base, an address with {id} in it.
func mailRoutes(to map[string]view, base string, open mailSource) {
	to["GET "+base+"/rendered"] = open.rendered
	to["POST "+base+"/rendered"] = open.rendered
	to["GET "+base+"/frame"] = open.frame
	to["GET "+base+"/text"] = open.text
	to["GET "+base+"/source"] = open.source
	to["GET "+base+"/parts/{number}"] = open.part
	if _, taken := to["GET "+base+"/raw"]; !taken {
		to["GET "+base+"/raw"] = open.raw
	}
}

// renderedPage shows the mail of messages that wait.
func renderedPage() page {
	p := page{path: "/queues", title: "Mail", routes: map[string]view{}}
	mailRoutes(p.routes, "/messages/{id}", waitingMail)
	delete(p.routes, "GET /messages/{id}/raw") // the message's own page has it
	return p
}

// waitingMail opens the mail of a message in a queue.
func waitingMail(v *visit) (*openMail, error) {
	if v.c.Admin == nil {
		return nil, noAdmin()
	}
	id := v.r.PathValue("id")
	m, err := v.c.Admin.Message(v.r.Context(), id)
	if errors.Is(err, admin.ErrNotFound) {
		return nil, &fault{status: http.StatusNotFound, what: "No message with this id waits any more.",
			next: "It has been delivered, has failed, or was removed: the log tells.", cause: err}
	}
	if err != nil {
		return nil, err
	}
	if m.Mail == nil {
		return nil, &fault{status: http.StatusNotFound, what: "The mail itself is not in the queue.",
			next: "It is kept elsewhere, in the message store, is made when it is sent, or is a result without its mail (keepmime keeps it)."}
	}
	at := messagePath(id)
	return &openMail{Base: at, Raw: at + "/raw", Back: at, BackTo: "Message",
		Title: "Mail of " + middle(mailview.Printable(id), 40), Body: m.Mail}, nil
}

// mailData is what rendered.html and mailtext.html get.
type mailData struct {
	*openMail
	View    string // "rendered", "text", "source"
	Mail    *mailview.View
	Header  []mailview.Field // the fields worth showing above a mail
	Frame   string           // address of the frame; "": there is no HTML
	Remote  bool             // remote images are shown
	Blocked bool             // there are remote images that are not
	Text    string
	CutText bool
}

// open opens the mail and takes it apart.
func (open mailSource) open(v *visit, as string) (*mailData, error) {
	m, err := open(v)
	if err != nil {
		return nil, err
	}
	d := &mailData{openMail: m, View: as}
	v.title = m.Title
	if d.Mail, err = mailview.Parse(m.Body, m.Body.Size()); err != nil {
		return nil, &fault{status: http.StatusServiceUnavailable, what: "The mail could not be read.",
			next: "It may have left just now. Go back and look for it again.", cause: err}
	}
	for _, name := range []string{"From", "To", "Cc", "Subject", "Date"} {
		for _, f := range d.Mail.Header {
			if strings.EqualFold(f.Name, name) {
				d.Header = append(d.Header, mailview.Field{Name: name, Value: cut(f.Value, shownValue)})
				break
			}
		}
	}
	return d, nil
}

// mayRender refuses browsers other than the one that is meant for looking at mail.
func (v *visit) mayRender() error {
	wanted := v.c.RenderUserAgent
	if wanted == "" || v.r.UserAgent() == wanted {
		return nil
	}
	return &fault{status: http.StatusForbidden, what: "Mail is not rendered in this browser.",
		next: "The key render-useragent allows only one kind of browser, and this one calls itself “" +
			cut(mailview.Printable(v.r.UserAgent()), 300) +
			"”. Open this page in the browser that is meant for it, or look at the mail's text or source here."}
}

// rendered shows the HTML of a mail in a frame. Remote images need a form with the session's token each time: no link
// leads to them, so that nobody can have somebody else load them.
func (open mailSource) rendered(v *visit) error {
	if err := v.mayRender(); err != nil {
		return err
	}
	d, err := open.open(v, "rendered")
	if err != nil {
		return err
	}
	if d.Mail.HTML == "" {
		d.shorten(maxMailText)
		return v.render("rendered", d)
	}
	d.Frame = d.Base + "/frame"
	d.Remote = v.r.Method == http.MethodPost && v.r.PostForm.Get("remote") != "" && d.Mail.Remote()
	d.Blocked = !d.Remote && d.Mail.Remote()
	if d.Remote {
		d.Frame += "?remote=" + v.remoteProof(d.Base)
	}
	return v.render("rendered", d)
}

// remoteProof shows that somebody in this session asked for the remote content of a mail.
func (v *visit) remoteProof(base string) string {
	mac := hmac.New(sha256.New, []byte(v.session.csrf))
	_, _ = io.WriteString(mac, "remote "+base)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// frame is the document within the page: HTML that can do nothing, under a policy that lets it do nothing.
func (open mailSource) frame(v *visit) error {
	if err := v.mayRender(); err != nil {
		return err
	}
	d, err := open.open(v, "frame")
	if err != nil {
		return err
	}
	remote := false
	if proof := v.r.URL.Query().Get("remote"); proof != "" {
		if !hmac.Equal([]byte(proof), []byte(v.remoteProof(d.Base))) {
			return &fault{status: http.StatusForbidden, what: "Remote content was not asked for in this session.",
				next: "Open the mail, and choose “Show remote content” there."}
		}
		remote = true
	}
	document := d.Mail.Page(remote)
	if document == "" {
		return missing("The mail has no HTML.")
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", mailview.PagePolicy(remote))
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = io.WriteString(v.w, document)
	return nil
}

const (
	maxMailText = 256 << 10
	maxSource   = 256 << 10
)

// text shows the header and the text of a mail.
func (open mailSource) text(v *visit) error {
	d, err := open.open(v, "text")
	if err != nil {
		return err
	}
	d.Header = d.Mail.Header
	d.shorten(maxMailText)
	return v.render("rendered", d)
}

func (d *mailData) shorten(most int) {
	d.Text = d.Mail.Text
	if len(d.Text) > most {
		d.Text, d.CutText = cut(d.Text, most), true
	}
}

// source shows the begin of a mail as it is, with what is invisible made visible.
func (open mailSource) source(v *visit) error {
	d, err := open.open(v, "source")
	if err != nil {
		return err
	}
	begin := make([]byte, min(d.Body.Size(), maxSource))
	n, err := d.Body.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return &fault{status: http.StatusServiceUnavailable, what: "The mail could not be read.",
			next: "It may have left just now. Go back and look for it again.", cause: err}
	}
	d.Header, d.CutText = nil, d.Body.Size() > int64(n)
	var b strings.Builder
	for line := range strings.Lines(string(begin[:n])) {
		b.WriteString(mailview.Printable(strings.TrimRight(line, "\r\n")))
		b.WriteByte('\n')
	}
	d.Text = b.String()
	return v.render("rendered", d)
}

const downloadMail = 10 * time.Minute // how long a download may take

// download has the browser store what follows, whatever it is.
func (v *visit) download(name, kind string) {
	// fails where there is no connection: in tests
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(downloadMail))
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

// raw sends the mail as it is.
func (open mailSource) raw(v *visit) error {
	m, err := open(v)
	if err != nil {
		return err
	}
	v.download("mail.eml", "text/plain")
	v.w.Header().Set("Content-Length", strconv.FormatInt(m.Body.Size(), 10))
	_, err = io.Copy(v.w, io.NewSectionReader(m.Body, 0, m.Body.Size()))
	return sent(err)
}

// sent ends a download: a mail that cannot be read to its end leaves the browser with an error, not with a part of it.
func sent(err error) error {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// part sends one part of the mail, decoded. Its type is not that of the part, so that no browser shows it, and its name
// is one that cannot mislead.
func (open mailSource) part(v *visit) error {
	m, err := open(v)
	if err != nil {
		return err
	}
	number := v.r.PathValue("number")
	part, content, err := mailview.Open(m.Body, m.Body.Size(), number)
	if err != nil {
		return missing("The mail has no part " + cut(mailview.Printable(number), 20) + ".")
	}
	v.download(fileNameOf(part), "application/octet-stream")
	_, err = io.Copy(v.w, content)
	return sent(err)
}

// fileNameOf is the name under which a part is stored: of letters that mean nothing to any system, and cut in its
// middle, so that its ending stays visible.
func fileNameOf(p *mailview.Part) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '.', r == '_':
			return r
		}
		return '_'
	}, p.Name)
	name = strings.TrimLeft(name, ".")
	if len(name) > 100 {
		name = name[:60] + "_" + name[len(name)-39:]
	}
	if name == "" {
		name = "part-" + p.Number
	}
	return name
}
