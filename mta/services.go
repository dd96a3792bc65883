package mta

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/monitor/prometheus"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
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
func (a *app) deliveryState() admin.Service {
	s, stopped := &a.services, a.settings.StartedPaused()
	if stopped || !a.settings.Current().Withheld {
		return s.own(deliveryService, stopped, a.deliveryDetail())
	}
	one := s.state(deliveryService,
		errors.New("no mail leaves, since the settings database cannot be read and no settings of an earlier run are kept: "+
			"who must get no mail is not known"), "")
	one.Controllable = true
	return one
}

// serviceStates tells how the parts of this program, and what it depends on, are doing.
func (a *app) serviceStates(context.Context) []admin.Service {
	s := &a.services
	all := []admin.Service{a.deliveryState()}
	for i := range a.sockets {
		l := a.server.Listeners[i]
		all = append(all, s.own(a.listenerName(i), a.server.Suspended(l), listenerDetail(l)))
	}
	all = append(all, a.queueState())
	if d, damaged := a.damageState(); damaged {
		all = append(all, d)
	}
	all = append(all, a.dnsState())
	for _, scanner := range a.scannerStates() {
		all = append(all, admin.Service{Name: scanner.Name, Up: scanner.Up, Since: scanner.Since, Detail: scanner.detail()})
	}
	if a.storage != nil {
		all = append(all, s.state("message store", a.storage.Err(), "policy "+a.config.Load().StoragePolicy))
	}
	if a.cluster != nil {
		var err error
		if !a.cluster.Connected() {
			err = errors.New("the broker of the cluster cannot be reached")
		}
		all = append(all, s.state("cluster", err, plural(len(a.cluster.Others()), "other instance")))
	}
	return all
}

func (a *app) deliveryDetail() string {
	slots := a.slotsInUse()
	used := humanize.Comma(int64(slots.Outgoing))
	if slots.OutgoingLimit > 0 {
		used += " of " + humanize.Comma(int64(slots.OutgoingLimit))
	}
	return used + " connections in use"
}

// listenerName is what a listener is called: "smtp 127.0.0.1:25".
func (a *app) listenerName(i int) string {
	return a.server.Listeners[i].Name + " " + a.sockets[i].Addr().String()
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

// queueState tells whether messages can be stored.
func (a *app) queueState() admin.Service {
	name, detail := "queue", "embedded, in "+queueDir(a.config.Load())
	if q, ok := a.storedQueue().(*rabbitmq.Queue); ok {
		return a.services.state("RabbitMQ", q.Err(), fmt.Sprintf("mails of up to %d MB", q.MaxMail()/1_000_000))
	}
	var err error
	if q, ok := a.storedQueue().(interface{ Err() error }); ok {
		err = q.Err()
	}
	return a.services.state(name, err, detail)
}

// damaged is implemented by queues that can be damaged.
type damaged interface{ Damage() disk.Damage }

// damageState tells what of the embedded queue was lost since the start; false when nothing was. The queue itself goes
// on.
func (a *app) damageState() (admin.Service, bool) {
	q, ok := a.storedQueue().(damaged)
	if !ok {
		return admin.Service{}, false
	}
	d := q.Damage()
	if d.Places == 0 {
		return admin.Service{}, false
	}
	text := fmt.Sprintf("%s and %s are known to be lost, %s could not be read; what was there is in %s, the log has the rest: %s",
		plural(d.Messages, "message"), plural(d.Mails, "mail"), plural(int(d.Bytes), "byte"),
		filepath.Join(queueDir(a.config.Load()), "damaged"), strings.Join(d.Notes[:min(len(d.Notes), shownDamage)], "; "))
	return a.services.state("queue damage", errors.New(text), ""), true
}

// shownDamage is how many places of damage are named.
const shownDamage = 5

// queueDamage is the damage for Prometheus.
func (a *app) queueDamage() (prometheus.QueueDamage, bool) {
	q, ok := a.storedQueue().(damaged)
	if !ok {
		return prometheus.QueueDamage{}, false
	}
	d := q.Damage()
	return prometheus.QueueDamage{Places: d.Places, Messages: d.Messages, Mails: d.Mails, Bytes: d.Bytes}, true
}

// dnsState tells which servers answered when they were asked last.
func (a *app) dnsState() admin.Service {
	var answering, silent []string
	for _, s := range a.resolver.Servers() {
		if s.Silent {
			silent = append(silent, s.Address)
		} else {
			answering = append(answering, s.Address)
		}
	}
	answers, _ := a.resolver.Size()
	detail := fmt.Sprintf("%s; %s cached", strings.Join(answering, ", "), plural(answers, "answer"))
	var err error
	switch {
	case len(answering) == 0 && len(silent) > 0:
		err = errors.New("no answer from " + strings.Join(silent, ", "))
	case len(silent) > 0:
		detail += "; no answer from " + strings.Join(silent, ", ")
	}
	return a.services.state("DNS", err, detail)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return humanize.Comma(int64(n)) + " " + what + "s"
}

// controlService stops or resumes delivery, or a listener.
func (a *app) controlService(_ context.Context, name string, run bool) error {
	if name == deliveryService {
		var pauses []rules.Pause
		if !run {
			pauses = []rules.Pause{{Cluster: true, Told: "pause under Services"}}
		}
		a.settings.SetStarted(pauses)
		return nil
	}
	for i := range a.sockets {
		if a.listenerName(i) == name {
			a.server.Suspend(a.server.Listeners[i], !run)
			return nil
		}
	}
	if slices.ContainsFunc(a.serviceStates(context.Background()), func(s admin.Service) bool { return s.Name == name }) {
		return fmt.Errorf("%w: %s is not this program's to stop", admin.ErrUnsupported, name)
	}
	return fmt.Errorf("%w: no service is called %q", admin.ErrNotFound, name)
}

// openWatch gives the console what it shows beside the settings and the mail.
func (a *app) openWatch(c *console.Console) {
	c.Tail = a.tail
	if a.cluster != nil {
		c.Instances = a.otherInstances
	}
}

// otherInstances lists the other instances of the cluster.
func (a *app) otherInstances() ([]console.Instance, error) {
	var all []console.Instance
	for _, o := range a.cluster.Others() {
		all = append(all, console.Instance{Host: o.Host, URL: o.URL, IPs: o.IPs, Outbox: o.Outbox, Seen: o.Seen})
	}
	if !a.cluster.Connected() {
		return all, fmt.Errorf("%w: the broker of the cluster cannot be reached", queue.ErrUnavailable)
	}
	return all, nil
}
