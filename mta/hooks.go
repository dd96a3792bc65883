package mta

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/monitor/prometheus"
	"github.com/sluicemail/sluice/monitor/webhook"
)

// hooks post results to webhook-url.
type hooks struct {
	*webhook.Hook
	terms atomic.Pointer[webhook.Terms]
}

// hookQueue is the queue that results go through on their way to webhook-url; "": there is none.
func hookQueue(cfg *config.Config) string {
	if cfg.WebhookURL == "" {
		return ""
	}
	return cfg.WebhookQueue
}

// openHooks begins to post results, of which r gets figures. Nil: there is no webhook-url.
func openHooks(b *base, m *mails, r *records) (*hooks, error) {
	cfg := b.cfg
	if cfg.WebhookURL == "" {
		return nil, nil
	}
	h := new(hooks)
	if err := h.set(cfg); err != nil {
		return nil, misconfigured{err}
	}
	var err error
	h.Hook, err = webhook.Open(webhook.Options{Queue: m.own, Name: cfg.WebhookQueue, Dir: hookJournal(cfg),
		MaxBytes: cfg.WebhookJournalSize, Terms: h.terms.Load, Logger: b.log})
	if err != nil {
		return nil, misconfigured{fmt.Errorf("webhook-journal: %w", err)}
	}
	b.onClose(h.Close)
	r.metrics.Hook = h.figures
	return h, nil
}

func hookJournal(cfg *config.Config) string {
	if cfg.WebhookJournal != "" {
		return cfg.WebhookJournal
	}
	return filepath.Join(cfg.QueueDir(), "webhook")
}

// set puts in force what can change while results are posted.
func (h *hooks) set(cfg *config.Config) error {
	if h == nil {
		return nil
	}
	filter, err := webhook.ParseFilter(cfg.WebhookFilter, cfg.WebhookWhitelist)
	if err != nil {
		return fmt.Errorf("webhook-filter: %w", err)
	}
	t := &webhook.Terms{Secret: cfg.WebhookSecret, Filter: filter, Batch: cfg.WebhookBatch, Delay: cfg.WebhookDelay,
		Timeout: cfg.WebhookTimeout, Connections: cfg.WebhookConnections}
	if t.URL, err = url.Parse(cfg.WebhookURL); err != nil {
		return fmt.Errorf("webhook-url: expected a URL")
	}
	if old := h.terms.Load(); old != nil {
		t.URL = old.URL // which a start changes
	}
	if cfg.ProxyServer != "" {
		t.Proxy, err = url.Parse(strings.Replace(cfg.ProxyServer, "socks://", "socks5://", 1))
		if err != nil {
			return fmt.Errorf("proxy-server: expected a URL")
		}
	}
	h.terms.Store(t)
	return nil
}

// figures are those for Prometheus.
func (h *hooks) figures() prometheus.Hook {
	s := h.State()
	return prometheus.Hook{Up: s.Up, Waiting: s.Waiting, DeadLetters: s.Dead, Posted: s.Taken, Refused: s.Refused,
		Lost:     s.Lost,
		Requests: s.Requests, Failed: s.Failed, Seconds: s.Seconds}
}

// hookState tells whether results are taken.
func (m *MTA) hookState() admin.Service {
	h := m.hooks.State()
	detail := fmt.Sprintf("%s; %s waiting", h.Target, plural(int(h.Waiting), "result"))
	if !h.Oldest.IsZero() {
		detail += ", the oldest of " + h.Oldest.UTC().Format(time.DateTime) + " UTC"
	}
	if h.Dead > 0 {
		detail += "; " + plural(int(h.Dead), "dead letter")
	}
	if h.Lost > 0 {
		detail += "; " + plural(int(h.Lost), "result") + " lost, as the journal was full"
	}
	if !h.Up {
		detail += "; " + h.LastError
	}
	return admin.Service{Name: "web hook", Up: h.Up, Since: h.Since, Detail: detail}
}

// checkHooks judges webhook-filter before anything is opened.
func checkHooks(cfg *config.Config, complain func(key, want string, cause error)) {
	if cfg.WebhookURL == "" {
		return
	}
	if _, err := webhook.ParseFilter(cfg.WebhookFilter, cfg.WebhookWhitelist); err != nil {
		complain("webhook-filter", "JSON pointers such as results/*/description", err)
	}
	uses := slices.DeleteFunc(brokerQueues(cfg), func(name string) bool { return name != cfg.WebhookQueue })
	if cfg.WebhookQueue == "" || len(uses) > 1 {
		complain("webhook-queue", "a queue of its own, that no other key names", nil)
	}
}
