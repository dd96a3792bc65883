package mta

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// unsubscribing returns where the recipient of a message asks for no more mail: an address, and, where unsubscribe-url
// says that it can be reached, one for a click. "": there is no key yet, or no domain.
func (r *returnPaths) unsubscribing(m *queue.Message) (mailto, link string) {
	mail := tokenMail(m)
	mail.Unsubscribe = true
	mailto, token, ok := r.Make(&r.unsubscribe, mail, time.Now())
	if ok && r.off != "" {
		link = r.off + "/" + token + "?to=" + url.QueryEscape(m.Recipient)
	}
	return mailto, link
}

// edit is what the engine has done to headers: what messages ask for, and with verp-unsubscribe a List-Unsubscribe.
func (r *returnPaths) edit() func(context.Context, *queue.Message) (queue.Body, error) {
	if r == nil || !r.always {
		return edit.Finish
	}
	return func(ctx context.Context, m *queue.Message) (queue.Body, error) {
		body, err := edit.Finish(ctx, m)
		if err != nil || m.Envelope == "" || unsubscribes(body) { // bounces are no newsletters
			return body, err
		}
		fields, err := render.UnsubscribeFields(r.unsubscribing(m))
		if err != nil {
			return body, nil // there is no key yet, or the recipient makes too long a line: mail leaves all the same
		}
		return edit.Apply(body, fields)
	}
}

// unsubscribes reports whether a mail says how to unsubscribe, or cannot be told that it does not.
func unsubscribes(body queue.Body) bool {
	header, err := mailbody.Header(body, edit.MaxHeader)
	if err != nil {
		return true // it fails when it is sent
	}
	_, found := mailheader.Find(header, "list-unsubscribe")
	return found
}

// oneClick answers requests to what unsubscribing made. Nil: nothing is made, or reports are not read.
func (m *MTA) oneClick(b *base) http.Handler {
	if m.back == nil || feedbackQueue(b.cfg) == "" {
		return nil
	}
	return &feedback.OneClick{Paths: &m.back.Paths, Queue: m.mails.queue, Name: feedbackQueue(b.cfg), Logger: b.log}
}

// checkFeedback judges keys about feedback before anything is opened.
func checkFeedback(cfg *config.Config, complain func(key, want string, cause error)) {
	const want = "an https:// address without a query, and verp and rabbitmq-feedback beside it"
	read := cfg.VERP != "" && feedbackQueue(cfg) != ""
	if cfg.UnsubscribeURL != "" {
		u, err := url.Parse(cfg.UnsubscribeURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || !read {
			complain("unsubscribe-url", want, nil)
		}
	}
	if n := len(cfg.SuppressionKey); n > 0 && n < 16 {
		complain("suppression-key", "at least 16 characters", nil)
	}
	if cfg.VERPUnsubscribe && !read {
		complain("verp-unsubscribe", "verp and rabbitmq-feedback beside it", nil)
	}
}
