package mta

import (
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/delivery/sign"
)

// openSigning prepares what is done to a mail last before it is sent: it is signed, with the keys that the message
// brings along and those of the settings. Whether the DNS has the public halves, for keys that depend on it, is found
// out in the background.
func (a *app) openSigning(*config.Config) error {
	published := &sign.Published{Resolver: a.resolver, Changed: func(record string, found bool, err error) {
		if found {
			a.log.Info("a DKIM key is in the DNS: mail is signed with it", "record", record)
		} else {
			a.log.Warn("a DKIM key is not in the DNS: no mail is signed with it", "record", record, "error", err)
		}
	}}
	a.onClose(func() error { published.Close(); return nil })
	signer := &sign.Signer{Keys: func() *sign.Keys { return a.settings.Current().Keys }, Published: published}
	var current *sign.Keys
	a.settings.OnChange(func(s *snapshot.Snapshot) {
		if s.Keys != current {
			current = s.Keys
			published.Watch(current)
		}
	})
	a.finish = signer.Finish
	return nil
}
