package mta

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/delivery/receivers"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// feedbackQueue is where reports wait to be read; "": nothing brings any, or they are not wanted.
func feedbackQueue(cfg *config.Config) string {
	if cfg.VERP == "" && cfg.RabbitMQReports == "" {
		return ""
	}
	return cfg.RabbitMQFeedback
}

// openFeedback makes desk what deals with reports until everything is closed.
func openFeedback(b *base, desk *feedback.Desk, m *mails, r *records, k *snapshot.Keeper, back *returnPaths) error {
	cfg := b.cfg
	desk.Queue, desk.Incoming, desk.Reports = m.queue, feedbackQueue(cfg), cfg.RabbitMQReports
	if store := m.elsewhere(); store != nil {
		desk.Fetch = store.Fetch
	}
	if back != nil {
		desk.Paths = &back.Paths
	}
	if cfg.SendBinLogFile != "" {
		desk.Find = sendLog{logsearch.Files{Send: cfg.SendBinLogFile}}.find
	}
	policies := &policies{settings: k, key: cfg.SuppressionKey}
	desk.Policy, desk.Suppress = policies.current, func(ctx context.Context, all []feedback.Suppression) error {
		return suppress(ctx, k, cfg.SuppressionKey, all)
	}
	desk.Class = receivers.Standard().Class
	desk.Dir, desk.Monitor, desk.Logger = cfg.QueueDir(), r.all, b.log
	if err := desk.Open(); err != nil {
		return err
	}
	b.onClose(desk.Close)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	go func() {
		_ = desk.Run(ctx) // ends with ctx, or with the queue
		ended <- struct{}{}
	}()
	go func() {
		release(ctx, k)
		ended <- struct{}{}
	}()
	b.onClose(func() error { stop(); <-ended; <-ended; return nil })
	return nil
}

// returnPathKind tells intake about the addresses that mail left with.
func returnPathKind(desk *feedback.Desk, back *returnPaths) func(address string) enqueue.ReturnPath {
	if back == nil {
		return nil
	}
	return func(address string) enqueue.ReturnPath {
		local, _ := addr.Split(address)
		switch _, err := back.Open(local, time.Now()); {
		case err == nil, err == verp.ErrExpired: // the desk tells so
			return enqueue.SignedReturnPath
		case back.template.Fits(address):
			desk.Forged()
			return enqueue.ForgedReturnPath
		}
		return enqueue.NoReturnPath
	}
}

// policies makes a policy of the settings, once for each state of them.
type policies struct {
	settings *snapshot.Keeper
	key      string // of hashes
	made     atomic.Pointer[madePolicy]
}

type madePolicy struct {
	of     *settings.Rows
	policy feedback.Policy
}

func (p *policies) current() *feedback.Policy {
	rows := p.settings.Current().Rows
	if made := p.made.Load(); made != nil && made.of == rows {
		return &made.policy
	}
	made := &madePolicy{of: rows}
	made.policy.Hash = func(address string) string { value, _ := rules.HashAddress(p.key, address); return value }
	const day = 24 * time.Hour
	for i := range rows.FeedbackRules {
		if r := &rows.FeedbackRules[i]; r.Enabled {
			made.policy.Rules = append(made.policy.Rules, feedback.Rule{ID: r.ID, Kind: r.Kind, Tag: r.Tag,
				Threshold: int(min(max(r.Threshold, 0), 100)), Within: time.Duration(min(max(r.Days, 0), 365)) * day,
				For: time.Duration(min(max(r.Expire, 0), 3650)) * day, Hashed: r.Hashed})
		}
	}
	for i := range rows.FeedbackSenders {
		if r := &rows.FeedbackSenders[i]; r.Enabled {
			made.policy.Senders = append(made.policy.Senders, addr.Fold(r.Domain))
		}
	}
	p.made.Store(made)
	return &made.policy
}

// suppress puts recipients on the suppression list, in one change. One that is there already stays as it is. Hashes are
// made with key, unless that is empty.
func suppress(ctx context.Context, k *snapshot.Keeper, key string, all []feedback.Suppression) error {
	ctx, cancel := context.WithTimeout(ctx, settingsTime)
	defer cancel()
	return k.Change(ctx, func(s settings.Store) error {
		for i := range all {
			row := suppressed(&all[i], key)
			there, err := settings.Count[settings.Suppression](ctx, s, settings.Query{Column: "value", Value: row.Value})
			if err != nil {
				return err
			}
			if there > 0 {
				continue
			}
			if err := settings.Insert(ctx, s, &row); err != nil {
				return err
			}
		}
		return nil
	})
}

// suppressed is the row of a suppression.
func suppressed(s *feedback.Suppression, key string) settings.Suppression {
	row := settings.Suppression{Value: s.Value, Type: "address", Code: 550, Extended: s.Status,
		Description: s.Description, Enabled: true}
	if s.Hashed {
		row.Type = settings.Hashed
		if key != "" {
			row.Type = settings.Keyed
		}
	}
	if !s.Expire.IsZero() {
		row.Expire = s.Expire.UTC().Format(time.DateTime)
	}
	return row
}

// release removes suppressions whose time is over.
func release(ctx context.Context, k *snapshot.Keeper) {
	const looks = time.Minute
	tick := time.NewTicker(looks)
	defer tick.Stop()
	for {
		if over := expired(k.Current().Rows.Suppressions, time.Now()); len(over) > 0 {
			_ = k.Change(ctx, func(s settings.Store) error { // else the next time
				for _, id := range over {
					if _, err := settings.DeleteWhere[settings.Suppression](ctx, s,
						settings.Query{Column: "id", Value: id}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// expired returns the ids of suppressions whose time is over, some at a time.
func expired(rows []settings.Suppression, now time.Time) (over []int64) {
	const most = 1000
	for i := range rows {
		if rows[i].Expire == "" || len(over) >= most {
			continue
		}
		if t, err := settings.ParseTime(rows[i].Expire); err == nil && t.Before(now) {
			over = append(over, rows[i].ID)
		}
	}
	return over
}

// sendLog finds messages in the log of attempts.
type sendLog struct{ logsearch.Files }

// find returns the messages that match, the newest first. It reads a bounded part of the log.
func (l sendLog) find(ctx context.Context, what feedback.LookUp) (all []feedback.Sent, err error) {
	const (
		most  = 32 << 20
		limit = 10
		span  = 10 * time.Second
	)
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	page, err := l.Search(ctx, logsearch.Query{Kind: logsearch.Attempt, ID: what.ID, Address: what.Recipient,
		Text: what.Text, From: what.From, To: what.To, Limit: limit, MaxBytes: most})
	if err != nil {
		return nil, fmt.Errorf("send log: %w", err)
	}
	for i := range page.Entries {
		e := &page.Entries[i]
		if !slices.ContainsFunc(all, func(s feedback.Sent) bool { return s.ID == e.ID && s.Recipient == e.Recipient }) {
			all = append(all, feedback.Sent{ID: e.ID, Recipient: e.Recipient, Tags: e.Tags, Time: e.Time})
		}
	}
	return all, nil
}
