package mta

import (
	"context"
	"net/netip"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/preflight"
	"github.com/sluicemail/sluice/queue"
)

// openSampler makes what looks at a share of the mail that leaves; nil: preflight-sample is not set.
func openSampler(b *base) *preflight.Sampler {
	if b.cfg.PreflightSample == 0 {
		return nil
	}
	s := &preflight.Sampler{Share: b.cfg.PreflightSample}
	b.onClose(func() error { s.Close(); return nil })
	return s
}

// sampledText is how much of a mail is looked at.
const sampledText = 64 << 10

// sampled has a share of mails looked at once they are signed. A copy of their beginning is taken; the rest happens
// beside their way.
func sampled(s *preflight.Sampler, sign finisher) finisher {
	if s == nil {
		return sign
	}
	return func(ctx context.Context, hop *delivery.Hop, tx *delivery.Transaction) (queue.Body, error) {
		body, err := sign(ctx, hop, tx)
		if err != nil || body == nil || !s.Wants() {
			return body, err
		}
		text := make([]byte, min(body.Size(), sampledText))
		if mailbody.ReadFull(body, text, 0) == nil {
			s.Take(&preflight.Mail{Text: text, Size: body.Size(), Envelope: envelopeOf(tx), Hostname: hop.Hostname}, tx.Message.Tags)
		}
		return body, nil
	}
}

// envelopeOf is what MAIL FROM says.
func envelopeOf(tx *delivery.Transaction) string {
	if tx.ReturnPath != "" {
		return tx.ReturnPath
	}
	return tx.Message.Envelope
}

// sampledMail is what was found in mail that left; nil: none is looked at.
func (m *MTA) sampledMail() *preflight.Tally {
	if m.sampler == nil {
		return nil
	}
	return &m.sampler.Tally
}

// checkMail tells for the console what receivers will find wrong with a mail.
func (m *MTA) checkMail(ctx context.Context, d *admin.Draft) (*admin.Checked, error) {
	source := d.Source
	if !source.IsValid() {
		source = usualSource(m.config.Load().SMTPDefaultIPs, m.origins.all())
	}
	mail := &preflight.Mail{Text: d.Mail, Envelope: d.Envelope, Hostname: m.settings.Current().Name(source),
		Source: source, Transactional: d.Transactional}
	if mail.Hostname == "" {
		mail.Hostname = m.config.Load().HELO()
	}
	if !d.Unsigned {
		message := &queue.Message{Envelope: d.Envelope, Body: queue.Bytes(d.Mail), Force: true}
		body, err := m.sign(ctx, nil, &delivery.Transaction{Message: message, Body: message.Body})
		if err != nil {
			return nil, err
		}
		if mail.Text, err = queue.ReadBody(body); err != nil {
			return nil, err
		}
	}
	checker := &preflight.Checker{Resolver: m.resolver}
	return &admin.Checked{Findings: checker.Check(ctx, mail), Source: addressText(source)}, nil
}

// usualSource is the address that mail leaves from unless it is told otherwise, as far as others see it; zero: it is
// not public.
func usualSource(defaults, own []netip.Addr) netip.Addr {
	if len(defaults) > 0 {
		own = defaults
	}
	for _, ip := range own {
		if public(ip) {
			return ip.Unmap()
		}
	}
	return netip.Addr{}
}

// public reports whether others can see an address.
func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
}
