package mta

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/api"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// openREST makes what the REST API and the pages of the console stand on, and the API itself. The settings and the
// delivery are open.
func (m *MTA) openREST(b *base) (*admin.Admin, *api.Handler) {
	cfg := b.cfg
	all := &admin.Admin{
		Settings:    m.settings,
		Instance:    int64(cfg.ServerID),
		Queue:       m.mails.queue,
		Inbox:       cfg.RabbitMQInbox,
		Injected:    m.injected,
		MaxMessage:  cfg.SMTPMaxSize,
		Hostname:    cfg.SMTPHostname,
		Live:        m.records.live,
		Paths:       m.explainPaths,
		Hosts:       m.hostsOf,
		WhyWaiting:  m.whyWaiting,
		Probe:       m.testAddress,
		Preflight:   m.checkMail,
		Examine:     m.examine,
		Sampled:     m.sampledMail(),
		Floods:      m.activeFloods,
		ResumeFlood: m.resumeFlood,
		Held:        m.heldByPauses,
		SearchLogs:  logsearch.Files{Send: cfg.SendBinLogFile, Received: cfg.ReceivedBinLogFile}.Search,
		Feedback:    m.desk,
		Services:    m.serviceStates,
		Control:     m.controlService,
		Key:         keyFacts,
		LookupTXT:   m.resolver.LookupTXT,
		LogLevel:    m.log.level,
		Tracer:      m.records.tracer,
		Logger:      b.log,
	}
	if m.trust != nil {
		all.TLS = m.trust
	}
	if m.hooks != nil {
		all.Webhook = m.hooks
	}
	b.onClose(all.Close)
	return all, &api.Handler{Admin: all, MaxInject: largestInjection(cfg.SMTPMaxSize)}
}

// largestInjection leaves room for a mail of the largest size once it is written as JSON.
func largestInjection(maxSize int64) int64 {
	const least = 64 << 20
	return max(least, maxSize+maxSize/2+1<<20)
}

// mostSources is how many paths to a domain are explained that nothing is known of but their limits.
const mostSources = 64

// explainPaths tells what governs the mail to a domain, or all mail.
func (m *MTA) explainPaths(_ context.Context, domain string, source netip.Addr) ([]admin.Path, error) {
	states := m.engine.Paths()
	if domain != "" {
		states = m.engine.Explain(domain)
	}
	if source.IsValid() {
		states = slices.DeleteFunc(states, func(s delivery.PathState) bool { return s.Source != source })
	}
	if domain != "" && len(states) == 0 { // no mail is on its way there: what would hold if it were
		site := m.siteOf(domain)
		sources := []netip.Addr{source}
		if !source.IsValid() {
			sources = slices.DeleteFunc(m.origins.all(), netip.Addr.IsLoopback)
			sources = append([]netip.Addr{{}}, sources[:min(len(sources), mostSources)]...)
		}
		for _, s := range sources {
			states = append(states, delivery.PathState{Source: s, Site: site})
		}
	}
	paths := make([]admin.Path, len(states))
	for i := range states {
		paths[i] = m.explainPath(&states[i])
	}
	return paths, nil
}

// hostsOf lists the addresses of the hosts of a domain. It is as patient as somebody who waits for a page.
func (m *MTA) hostsOf(ctx context.Context, domain string) []admin.Host {
	const patience, most = time.Second, 50
	route, err, ok := m.finder.Cached(domain)
	if err != nil || !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var all []admin.Host
	for _, host := range route.Hosts {
		if host.Local != "" || len(all) >= most {
			continue
		}
		addresses, _ := m.finder.Addresses(ctx, host) // a host without one is not connected to either
		for _, a := range addresses {
			all = append(all, admin.Host{Name: host.Name, Address: a.Unmap()})
		}
	}
	return all
}

// siteOf returns the site that a domain belongs to, as far as that is known.
func (m *MTA) siteOf(domain string) string {
	if route, err, ok := m.finder.Cached(domain); ok && err == nil {
		return route.Site
	}
	return domain
}

