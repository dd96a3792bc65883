package mta

import (
	"context"
	"net"
	"slices"
	"strconv"
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

// openChecks puts the checks of the configuration in force.
func (a *app) openChecks(cfg *config.Config) error {
	a.screen(cfg)
	a.onClose(func() error { a.screening.Load().stop(); return nil })
	return nil
}

// screen puts the checks of a configuration in force in place of those before it.
func (a *app) screen(cfg *config.Config) {
	old := a.screening.Load()
	s := a.newScreening(cfg, old)
	if old != nil {
		old.stop()
	}
	s.stop = a.watchScanners(s)
	a.screening.Store(s)
}

// policy is what intake asks for each mail.
func (a *app) policy() *enqueue.Checks { return a.screening.Load().policy }

func (a *app) newScreening(cfg *config.Config, old *screening) *screening {
	s := &screening{}
	if len(cfg.SMTPCheck) == 0 && len(cfg.SMTPAuthResults) == 0 {
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
	runner := &checks.Runner{Logger: a.log}
	for _, name := range wanted(cfg.SMTPCheck) {
		runner.Checkers = append(runner.Checkers, a.checker(cfg, name, s, old))
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
func (a *app) checker(cfg *config.Config, name string, s, old *screening) checks.Checker {
	dns := checks.Bound(a.resolver)
	switch name {
	case "spf":
		return &spf.Checker{Resolver: dns}
	case "dkim":
		return &dkim.Checker{Resolver: dns}
	case "dmarc":
		return &dmarc.Checker{Resolver: dns}
	case "arc":
		return &arc.Checker{Resolver: dns}
	case "spam":
		s.spam = spamScanner(cfg, old)
		return &checks.PerClient{Checker: s.spam}
	case "virus":
		s.virus = virusScanner(cfg, old)
		return &checks.PerClient{Checker: s.virus}
	}
	return blockLists(cfg.DNSBLZones, dns)
}

func spamScanner(cfg *config.Config, old *screening) *spamd.Checker {
	address := net.JoinHostPort(cfg.SpamAssassinHost, strconv.Itoa(cfg.SpamAssassinPort))
	if old != nil && old.spam != nil && old.spam.Service.Address == address {
		return old.spam
	}
	return &spamd.Checker{Service: checks.Service{Address: address}, User: onlyRecipient}
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
func (a *app) watchScanners(s *screening) (stop func()) {
	probers := s.probers()
	if len(probers) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		checks.Watch(ctx, 0, a.log, probers...)
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
func (a *app) scannerStates() []scannerState {
	var all []scannerState
	s := a.screening.Load()
	if s.spam != nil {
		all = append(all, scannerState{"SpamAssassin", s.spam.State(), ""})
	}
	if s.virus != nil {
		all = append(all, scannerState{"ClamAV", s.virus.State(), a.definitions.say(a.config.Load().ClamAVDatabase)})
	}
	return all
}
