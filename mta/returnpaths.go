package mta

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/queue"
)

// returnPaths makes the return paths of mail that leaves. A nil one makes none.
type returnPaths struct {
	verp.Paths
	template    verp.Template
	unsubscribe verp.Template // of addresses in List-Unsubscribe
	all         bool          // of messages that do not ask for one
	off         string        // where one click ends a subscription; "": nowhere
	always      bool          // mail has List-Unsubscribe though it does not ask for that
	settings    *snapshot.Keeper
}

// returnPathTemplate reads the key verp; the zero template when it is not set.
func returnPathTemplate(cfg *config.Config) (verp.Template, error) {
	if cfg.VERP == "" {
		return verp.Template{}, nil
	}
	return verp.ParseTemplate(cfg.VERP)
}

// openReturnPaths keeps the keys of return paths, which all instances share, until everything is closed. Nil: there are
// to be no return paths.
func openReturnPaths(b *base, k *snapshot.Keeper) (*returnPaths, error) {
	template, err := returnPathTemplate(b.cfg)
	if err != nil || template.IsZero() {
		return nil, err
	}
	r := &returnPaths{Paths: verp.Paths{Lifetime: b.cfg.VERPLifetime}, template: template, all: b.cfg.VERPAll, settings: k,
		unsubscribe: template.Unsubscribing(), off: strings.TrimSuffix(b.cfg.UnsubscribeURL, "/"), always: b.cfg.VERPUnsubscribe}
	k.OnChange(func(s *snapshot.Snapshot) { r.SetKeys(signingKeys(s.Rows.ReturnPathKeys)) })
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	if err := r.rotate(ctx); err != nil {
		b.log.Warn("there may be no key to sign return paths yet; trying again", "error", err)
	}
	go func() {
		defer close(ended)
		r.keepKeys(ctx)
	}()
	b.onClose(func() error { stop(); <-ended; return nil })
	return r, nil
}

// of is what the engine asks for return paths; nil: it need not ask.
func (r *returnPaths) of() func(*queue.Message) (address, envid string) {
	if r == nil {
		return nil
	}
	return func(m *queue.Message) (address, envid string) {
		template := &r.template
		if asked, ok := m.Extra[propertyVERP]; ok {
			if template = r.asked(asked); template == nil {
				return "", ""
			}
		} else if !r.all {
			return "", ""
		}
		address, envid, _ = r.Make(template, tokenMail(m), time.Now())
		return address, envid
	}
}

// tokenMail is what a token says of a message.
func tokenMail(m *queue.Message) verp.Mail {
	mail := verp.Mail{ID: m.ID, Sender: m.Envelope, Recipient: m.Recipient}
	if len(m.Tags) > 0 {
		mail.Tag = m.Tags[0]
	}
	return mail
}

// propertyVERP is the property of messages that ask for a return path, or for none: true, false, or a template of their
// own.
const propertyVERP = "verp"

// asked returns the template that a message asks for; nil: none. One that cannot be used is that of the configuration.
func (r *returnPaths) asked(property json.RawMessage) *verp.Template {
	var text string
	if json.Unmarshal(property, &text) != nil {
		text = string(property)
	}
	if wanted, err := strconv.ParseBool(text); err == nil && !wanted {
		return nil
	}
	if own, err := verp.ParseTemplate(text); err == nil && strings.Contains(text, ".") {
		return &own
	}
	return &r.template
}

// signingKeys are the keys that rows have. A row that cannot be used is left out.
func signingKeys(rows []settings.ReturnPathKey) (keys []verp.Key) {
	for i := range rows {
		made, err := settings.ParseTime(rows[i].Created)
		secret, wrong := base64.StdEncoding.DecodeString(string(rows[i].Secret))
		if err == nil && wrong == nil {
			keys = append(keys, verp.Key{ID: rows[i].ID, Made: made, Secret: secret})
		}
	}
	return keys
}

// A key signs for a month, and is kept as long as what it signed last may come back.
const (
	keyTime   = 30 * 24 * time.Hour
	keyAgain  = time.Minute // after which a database that was down is asked again
	keysLooks = time.Hour
)

// keepKeys has the keys replaced in time.
func (r *returnPaths) keepKeys(ctx context.Context) {
	for {
		wait := keysLooks
		if r.rotate(ctx) != nil {
			wait = keyAgain
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// rotate makes a key when there is none, or the newest is old, and removes keys that sign nothing that still counts.
// Another instance may do so at the same time: two new keys are as good as one.
func (r *returnPaths) rotate(ctx context.Context) error {
	now := time.Now().UTC()
	if missing, over := r.turnover(r.settings.Current().Rows.ReturnPathKeys, now); !missing && len(over) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settingsTime)
	defer cancel()
	return r.settings.Change(ctx, func(s settings.Store) error {
		rows, _, err := settings.List[settings.ReturnPathKey](ctx, s)
		if err != nil {
			return err
		}
		missing, over := r.turnover(rows, now)
		for _, id := range over {
			if err := settings.Delete[settings.ReturnPathKey](ctx, s, id); err != nil {
				return err
			}
		}
		if !missing {
			return nil
		}
		var secret [32]byte
		_, _ = rand.Read(secret[:]) // never fails
		return settings.Insert(ctx, s, &settings.ReturnPathKey{Created: now.Format(time.DateTime),
			Secret: settings.Secret(base64.StdEncoding.EncodeToString(secret[:]))})
	})
}

// turnover tells whether a new key is due, and which ones are over.
func (r *returnPaths) turnover(rows []settings.ReturnPathKey, now time.Time) (missing bool, over []int64) {
	missing = true
	for i := range rows {
		made, err := settings.ParseTime(rows[i].Created)
		switch age := now.Sub(made); {
		case err != nil || age > keyTime+2*24*time.Hour+r.Lifetime:
			over = append(over, rows[i].ID)
		case age < keyTime:
			missing = false
		}
	}
	return missing, over
}
