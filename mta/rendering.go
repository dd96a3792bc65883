package mta

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/queue"
)

// newRenderer makes what makes mails of objects, fills in data and moves style sheets.
func newRenderer(b *base, downloads *fetch.Client, back *returnPaths) *render.Renderer {
	r := &render.Renderer{Logger: b.log, Fetcher: downloads}
	if back != nil {
		r.Unsubscribe = back.unsubscribing
	}
	return r
}

// rendering fits a renderer into the engine's hook.
func rendering(r *render.Renderer) func(context.Context, *queue.Message, queue.Body) (queue.Body, error) {
	return func(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
		made, err := r.Render(ctx, m, body)
		if e, ok := errors.AsType[*render.Error](err); ok {
			result := queue.Result{State: e.State, Result: queue.Error, Code: 554, Status: "5.6.0", Description: e.Error()}
			if e.State == queue.StateProcess {
				result.Result = queue.Invalid
			}
			return nil, &delivery.Failure{Temporary: e.Temporary, Cause: e, Result: result}
		}
		return made, err
	}
}

// Preview returns the mail that would be sent of the JSON of a message: rendered, and with its header edited, but not
// signed. What it needs is downloaded as a configuration says; with nil, nothing is, and left has the addresses that
// the mail goes without. A mail that cannot go without is an error that names the address.
func Preview(ctx context.Context, message []byte, downloads *config.Config) (mail []byte, left []string, err error) {
	m, err := queue.Unmarshal(message)
	switch {
	case err != nil:
		return nil, nil, err
	case m.Body == nil && m.Compose == nil:
		return nil, nil, errors.New("mime: expected a mail or an object, got none")
	}
	without := new(nothing)
	r := &render.Renderer{Fetcher: without}
	if downloads != nil {
		client := &fetch.Client{Terms: func() *fetch.Terms { return downloadTerms(downloads) }}
		defer client.Close()
		r.Fetcher = client
	}
	body, err := preview(ctx, r, m)
	if err != nil {
		return nil, nil, err
	}
	mail, err = queue.ReadBody(body)
	return mail, without.left, err
}

// nothing downloads nothing, and knows what it was asked for.
type nothing struct{ left []string }

func (n *nothing) Fetch(_ context.Context, address string) (*fetch.File, error) {
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted()
	}
	if !slices.Contains(n.left, address) {
		n.left = append(n.left, address)
	}
	return nil, &fetch.Error{URL: address, Reason: "it was not asked for"}
}

// preview returns the mail that would be sent of a message, but for signatures.
func preview(ctx context.Context, r *render.Renderer, m *queue.Message) (body queue.Body, err error) {
	if render.Needed(m) {
		if m.Body, err = r.Render(ctx, m, m.Body); err != nil {
			return nil, err
		}
	}
	return edit.Finish(ctx, m)
}
