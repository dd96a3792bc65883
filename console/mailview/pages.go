package mailview

import (
	"cmp"
	"crypto/hmac"
	"embed"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

// Files is the template of the pages.
//
//go:embed rendered.html
var Files embed.FS

// Mail is a mail that somebody looks at.
type Mail struct {
	Base   string // address below which its pages are
	Back   string // address of where it was found
	BackTo string // name of that
	Title  string
	File   string // name under which browsers store it, without its ending
	Note   string // what is missing; "": nothing
	Body   queue.Body
}

// pages are the pages of one mail.
type pages struct {
	open      func(v *frame.Visit) (*Mail, error)
	userAgent string
}

// AddRoutes adds the pages of a mail below base, an address with {id} in it. open finds the mail that a request is
// about. userAgent is the only User-Agent that may render mail; "": all may.
func AddRoutes(to map[string]frame.View, base string, open func(*frame.Visit) (*Mail, error), userAgent string) {
	m := &pages{open, userAgent}
	to["GET "+base+"/rendered"] = m.rendered
	to["POST "+base+"/rendered"] = m.rendered
	to["GET "+base+"/frame"] = m.frame
	to["GET "+base+"/text"] = m.text
	to["GET "+base+"/source"] = m.source
	to["GET "+base+"/parts/{number}"] = m.part
	to["GET "+base+"/raw"] = m.raw
}

// mailData is what rendered.html gets.
type mailData struct {
	*Mail
	View    string // "rendered", "text", "source"
	Parsed  *View
	Header  []Field // the fields worth showing above a mail
	Frame   string  // address of the frame; "": there is no HTML
	Remote  bool    // remote images are shown
	Blocked bool    // there are remote images that are not, and could be
	Refused bool    // there are images with http:// addresses, which never are
	Text    string
	CutText bool
}

// open opens the mail and takes it apart.
func (p *pages) read(v *frame.Visit, as string) (*mailData, error) {
	m, err := p.open(v)
	if err != nil {
		return nil, err
	}
	d := &mailData{Mail: m, View: as}
	v.Title = m.Title
	if d.Parsed, err = Parse(m.Body, m.Body.Size()); err != nil {
		return nil, &frame.Fault{Status: http.StatusServiceUnavailable, What: "The mail could not be read.",
			Next: "It may have left just now. Go back and look for it again.", Cause: err}
	}
	for _, name := range []string{"From", "To", "Cc", "Subject", "Date"} {
		for _, f := range d.Parsed.Header {
			if strings.EqualFold(f.Name, name) {
				d.Header = append(d.Header, Field{Name: name, Value: human.Cut(f.Value, maxShown)})
				break
			}
		}
	}
	return d, nil
}

// mayRender refuses browsers other than the one that is meant for looking at mail.
func (p *pages) mayRender(v *frame.Visit) error {
	wanted := p.userAgent
	if wanted == "" || v.R.UserAgent() == wanted {
		return nil
	}
	return &frame.Fault{Status: http.StatusForbidden, What: "Mail is not rendered in this browser.",
		Next: "The key render-useragent allows only one kind of browser, and this one calls itself “" +
			human.Cut(Printable(v.R.UserAgent()), 300) +
			"”. Open this page in the browser that is meant for it, or look at the mail's text or source here."}
}

// rendered shows the HTML of a mail in a frame. Remote images need a form with the session's token each time: no link
// leads to them, so that nobody can have somebody else load them.
func (p *pages) rendered(v *frame.Visit) error {
	if err := p.mayRender(v); err != nil {
		return err
	}
	d, err := p.read(v, "rendered")
	if err != nil {
		return err
	}
	if d.Parsed.HTML == "" {
		d.shorten(maxMailText)
		return v.Render("rendered", d)
	}
	d.Frame = d.Base + "/frame"
	shown, refused := d.Parsed.Remote()
	d.Remote = v.R.Method == http.MethodPost && v.R.PostForm.Get("remote") != "" && shown
	d.Blocked, d.Refused = shown && !d.Remote, refused
	if d.Remote {
		d.Frame += "?remote=" + v.Proof("remote "+d.Base)
	}
	return v.Render("rendered", d)
}

// frame is the document within the page: HTML that can do nothing, under a policy that lets it do nothing.
func (p *pages) frame(v *frame.Visit) error {
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
	document := d.Parsed.Page(remote)
	if document == "" {
		return frame.Missing("The mail has no HTML.")
	}
	h := v.W.Header()
	h.Set("Content-Security-Policy", PagePolicy(remote))
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
	maxShown    = 600 // of a field of the header
)

// text shows the header and the text of a mail.
func (p *pages) text(v *frame.Visit) error {
	d, err := p.read(v, "text")
	if err != nil {
		return err
	}
	d.Header = d.Parsed.Header
	d.shorten(maxMailText)
	return v.Render("rendered", d)
}

func (d *mailData) shorten(most int) {
	d.Text = d.Parsed.Text
	if len(d.Text) > most {
		d.Text, d.CutText = human.Cut(d.Text, most), true
	}
}

// source shows the begin of a mail as it is, with what is invisible made visible.
func (p *pages) source(v *frame.Visit) error {
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
		b.WriteString(Printable(strings.TrimRight(line, "\r\n")))
		b.WriteByte('\n')
	}
	d.Text = b.String()
	return v.Render("rendered", d)
}

const (
	downloadTime = 10 * time.Minute // how long a download may take, and more of a large mail:
	slowest      = 100 << 10        // bytes a second
)

// download has the browser store the mail, or size bytes of it that a file is made of, whatever it is.
func (m *Mail) download(v *frame.Visit, file, kind string, content io.Reader, size int64) error {
	wait := downloadTime + time.Duration(m.Body.Size()/slowest)*time.Second
	// fails where there is no connection: in tests
	_ = http.NewResponseController(v.W).SetWriteDeadline(time.Now().Add(wait))
	h := v.W.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", "attachment; filename="+file)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	if v.R.Method == http.MethodHead {
		return nil
	}
	// it may leave while it is read: nobody is to take a part of it for the whole
	if n, err := io.Copy(v.W, content); err != nil || n < size {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// raw sends the mail as it is.
func (p *pages) raw(v *frame.Visit) error {
	m, err := p.open(v)
	if err != nil {
		return err
	}
	size := m.Body.Size()
	return m.download(v, harmless(m.File[:min(len(m.File), 100)])+".eml", "text/plain; charset=utf-8",
		io.NewSectionReader(m.Body, 0, size), size)
}

// part sends one part of the mail, decoded. Its type is not that of the part, so that no browser shows it, and its name
// is one that cannot mislead.
func (p *pages) part(v *frame.Visit) error {
	m, err := p.open(v)
	if err != nil {
		return err
	}
	number := v.R.PathValue("number")
	part, content, err := Open(m.Body, m.Body.Size(), number)
	if err != nil {
		return frame.Missing("The mail has no part " + human.Cut(Printable(number), 20) + ".")
	}
	return m.download(v, `"`+fileNameOf(part)+`"`, "application/octet-stream", content, -1)
}

// fileNameOf is the name under which a part is stored. It is cut in its middle, so that its ending stays visible.
func fileNameOf(p *Part) string {
	name := strings.TrimLeft(harmless(p.Name), ".")
	if len(name) > 100 {
		name = name[:60] + "_" + name[len(name)-39:]
	}
	return cmp.Or(name, "part-"+p.Number)
}

// harmless keeps the letters of a file's name that mean nothing to any system.
func harmless(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '.', r == '_':
			return r
		}
		return '_'
	}, name)
}
