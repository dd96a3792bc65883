package mta

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/tlspolicy"
	"github.com/sluicemail/sluice/delivery/tlsreport"
	"github.com/sluicemail/sluice/queue"
)

// openPolicies makes what finds out how recipients want connections secured; nil: tls-policy is off.
func openPolicies(b *base, settings *snapshot.Keeper, dns *resolver.Resolver,
	reports *tlsreport.Reporter) (*tlspolicy.Policies, error) {
	if b.cfg.TLSPolicy == "off" {
		return nil, nil
	}
	p := &tlspolicy.Policies{
		Resolver:     dns,
		Directory:    stateFile(b, "mta-sts"),
		Overridden:   func(host string) bool { return settings.Current().DNS.Addresses(host) != nil },
		Report:       b.cfg.TLSPolicy == "report",
		AllowPrivate: b.cfg.AllowPrivateTargets,
		Logger:       b.log,
	}
	if reports != nil {
		p.Count = reports.Count
	}
	b.onClose(p.Close)
	return p, p.Start()
}

// openTLSReports begins to count how connections are secured, and to tell the owners of domains; nil: tls-report-from
// is not set.
func openTLSReports(b *base, m *mails, dns *resolver.Resolver) *tlsreport.Reporter {
	cfg := b.cfg
	if cfg.TLSReportFrom == "" || cfg.TLSPolicy == "off" {
		return nil
	}
	r := &tlsreport.Reporter{
		Host:     cfg.HELO(),
		From:     cfg.TLSReportFrom,
		Resolver: dns,
		Publish: func(ctx context.Context, report *queue.Message) error {
			return m.queue.Publish(ctx, queue.Item{Queue: cfg.RabbitMQOutbox, Message: report})
		},
		Client: &http.Client{Transport: &http.Transport{DialContext: mx.DialPublic(dns, cfg.AllowPrivateTargets),
			ForceAttemptHTTP2: true, DisableKeepAlives: true}},
		Path:    stateFile(b, "tls-reports.json"),
		History: stateFile(b, "tls-reports-sent.json"),
		Logger:  b.log,
	}
	if err := r.Open(); err != nil {
		b.log.Warn("what TLS reports were to say is lost", "error", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	b.onClose(func() error {
		stop()
		<-ended
		return nil
	})
	return r
}

// trust shows policies and reports in the console. Without reports none are listed.
type trust struct {
	policies *tlspolicy.Policies
	reports  *tlsreport.Reporter
}

func (t *trust) TLSPolicies() []admin.TLSPolicy {
	known := t.policies.Known()
	all := make([]admin.TLSPolicy, len(known))
	for i := range known {
		k := &known[i]
		all[i] = admin.TLSPolicy{Domain: k.Domain, Policy: k.Policy, Mode: k.Mode, MX: k.MX, ID: k.ID, Fetched: k.Fetched,
			Expires: k.Expires, Good: k.Good, Failed: k.Failed}
		if f := k.Failure; f != nil {
			all[i].Failure, all[i].Reason, all[i].FailedAt = f.Type, f.Reason, k.FailedAt
		}
	}
	return all
}

func (t *trust) TLSReports() (all []admin.TLSReport) {
	if t.reports == nil {
		return nil
	}
	for _, e := range t.reports.Reports() {
		all = append(all, admin.TLSReport{Domain: e.Domain, Day: e.Day, Policies: e.Policies, Good: e.Good, Failed: e.Failed,
			Types: e.Types, State: string(e.State), To: e.To, At: e.At, Next: e.Next, Problem: e.Problem})
	}
	return all
}

// stateFile is a path beside the embedded queue, which is there with any queue.
func stateFile(b *base, name string) string {
	return filepath.Join(strings.TrimPrefix(b.cfg.QueueAddress, "disk://"), name)
}
