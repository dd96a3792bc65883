package messages

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/internal/lru"
	"github.com/sluicemail/sluice/queue"
)

// previews are mails that were made to be looked at, under addresses that nobody can guess. The zero value has none.
type previews struct {
	mu    sync.Mutex
	mails lru.Cache[string, queue.Body]
}

const (
	previewsSize = 32 << 20         // bytes of all of them
	previewTime  = 10 * time.Minute // that they are kept
	previewText  = 32 << 10         // bytes of text that are shown
	previewsAt   = "/queues/inject/previews/"
)

// keep keeps a mail and returns its address.
func (p *previews) keep(mail queue.Body, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := rand.Text()
	p.mails.Limit = previewsSize
	p.mails.Put(id, mail, mail.Size(), now.Add(previewTime))
	return previewsAt + id
}

// preview shows beside the form what would be sent, or why nothing can be.
func (c *Messages) preview(v *frame.Visit, d *injectData, message []byte) error {
	m, err := queue.Unmarshal(message)
	var mail queue.Body
	if err == nil {
		mail, err = c.Preview(v.R.Context(), m)
	}
	if err == nil {
		err = d.show(mail, c.previews.keep(mail, c.Now()))
	}
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		d.Wrong["text"] = "The mail cannot be made: " + human.Cut(mailview.Printable(err.Error()), 600)
		return c.renderInject(v, http.StatusBadRequest, d)
	}
	return c.renderInject(v, http.StatusOK, d)
}

// show has the form show a mail that is kept at an address.
func (d *injectData) show(mail queue.Body, at string) error {
	view, err := mailview.Parse(mail, mail.Size())
	if err != nil {
		return err
	}
	d.Shown = &shownMail{At: at, Text: human.Cut(view.Text, previewText), HTML: view.HTML != ""}
	for _, f := range view.Header {
		switch f.Name {
		case "From", "To", "Subject":
			d.Shown.Header = append(d.Shown.Header, mailview.Field{Name: f.Name, Value: human.Cut(f.Value, 600)})
		}
	}
	return nil
}

// shownMail is a preview.
type shownMail struct {
	At     string // its address
	Header []mailview.Field
	HTML   bool
	Text   string
}

// previewed opens a preview.
func (c *Messages) previewed(v *frame.Visit) (*mailview.Mail, error) {
	id := v.R.PathValue("id")
	c.previews.mu.Lock()
	mail, ok := c.previews.mails.Get(id, c.Now())
	c.previews.mu.Unlock()
	if !ok {
		return nil, &frame.Fault{Status: http.StatusNotFound, What: "This preview is not kept any more.",
			Next: "Go back to the form, and have it made again.", Cause: errors.New("no preview")}
	}
	return &mailview.Mail{Base: previewsAt + url.PathEscape(id), Back: "/queues/inject", BackTo: "A new message",
		Title: "Preview", File: "preview", Body: mail}, nil
}
