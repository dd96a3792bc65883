package mta

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor/logfile"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/rabbitmq"
	"github.com/sluicemail/sluice/smtpin"
)

// services knows since when the parts of this program and what it depends on are as they are.
type services struct {
	begun time.Time

	mu    sync.Mutex
	known map[string]health
}

type health struct {
	up    bool
	since time.Time
}

const deliveryService = "delivery"

// state makes what is shown of a service. Since when it is up or down is noted when it is seen to have changed.
func (s *services) state(name string, err error, detail string) admin.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, seen := s.known[name]
	if up := err == nil; !seen || h.up != up {
		h = health{up, time.Now()}
		if !seen && up {
			h.since = s.begun
		}
		if s.known == nil {
			s.known = map[string]health{}
		}
		s.known[name] = h
	}
	if err != nil {
		detail = err.Error()
	}
	return admin.Service{Name: name, Up: h.up, Since: h.since, Detail: detail}
}

// own makes what is shown of a part of this program that can be stopped.
func (s *services) own(name string, stopped bool, detail string) admin.Service {
	var is error
	if stopped {
		is = errors.New("stopped by an operator")
	}
	one := s.state(name, is, detail)
	one.Controllable, one.Stopped, one.Detail = true, stopped, detail
	return one
}

// deliveryState tells whether mail leaves, and if not, whether an operator wants it so.
func (m *MTA) deliveryState() admin.Service {
	s, stopped := m.services, m.settings.StartedPaused()
	if stopped || !m.settings.Current().Withheld {
		return s.own(deliveryService, stopped, m.deliveryDetail())
	}
	one := s.state(deliveryService,
		errors.New("no mail leaves, since the settings database cannot be read and no settings of an earlier run are kept: "+
			"who must get no mail is not known"), "")
	one.Controllable = true
	return one
}

// serviceStates tells how the parts of this program, and what it depends on, are doing.
func (m *MTA) serviceStates(context.Context) []admin.Service {
	s := m.services
	all := []admin.Service{m.deliveryState()}
	for _, p := range m.ports.smtp {
		all = append(all, s.own(p.name(), m.server.Suspended(p.policy), listenerDetail(p.policy)))
	}
	all = append(all, m.queueState())
	if d, damaged := m.damageState(); damaged {
		all = append(all, d)
	}
	all = append(append(all, m.dnsState(), m.signingState()), m.mailboxStates()...)
	for _, scanner := range m.scannerStates() {
		all = append(all, admin.Service{Name: scanner.Name, Up: scanner.Up, Since: scanner.Since, Detail: scanner.detail()})
	}
	if m.config.Load().SpoolDirectory != "" {
		all = append(all, m.spoolState())
	}
	if m.mails.store != nil {
		all = append(all, s.state("message store", m.mails.store.Err(), "policy "+m.config.Load().StoragePolicy))
	}
	if m.hooks != nil {
		all = append(all, m.hookState())
	}
	if files := m.records.log.Stats(); len(files) > 0 {
		detail, err := logHealth(files)
		all = append(all, s.state("log files", err, detail))
	}
	if m.cluster != nil {
		var err error
		if !m.cluster.Connected() {
			err = errors.New("the broker of the cluster cannot be reached")
		}
		all = append(all, s.state("cluster", err, plural(len(m.cluster.Others()), "other instance")))
	}
	return all
}

// logHealth tells whether what happens can be written down, and how much of it was lost.
func logHealth(files []logfile.FileStats) (detail string, err error) {
	var lost int64
	for _, f := range files {
		if err == nil && f.Err != nil {
			err = fmt.Errorf("%s cannot be written: %w", f.Path, f.Err)
		}
		lost += f.Dropped
	}
	detail = plural(len(files), "file")
	if lost > 0 {
		said := humanize.Comma(lost) + " lines were lost since the start"
		detail += "; " + said
		if err != nil {
			err = fmt.Errorf("%w; %s", err, said)
		}
	}
	return detail, err
}

func (m *MTA) deliveryDetail() string {
	slots := m.slotsInUse()
	used := humanize.Comma(int64(slots.Outgoing))
	if slots.OutgoingLimit > 0 {
		used += " of " + humanize.Comma(int64(slots.OutgoingLimit))
	}
	return used + " connections in use"
}

