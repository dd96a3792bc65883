package mta

import (
	"context"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/monitor/prometheus"
	"github.com/sluicemail/sluice/queue/rabbitmq/cluster"
	"github.com/sluicemail/sluice/throttle"
)

// common is what mail on its way in, mail on its way out and the pages share.
type common struct {
	doors    *doors
	login    *auth.Limit // nil: nobody logs in to send mail
	ports    *ports
	mails    *mails
	marks    *marks
	desk     *feedback.Desk
	records  *records
	hooks    *hooks // nil: there is no webhook-url
	keys     *keyring
	settings *snapshot.Keeper
	back     *returnPaths
	origins  *origins
	cluster  *cluster.Member // nil: there is none
	heard    bell            // that other instances have other addresses
	resolver *resolver.Resolver
	slots    *throttle.Slots
}

// openCommon binds the ports, drops privileges, and opens what all else needs.
func openCommon(ctx context.Context, b *base, o Options, log *appLog) (c *common, err error) {
	c = &common{doors: newDoors(b.cfg), slots: connectionSlots(b.cfg), desk: new(feedback.Desk)}
	if c.login, err = openLogin(b, o.Authenticator, c.doors); err != nil {
		return nil, err
	}
	if c.ports, err = bindPorts(b, c.doors, c.login != nil && b.cfg.SMTPAuthRequired); err != nil {
		return nil, err
	}
	if err = b.user.become(log); err != nil {
		return nil, err
	}
	metrics := &prometheus.Metrics{Version: Version(), Domains: b.cfg.MetricsDomains, Sources: b.cfg.MetricsSources}
	queue, err := openQueue(ctx, b, o.Queue, metrics)
	if err != nil {
		return nil, err
	}
	if c.mails, err = openStorage(b, queue); err != nil {
		return nil, err
	}
	if c.records, err = openRecords(b, c.mails, metrics, c.desk, o.Monitor); err != nil {
		return nil, err
	}
	if c.hooks, err = openHooks(b, c.mails, c.records); err != nil {
		return nil, err
	}
	if c.marks, err = openMarks(b, c.mails); err != nil {
		return nil, err
	}
	c.keys = openKeyring(b)
	var told bell // the other instances, of changed settings
	if c.settings, err = openSettings(ctx, b, c.keys, LocalAddresses(), told.ring); err != nil {
		return nil, err
	}
	if c.back, err = openReturnPaths(b, c.settings); err != nil {
		return nil, err
	}
	c.origins = &origins{settings: c.settings}
	if c.cluster = joinCluster(b, c.settings, c.origins, c.heard.ring); c.cluster != nil {
		told.connect(c.cluster.Changed)
	}
	c.resolver, err = openResolver(b, metrics)
	return c, err
}
