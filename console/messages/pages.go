package messages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
)

// Pages are the pages, for a frame that serves them.
func (c *Messages) Pages(f *frame.Frame) []frame.Page {
	c.frame = f
	c.queued = frame.NewLatest(f, queuesEvery, queuesTime, c.askQueues)
	c.consumers = frame.NewLatest(f, queuesEvery, asideTime, c.askConsumers)
	c.aside = frame.NewLatest(f, queuesEvery, asideTime, c.askAside)
	routes := map[string]frame.View{"GET /messages": c.list, "POST /messages/act": c.act,
		"GET /messages/{id}": c.message, "POST /messages/{id}/act": c.act, "POST /queues/inject": c.inject}
	mailview.AddRoutes(routes, "/messages/{id}", c.waitingMail, c.RenderUserAgent)
	mailview.AddRoutes(routes, previewsAt+"{id}", c.previewed, c.RenderUserAgent)
	if c.Admin == nil {
		for pattern := range routes {
			routes[pattern] = func(*frame.Visit) error { return noAdmin() }
		}
	}
	routes["GET /queues"], routes["GET /queues/inject"] = c.queues, c.injectForm
	return []frame.Page{{Path: "/queues", Title: "Queues", Group: frame.Live, Routes: routes,
		Topics: map[string]frame.Topic{"queues": {Every: queuesEvery,
			Value: func(context.Context, url.Values) any { return c.queueNews() }}}}}
}

// noAdmin is said where nothing can be done or looked at.
func noAdmin() error {
	return &frame.Fault{Status: http.StatusNotImplemented, What: "The mail that waits cannot be looked at here.",
		Next: "This console was set up to show figures only.", Cause: errors.New("no Admin")}
}

// waitingMail opens the mail of a message in a queue.
func (c *Messages) waitingMail(v *frame.Visit) (*mailview.Mail, error) {
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
	at := Path(id)
	return &mailview.Mail{Base: at, Back: at, BackTo: "Message",
		Title: "Mail of " + human.Middle(mailview.Printable(id), 40), File: cmp.Or(id, "message"), Body: m.Mail}, nil
}
