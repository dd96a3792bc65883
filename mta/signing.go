package mta

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"sync"

	"github.com/sluicemail/sluice/checks/authres"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/queue"
)

// finisher is what is done to a mail last before it is sent.
type finisher func(context.Context, *delivery.Hop, *delivery.Transaction) (queue.Body, error)

// keyFacts is what the console and the REST API tell of a private key.
func keyFacts(pem string) (admin.KeyFacts, error) {
	key, err := sign.ParseKey(pem)
	if err != nil {
		return admin.KeyFacts{}, err
	}
	facts := admin.KeyFacts{Algorithm: "rsa", Record: sign.Record(key), Weakness: sign.Weakness(key)}
	if _, is := key.Public().(ed25519.PublicKey); is {
		facts.Algorithm = "ed25519"
	}
	return facts, nil
}

// openSigning makes what signs mails, with the keys that the message brings along and those of the settings. Whether
// the DNS has the public halves, for keys that depend on it, is found out in the background.
func openSigning(b *base, c *common) finisher {
	settings := c.settings
	published := &sign.Published{Resolver: c.resolver, Changed: func(record string, found bool, err error) {
		if found {
			b.log.Info("a DKIM key is in the DNS: mail is signed with it", "record", record)
		} else {
			b.log.Warn("a DKIM key is not in the DNS: no mail is signed with it", "record", record, "error", err)
		}
	}}
	b.onClose(func() error { published.Close(); return nil })
	name := b.cfg.HELO()
	signer := &sign.Signer{Keys: func() *sign.Keys { return settings.Current().Keys }, Published: published,
		Parsed: &sign.KeyCache{Open: c.keys.open},
		Results: func(m *queue.Message, instance int) []byte {
			h := authres.Header{ID: name, Instance: instance, Results: authres.Recorded(m.Checks)}
			return h.Append(nil)
		}}
	var current *sign.Keys
	told := map[string]bool{}
	var unchecked sync.Once
	settings.OnChange(func(s *snapshot.Snapshot) {
		if s.Keys == current {
			return
		}
		current = s.Keys
		published.Watch(current)
		for _, weak := range current.Weak() {
			if !told[weak] {
				told[weak] = true
				b.log.Warn("a DKIM key is weak: make a new one", "key", weak)
			}
		}
		if current.Seals() && !slices.Contains(b.cfg.SMTPCheck, "arc") {
			unchecked.Do(func() {
				b.log.Warn("a DKIM key makes ARC seals, and smtp-check has no arc: mail that comes with a chain gets no seal")
			})
		}
	})
	return func(ctx context.Context, _ *delivery.Hop, tx *delivery.Transaction) (queue.Body, error) {
		body, err := signer.Sign(ctx, tx.Message, tx.Body)
		if away, ok := errors.AsType[*sign.KeyAway](err); ok {
			return nil, &delivery.Failure{Temporary: true, Cause: away}
		}
		return body, err
	}
}