// listenerDetail tells the policy of a listener.
func listenerDetail(l *smtpin.Listener) string {
	var all []string
	say := func(is bool, text string) {
		if is {
			all = append(all, text)
		}
	}
	say(l.ImplicitTLS, "TLS from the first byte")
	say(l.RequireTLS, "TLS is required")
	say(l.RequireAuth, "login is required")
	say(l.AuthToRelay, "login is required for mail to others")
	say(l.LMTP, "LMTP")
	say(len(all) == 0, "open to those that smtp-range names")
	return strings.Join(all, ", ")
}

// signingState tells of the keys of the settings.
func (m *MTA) signingState() admin.Service {
	keys := m.settings.Current().Keys
	detail := plural(keys.Len(), "DKIM key") + "; RSA by " + m.keys.text
	if weak := keys.Weak(); len(weak) > 0 {
		detail += "; " + strconv.Itoa(len(weak)) + " weak: " + human.Cut(strings.Join(weak, "; "), 200)
	}
	return m.services.state("signing", nil, detail)
}

// queueState tells whether messages can be stored.
func (m *MTA) queueState() admin.Service {
	name, detail := "queue", "embedded, in "+m.config.Load().QueueDir()
	if q, ok := m.mails.own.(*rabbitmq.Queue); ok {
		return m.services.state("RabbitMQ", q.Err(), fmt.Sprintf("mails of up to %d MB", q.MaxMail()/1_000_000))
	}
	var err error
	if q, ok := m.mails.own.(interface{ Err() error }); ok {
		err = q.Err()
	}
	return m.services.state(name, err, detail)
}

// damageState tells what of the embedded queue was lost since the start; false when nothing was. The queue itself goes
// on.
func (m *MTA) damageState() (admin.Service, bool) {
	q, ok := m.mails.own.(damaged)
	if !ok {
		return admin.Service{}, false
	}
	d := q.Damage()
	if d.Places == 0 {
		return admin.Service{}, false
	}
	text := fmt.Sprintf("%s and %s are known to be lost, %s could not be read; what was there is in %s, the log has the rest: %s",
		plural(d.Messages, "message"), plural(d.Mails, "mail"), plural(int(d.Bytes), "byte"),
		filepath.Join(m.config.Load().QueueDir(), "damaged"), strings.Join(d.Notes[:min(len(d.Notes), shownDamage)], "; "))
	return m.services.state("queue damage", errors.New(text), ""), true
}

// shownDamage is how many places of damage are named.
const shownDamage = 5

// dnsState tells which servers answered when they were asked last.
func (m *MTA) dnsState() admin.Service {
	var answering, silent []string
	for _, s := range m.resolver.Servers() {
		if s.Silent {
			silent = append(silent, s.Address)
		} else {
			answering = append(answering, s.Address)
		}
	}
	answers, _ := m.resolver.Size()
	detail := fmt.Sprintf("%s; %s cached", strings.Join(answering, ", "), plural(answers, "answer")) +
		m.validation.detail()
	var err error
	switch {
	case len(answering) == 0 && len(silent) > 0:
		err = errors.New("no answer from " + strings.Join(silent, ", "))
	case len(silent) > 0:
		detail += "; no answer from " + strings.Join(silent, ", ")
	}
	return m.services.state("DNS", err, detail)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return humanize.Comma(int64(n)) + " " + what + "s"
}

// controlService stops or resumes delivery, or a listener.
func (m *MTA) controlService(_ context.Context, name string, run bool) error {
	if name == deliveryService {
		var pauses []rules.Pause
		if !run {
			pauses = []rules.Pause{{Cluster: true, Told: "pause under Services"}}
		}
		m.settings.SetStarted(pauses)
		return nil
	}
	for _, p := range m.ports.smtp {
		if p.name() == name {
			m.server.Suspend(p.policy, !run)
			return nil
		}
	}
	if slices.ContainsFunc(m.serviceStates(context.Background()), func(s admin.Service) bool { return s.Name == name }) {
		return fmt.Errorf("%w: %s is not this program's to stop", admin.ErrUnsupported, name)
	}
	return fmt.Errorf("%w: no service is called %q", admin.ErrNotFound, name)
}

// otherInstances lists the other instances of the cluster.
func (m *MTA) otherInstances() ([]console.Instance, error) {
	var all []console.Instance
	for _, o := range m.cluster.Others() {
		all = append(all, console.Instance{Host: o.Host, URL: o.URL, IPs: o.IPs, Outbox: o.Outbox, Seen: o.Seen})
	}
	if !m.cluster.Connected() {
		return all, fmt.Errorf("%w: the broker of the cluster cannot be reached", queue.ErrUnavailable)
	}
	return all, nil
}
