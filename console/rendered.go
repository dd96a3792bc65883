package console

import (
	"crypto/hmac"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
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
type mailSource func(v *frame.Visit) (*openMail, error)

// mailPages are the pages of one mail.
type mailPages struct {
	open      mailSource
	userAgent string // the only one that may render mail; "": all may
}

// mailRoutes adds the pages of a mail below base, an address with {id} in it.
func (c *Console) mailRoutes(to map[string]frame.View, base string, open mailSource) {
	m := &mailPages{open, c.RenderUserAgent}
	to["GET "+base+"/rendered"] = m.rendered
	to["POST "+base+"/rendered"] = m.rendered
	to["GET "+base+"/frame"] = m.frame
	to["GET "+base+"/text"] = m.text
	to["GET "+base+"/source"] = m.source
	to["GET "+base+"/parts/{number}"] = m.part
	if _, taken := to["GET "+base+"/raw"]; !taken {
		to["GET "+base+"/raw"] = m.raw
	}
}

// renderedPage shows the mail of messages that wait.
func (c *Console) renderedPage() frame.Page {
	p := frame.Page{Path: "/queues", Title: "Mail", Routes: map[string]frame.View{}}
	c.mailRoutes(p.Routes, "/messages/{id}", c.waitingMail)
	delete(p.Routes, "GET /messages/{id}/raw") // the message's own page has it
	return p
}

// waitingMail opens the mail of a message in a queue.
func (c *Console) waitingMail(v *frame.Visit) (*openMail, error) {
	if c.Admin == nil {
		return nil, noAdmin()
	}
	id := v.R.PathValue("id")
	m, err := c.Admin.Message(v.R.Context(), id)
	if errors.Is(err, admin.ErrNotFound) {
		return nil, &frame.Fault{Status: http.StatusNotFound, What: "No message with this id waits any more.",
			Next: "It has been delivered, has failed, or was removed: the log tells.", Cause: err}
	}
	if err != nil {
		return nil, err
	}
	if m.Mail == nil {
		return nil, &frame.Fault{Status: http.StatusNotFound, What: "The mail itself is not in the queue.",
			Next: "It is kept elsewhere, in the message store, is made when it is sent, or is a result without its mail (keepmime keeps it)."}
	}
	at := messagePath(id)
	return &openMail{Base: at, Raw: at + "/raw", Back: at, BackTo: "Message",
		Title: "Mail of " + human.Middle(mailview.Printable(id), 40), Body: m.Mail}, nil
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
func (p *mailPages) read(v *frame.Visit, as string) (*mailData, error) {
	m, err := p.open(v)
	if err != nil {
		return nil, err
	}
	d := &mailData{openMail: m, View: as}
	v.Title = m.Title
	if d.Mail, err = mailview.Parse(m.Body, m.Body.Size()); err != nil {
		return nil, &frame.Fault{Status: http.StatusServiceUnavailable, What: "The mail could not be read.",
			Next: "It may have left just now. Go back and look for it again.", Cause: err}
	}
	for _, name := range []string{"From", "To", "Cc", "Subject", "Date"} {
		for _, f := range d.Mail.Header {
			if strings.EqualFold(f.Name, name) {
				d.Header = append(d.Header, mailview.Field{Name: name, Value: human.Cut(f.Value, shownValue)})
				break
			}
		}
	}
	return d, nil
}

// mayRender refuses browsers other than the one that is meant for looking at mail.
func (p *mailPages) mayRender(v *frame.Visit) error {
	wanted := p.userAgent
	if wanted == "" || v.R.UserAgent() == wanted {
		return nil
	}
	return &frame.Fault{Status: http.StatusForbidden, What: "Mail is not rendered in this browser.",
		Next: "The key render-useragent allows only one kind of browser, and this one calls itself “" +
			human.Cut(mailview.Printable(v.R.UserAgent()), 300) +
			"”. Open this page in the browser that is meant for it, or look at the mail's text or source here."}
}

// rendered shows the HTML of a mail in a frame. Remote images need a form with the session's token each time: no link
// leads to them, so that nobody can have somebody else load them.
func (p *mailPages) rendered(v *frame.Visit) error {
	if err := p.mayRender(v); err != nil {
		return err
	}
	d, err := p.read(v, "rendered")
	if err != nil {
		return err
	}
	if d.Mail.HTML == "" {
		d.shorten(maxMailText)
		return v.Render("rendered", d)
	}
	d.Frame = d.Base + "/frame"
	d.Remote = v.R.Method == http.MethodPost && v.R.PostForm.Get("remote") != "" && d.Mail.Remote()
	d.Blocked = !d.Remote && d.Mail.Remote()
	if d.Remote {
		d.Frame += "?remote=" + v.Proof("remote "+d.Base)
	}
	return v.Render("rendered", d)
}

// frame is the document within the page: HTML that can do nothing, under a policy that lets it do nothing.
func (p *mailPages) frame(v *frame.Visit) error {
	if err := p.mayRender(v); err != nil {
		return err
	}
	d, err := p.read(v, "frame")
	if err != nil {
		return err
	}
	remote := false
	if proof := v.R.URL.Query().Get("remote"); proof != "" {
		if !hmac.Equal([]byte(proof), []byte(v.Proof("remote "+d.Base))) {
			return &frame.Fault{Status: http.StatusForbidden, What: "Remote content was not asked for in this session.",
				Next: "Open the mail, and choose “Show remote content” there."}
		}
		remote = true
	}
	document := d.Mail.Page(remote)
	if document == "" {
		return frame.Missing("The mail has no HTML.")
	}
	h := v.W.Header()
	h.Set("Content-Security-Policy", mailview.PagePolicy(remote))
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = io.WriteString(v.W, document)
	return nil
}

const (
	maxMailText = 256 << 10
	maxSource   = 256 << 10
)

// text shows the header and the text of a mail.
func (p *mailPages) text(v *frame.Visit) error {
	d, err := p.read(v, "text")
	if err != nil {
		return err
	}
	d.Header = d.Mail.Header
	d.shorten(maxMailText)
	return v.Render("rendered", d)
}

func (d *mailData) shorten(most int) {
	d.Text = d.Mail.Text
	if len(d.Text) > most {
		d.Text, d.CutText = human.Cut(d.Text, most), true
	}
}

// source shows the begin of a mail as it is, with what is invisible made visible.
func (p *mailPages) source(v *frame.Visit) error {
	d, err := p.read(v, "source")
	if err != nil {
		return err
	}
	begin := make([]byte, min(d.Body.Size(), maxSource))
	n, err := d.Body.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return &frame.Fault{Status: http.StatusServiceUnavailable, What: "The mail could not be read.",
			Next: "It may have left just now. Go back and look for it again.", Cause: err}
	}
	d.Header, d.CutText = nil, d.Body.Size() > int64(n)
	var b strings.Builder
	for line := range strings.Lines(string(begin[:n])) {
		b.WriteString(mailview.Printable(strings.TrimRight(line, "\r\n")))
		b.WriteByte('\n')
	}
	d.Text = b.String()
	return v.Render("rendered", d)
}

const downloadMail = 10 * time.Minute // how long a download may take

// download has the browser store what follows, whatever it is.
func download(v *frame.Visit, name, kind string) {
	// fails where there is no connection: in tests
	_ = http.NewResponseController(v.W).SetWriteDeadline(time.Now().Add(downloadMail))
	h := v.W.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

// raw sends the mail as it is.
func (p *mailPages) raw(v *frame.Visit) error {
	m, err := p.open(v)
	if err != nil {
		return err
	}
	download(v, "mail.eml", "text/plain")
	v.W.Header().Set("Content-Length", strconv.FormatInt(m.Body.Size(), 10))
	_, err = io.Copy(v.W, io.NewSectionReader(m.Body, 0, m.Body.Size()))
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
func (p *mailPages) part(v *frame.Visit) error {
	m, err := p.open(v)
	if err != nil {
		return err
	}
	number := v.R.PathValue("number")
	part, content, err := mailview.Open(m.Body, m.Body.Size(), number)
	if err != nil {
		return frame.Missing("The mail has no part " + human.Cut(mailview.Printable(number), 20) + ".")
	}
	download(v, fileNameOf(part), "application/octet-stream")
	_, err = io.Copy(v.W, content)
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
