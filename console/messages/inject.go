package messages

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// injectData is the form for a test message, with what was typed and what is wrong with it.
type injectData struct {
	From, To, Subject, Text, Kind, Data, Tags, Pool, IP string
	Pools                                               []string
	Wrong                                               map[string]string // by field
	Problem                                             string
	Inbox                                               string
	CanPreview                                          bool
	Shown                                               *shownMail // nil: no preview
}

func (c *Messages) injectForm(v *frame.Visit) error {
	d := injectData{To: human.Cut(v.R.URL.Query().Get("to"), 320), Subject: "A test message from the console",
		Text: "This is a test.\n"}
	return c.renderInject(v, http.StatusOK, &d)
}

func (c *Messages) renderInject(v *frame.Visit, status int, d *injectData) error {
	v.Title = "Inject a test message"
	for _, p := range c.Settings.Current().Rows.Pools {
		d.Pools = append(d.Pools, p.Name)
	}
	if c.Admin != nil {
		d.Inbox = c.Admin.Inbox
	}
	d.CanPreview = c.Preview != nil
	return v.RenderStatus(status, "queueinject", d)
}

// inject puts a test message into the inbox.
func (c *Messages) inject(v *frame.Visit) error {
	f := v.R.PostForm
	d := injectData{From: strings.TrimSpace(f.Get("from")), To: strings.TrimSpace(f.Get("to")), Subject: f.Get("subject"),
		Text: f.Get("text"), Kind: f.Get("kind"), Data: strings.TrimSpace(f.Get("data")), Tags: f.Get("tags"),
		Pool: f.Get("pool"), IP: strings.TrimSpace(f.Get("ip")), Wrong: map[string]string{}}
	message, err := d.message(c.Now(), c.Hostname)
	if len(d.Wrong) > 0 {
		return c.renderInject(v, http.StatusBadRequest, &d)
	}
	if err != nil {
		return err
	}
	if f.Get("preview") != "" && c.Preview != nil {
		return c.preview(v, &d, message)
	}
	ids, err := c.Admin.Inject(v.R.Context(), bytes.NewReader(message))
	if wrong, ok := errors.AsType[*admin.Invalid](err); ok {
		for _, p := range wrong.Problems {
			d.blame(p)
		}
		return c.renderInject(v, http.StatusBadRequest, &d)
	}
	if err != nil {
		return err
	}
	return v.Redirect("/messages/"+url.PathEscape(ids[0]),
		"The test message was put into "+cmp.Or(c.Admin.Inbox, "the inbox")+". Its id is "+ids[0]+
			". When it has left, the log tells what became of it.")
}

// blame shows a problem beside the field it is about.
func (d *injectData) blame(p admin.Problem) {
	field := map[string]string{"envelope": "from", "recipient": "to", "tags": "tags", "ips": "ip", "pool": "pool",
		"mime": "text", "data": "data"}[p.Field]
	if field == "" {
		d.Problem = "The message cannot be used: expected " + p.Expected + "."
		return
	}
	d.Wrong[field] = "Expected " + p.Expected + "."
}

// message makes the JSON of the message.
func (d *injectData) message(now time.Time, host string) ([]byte, error) {
	if strings.ContainsAny(d.From+d.To, "\r\n\x00") {
		d.Wrong["to"] = "An address stands on one line."
		return nil, nil
	}
	if at := strings.LastIndexByte(d.To, '@'); at < 1 || at == len(d.To)-1 {
		d.Wrong["to"] = "Expected an address such as somebody@example.com."
	}
	if at := strings.LastIndexByte(d.From, '@'); d.From != "" && (at < 1 || at == len(d.From)-1) {
		d.Wrong["from"] = "Expected an address such as somebody@example.com, or nothing for a bounce."
	}
	if d.IP != "" && d.Pool != "" {
		d.Wrong["ip"] = "Choose an address or a pool, not both."
	}
	properties := map[string]any{"envelope": d.From, "recipient": d.To, "mime": d.mime(now, host)}
	if d.Kind == "object" {
		if !isObject(d.Text) {
			d.Wrong["text"] = `Expected an object in JSON, such as {"subject": "Hello", "html": "<p>Hello</p>"}.`
			return nil, nil
		}
		properties["mime"] = json.RawMessage(d.Text)
	}
	if d.Data != "" {
		if !isObject(d.Data) {
			d.Wrong["data"] = `Expected an object in JSON, such as {"name": "Ann"}, or nothing.`
			return nil, nil
		}
		properties["data"] = json.RawMessage(d.Data)
	}
	var tags []string
	for tag := range strings.SplitSeq(d.Tags, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	if tags != nil {
		properties["tags"] = tags
	}
	if d.Pool != "" {
		properties["pool"] = d.Pool
	}
	if d.IP != "" {
		properties["ips"] = []string{d.IP}
	}
	return json.Marshal(properties)
}

// isObject reports whether a text is an object in JSON.
func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text))
}

// mime makes the mail: text or HTML in UTF-8, of 8 bits.
func (d *injectData) mime(now time.Time, host string) string {
	var b strings.Builder
	from := d.From
	if from == "" {
		from = "postmaster@" + cmp.Or(host, "localhost")
	}
	line := func(name, value string) {
		fmt.Fprintf(&b, "%s: %s\r\n", name, strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ").Replace(value))
	}
	line("From", (&mail.Address{Address: from}).String())
	line("To", (&mail.Address{Address: d.To}).String())
	line("Subject", mime.QEncoding.Encode("utf-8",
		strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ").Replace(d.Subject)))
	line("Date", now.Format(time.RFC1123Z))
	line("MIME-Version", "1.0")
	kind := "plain"
	if d.Kind == "html" {
		kind = "html"
	}
	line("Content-Type", "text/"+kind+"; charset=utf-8")
	line("Content-Transfer-Encoding", "8bit")
	b.WriteString("\r\n")
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(d.Text)
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		for len(l) > 900 { // lines of a mail are shorter than 1,000 bytes
			n := 900
			for n > 890 && l[n]&0xC0 == 0x80 {
				n--
			}
			b.WriteString(l[:n] + "\r\n")
			l = l[n:]
		}
		b.WriteString(l + "\r\n")
	}
	return b.String()
}
