package mta

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/arc"
	"github.com/sluicemail/sluice/checks/clamd"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/checks/dnsbl"
	"github.com/sluicemail/sluice/checks/spamd"
	"github.com/sluicemail/sluice/checks/spf"
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// screening is what a reload may change about checks. A scanner that stays where it is keeps its connections and its
// state.
type screening struct {
	policy *enqueue.Checks // nil: nothing is checked
	spam   *spamd.Checker  // nil: not asked
	virus  *clamd.Checker  // nil: not asked
	stop   func()          // ends the watch over the scanners
}

// screens are the checks in force.
type screens struct {
	dns     checks.Resolver
	took    func(check string, took time.Duration)
	keys    *keyring
	own     []checks.Checker // the caller's, in place of those of smtp-check; nil: none
	log     *slog.Logger
	current atomic.Pointer[screening]
}

// openChecks puts the checks of the configuration in force.
func openChecks(b *base, c *common, own []checks.Checker) *screens {
	s := &screens{dns: c.resolver, keys: c.keys, took: c.records.metrics.Checked, own: own, log: b.log}
	s.set(b.cfg)
	b.onClose(func() error { s.current.Load().stop(); return nil })
	return s
}

// set puts the checks of a configuration in force in place of those before it.
func (c *screens) set(cfg *config.Config) {
	old := c.current.Load()
	s := c.screening(cfg, old)
	if old != nil {
		old.stop()
	}
	s.stop = s.watchScanners(c.log)
	c.current.Store(s)
}

// policy is what intake asks for each mail.
func (c *screens) policy() *enqueue.Checks { return c.current.Load().policy }

func (c *screens) screening(cfg *config.Config, old *screening) *screening {
	s := &screening{}
	if len(cfg.SMTPCheck) == 0 && len(cfg.SMTPAuthResults) == 0 && len(c.own) == 0 {
		return s
	}
	s.policy = &enqueue.Checks{
		SpamReject:   cfg.SpamRejectScore,
		SpamSubject:  cfg.SpamSubject,
		VirusReject:  cfg.VirusAction == "reject",
		VirusClosed:  cfg.VirusFail == "closed",
		EnforceDMARC: cfg.DMARCEnforce,
		RejectListed: cfg.DNSBLReject,
		ResultsLocal: slices.Contains(cfg.SMTPAuthResults, "local"),
		ResultsOther: slices.Contains(cfg.SMTPAuthResults, "nonlocal"),
		AuthServID:   cfg.SMTPHostname,
	}
	runner := &checks.Runner{Checkers: c.own, Logger: c.log, Took: c.took}
	if c.own == nil {
		for _, name := range wanted(cfg.SMTPCheck) {
			runner.Checkers = append(runner.Checkers, c.checker(cfg, name, s, old))
		}
	}
	if len(runner.Checkers) > 0 {
		s.policy.Runner = runner
	}
	return s
}

// wanted returns the checks to make: DMARC builds upon SPF and DKIM, and would find fault with every mail without them.
func wanted(names []string) []string {
	if !slices.Contains(names, "dmarc") {
		return names
	}
	all := slices.Clone(names)
	for _, name := range []string{"dkim", "spf"} {
		if !slices.Contains(all, name) {
			all = slices.Insert(all, 0, name)
		}
	}
	return all
}

// checker makes the check of a name that smtp-check may have.
func (c *screens) checker(cfg *config.Config, name string, s, old *screening) checks.Checker {
	dns := checks.Bound(c.dns)
	switch name {
	case "spf":
		return &spf.Checker{Resolver: dns}
	case "dkim":
		return &dkim.Checker{Resolver: dns, OpenRSA: c.keys.verifier()}
	case "dmarc":
		return &dmarc.Checker{Resolver: dns}
	case "arc":
		return &arc.Checker{Resolver: dns, OpenRSA: c.keys.verifier()}
	case "spam":
		s.spam = spamScanner(cfg, old)
		return &checks.PerClient{Checker: s.spam}
	case "virus":
		s.virus = virusScanner(cfg, old)
		return &checks.PerClient{Checker: s.virus}
	}
	return blockLists(cfg.DNSBLZones, dns)
}

// SpamScanner is the spamd of a configuration.
func SpamScanner(cfg *config.Config) *spamd.Checker {
	address := net.JoinHostPort(cfg.SpamAssassinHost, strconv.Itoa(cfg.SpamAssassinPort))
	return &spamd.Checker{Service: checks.Service{Address: address}, User: onlyRecipient}
}

func spamScanner(cfg *config.Config, old *screening) *spamd.Checker {
	c := SpamScanner(cfg)
	if old != nil && old.spam != nil && old.spam.Service.Address == c.Service.Address {
		return old.spam
	}
	return c
}

// onlyRecipient has SpamAssassin apply the preferences of whom a mail is for; its own hold for a mail to several.
func onlyRecipient(mail *checks.Mail) string {
	if len(mail.Recipients) == 1 {
		return mail.Recipients[0]
	}
	return ""
}

func virusScanner(cfg *config.Config, old *screening) *clamd.Checker {
	if old != nil && old.virus != nil && old.virus.Service.Address == cfg.ClamAVAddress {
		return old.virus
	}
	return &clamd.Checker{Service: checks.Service{Address: cfg.ClamAVAddress}}
}

func blockLists(zones []string, dns checks.Resolver) checks.Checker {
	c := &dnsbl.Checker{Resolver: dns, Texts: true}
	for _, zone := range zones {
		c.Zones = append(c.Zones, dnsbl.Zone{Name: zone})
	}
	return c
}

// watchScanners keeps an eye on the scanners that are asked, and returns what ends that.
func (s *screening) watchScanners(log *slog.Logger) (stop func()) {
	probers := s.probers()
	if len(probers) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		checks.Watch(ctx, 0, log, probers...)
	}()
	return func() { cancel(); <-done }
}

func (s *screening) probers() []checks.Prober {
	var all []checks.Prober
	if s.spam != nil {
		all = append(all, s.spam)
	}
	if s.virus != nil {
		all = append(all, s.virus)
	}
	return all
}

// scannerState is how a scanner is doing, for a page that shows it.
type scannerState struct {
	Name string // "SpamAssassin" or "ClamAV"
	checks.State
	Files string // what it works with
}

// detail is what there is to say about it: what is wrong, or its version and that of its signatures with their date.
func (s scannerState) detail() string {
	if !s.Up {
		return joined("; ", s.Problem, s.Files)
	}
	text := s.Version
	if s.Data != "" {
		text += ", signatures " + s.Data
	}
	if !s.Dated.IsZero() {
		text += " of " + s.Dated.Format(time.DateTime)
	}
	return joined("; ", text, s.Files)
}

// scannerStates returns the state of the scanners that smtp-check has asked.
func (m *MTA) scannerStates() []scannerState {
	var all []scannerState
	s := m.screens.current.Load()
	if s.spam != nil {
		all = append(all, scannerState{"SpamAssassin", s.spam.State(), ""})
	}
	if s.virus != nil {
		all = append(all, scannerState{"ClamAV", s.virus.State(), m.definitions.say(m.config.Load().ClamAVDatabase)})
	}
	return all
}