func (m *MTA) explainPath(s *delivery.PathState) admin.Path {
	e := m.limits.explain(throttle.Path{Source: s.Source, Site: s.Site})
	p := admin.Path{
		Source: addressText(s.Source), Site: s.Site, Security: string(s.Security),
		Ready: s.Ready, Parked: s.Parked, Open: s.Open, Starting: s.Starting, Idle: s.Idle,
		Offline: s.Offline, LastError: s.LastError, NoSlot: s.NoSlot, Resolving: s.Resolving, Oldest: s.Oldest,
		Limits: make([]admin.LimitValue, len(e.Values)),
	}
	for i, v := range e.Values {
		p.Limits[i] = admin.LimitValue{Limit: v.Limit, Value: v.Value, Unit: string(v.Unit), Rule: v.Rule}
	}
	if mails, _ := m.engine.Learned(s.Site); mails > 0 {
		p.Limits = withLearned(p.Limits, int64(mails))
	}
	for _, b := range e.Binding {
		p.Binding = append(p.Binding, admin.Binding{Limit: b.Limit, Rule: b.Rule, Until: b.Until})
	}
	if len(p.Binding) == 0 && !s.Wait.Zero() {
		p.Binding = []admin.Binding{{Limit: s.Wait.Limit, Rule: s.Wait.Rule, Until: s.WaitUntil}}
	}
	for _, f := range e.Floods {
		p.Floods = append(p.Floods, plainFlood(&f))
	}
	if w := e.Schedule; w != nil {
		p.Schedule = &admin.Warmup{Schedule: w.Schedule, Day: w.Day, LastDay: w.LastDay, LastSent: w.LastSent}
	}
	return p
}

// withLearned puts the number of mails that the hosts of a site were seen to take over one connection in place of a
// limit that is higher.
func withLearned(limits []admin.LimitValue, mails int64) []admin.LimitValue {
	const name = "connection_maxmessages"
	at := slices.IndexFunc(limits, func(l admin.LimitValue) bool { return l.Limit == name })
	if at < 0 {
		at = len(limits)
		limits = append(limits, admin.LimitValue{Limit: name, Unit: string(throttle.Count)})
	}
	if l := &limits[at]; l.Value == 0 || mails < l.Value {
		l.Value, l.Rule = mails, "learned"
	}
	return limits
}

// whyWaiting tells why a message of the outbox has not left.
func (m *MTA) whyWaiting(ctx context.Context, message *queue.Message, entry *queue.Entry) (admin.Why, bool) {
	if entry.Queue != m.engine.Names.Outbox {
		return admin.Why{}, false
	}
	w := m.engine.Why(ctx, message, entry)
	why := admin.Why{Where: string(w.Place), Cause: string(w.Cause), Reason: w.Text, Limit: w.Wait.Limit,
		Rule:   w.Wait.Rule,
		Source: addressText(w.Source), Site: w.Site, Ahead: w.Ahead, Since: w.Since, Next: w.Until}
	switch w.Place {
	case delivery.Delayed:
		why.Where = "deferred"
	case delivery.OnTheWire:
		why.Where = "sending"
	}
	if w.Pause != nil {
		why.Limit, why.Rule = "pause", w.Pause.Rule
	}
	return why, true
}

// addressText writes a source address; the one that the system chooses is "".
func addressText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

func plainFlood(f *throttle.ActiveFlood) admin.Flood {
	return admin.Flood{Name: f.Name, Source: addressText(f.Path.Source), Site: f.Path.Site, Phase: string(f.Phase),
		Since: f.Since, Until: f.Until, End: f.End, Text: f.Text}
}

func (m *MTA) activeFloods() []admin.Flood {
	active := m.limits.live.Floods()
	all := make([]admin.Flood, len(active))
	for i := range active {
		all[i] = plainFlood(&active[i])
	}
	return all
}

// heldByPauses lists what the engine set aside because of pauses.
func (m *MTA) heldByPauses(ctx context.Context) ([]admin.Held, error) {
	list, err := m.engine.Held(ctx)
	all := make([]admin.Held, len(list))
	for i, h := range list {
		all[i] = admin.Held{Rule: h.Pause.Rule, Since: h.Since, Until: h.Pause.Until, Messages: h.Messages,
			Flowing: h.Flowing}
		if tag, ok := strings.CutPrefix(h.Key, "tag:"); ok {
			all[i].Tag = tag
		} else if !strings.HasPrefix(h.Key, "pause:") {
			all[i].Domain = h.Key
		}
	}
	return all, err
}

// resumeFlood lets mail go on that floods hold: from one source address, or from all when it is not valid.
func (m *MTA) resumeFlood(source netip.Addr, site, name string) int {
	n := 0
	for _, f := range m.limits.live.Floods() {
		here := f.Path.Site == site || f.Path.Site == m.siteOf(addr.Fold(site))
		if here && (!source.IsValid() || f.Path.Source == source) && cmp.Or(name, f.Name) == f.Name {
			n += m.limits.live.Resume(f.Path, f.Name)
		}
	}
	return n
}
