package mta

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery/probe"
	"github.com/sluicemail/sluice/delivery/tlspolicy"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// openProber makes what tests addresses; nil: mail leaves by a sender of somebody's own.
func openProber(cfg *config.Config, o *outgoing, policies *tlspolicy.Policies) *probe.Prober {
	sender, ok := o.senders.smtp.(probe.Sender)
	if !ok {
		return nil
	}
	p := &probe.Prober{Router: o.finder, Sender: sender, Hostname: cfg.HELO(),
		Security: func(source netip.Addr, site string) queue.Security {
			limits := o.limits.throttle.Limits(throttle.Path{Source: source, Site: site})
			return queue.Security(limits.Connection.Security)
		},
		Source: func(target netip.Addr) netip.Addr {
			for _, ip := range cfg.SMTPDefaultIPs {
				if ip.Unmap().Is4() == target.Unmap().Is4() {
					return ip.Unmap()
				}
			}
			return netip.Addr{}
		}}
	if policies != nil {
		p.Policies = policies
	}
	return p
}

// testAddress tests an address for the console.
func (m *MTA) testAddress(ctx context.Context, address string, requireTLS bool) ([]admin.ProbeStep, error) {
	if m.prober == nil {
		return nil, fmt.Errorf("testing addresses is %w", admin.ErrUnsupported)
	}
	steps, err := m.prober.Probe(ctx, address, &queue.Message{RequireTLS: requireTLS})
	if errors.Is(err, probe.ErrBusy) {
		err = fmt.Errorf("%w: %w", admin.ErrUnavailable, err)
	}
	all := make([]admin.ProbeStep, len(steps))
	for i, s := range steps {
		all[i] = admin.ProbeStep(s)
	}
	return all, err
}
