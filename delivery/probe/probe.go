package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/lru"
	"github.com/sluicemail/sluice/queue"
)

// Step is one step of a test and what came of it.
type Step struct {
	// Step is "route", "policy", "host", "addresses", "security", "connection", "tls", "recipient" or "verdict".
	Step string `json:"step"`
	Host string `json:"host,omitempty"` // that it is about
	Good bool   `json:"good"`
	Text string `json:"text"` // in words
}

// Sender asks remotes; *smtpout.Sender is one.
type Sender interface {
	Probe(ctx context.Context, hop *delivery.Hop, from, to string) queue.Result
}

// Prober tests addresses. Its fields are not to be changed once it is in use; it is safe for concurrent use.
type Prober struct {
	Router   delivery.Router
	Policies delivery.TLSPolicies // nil: what is published is not asked for
	Sender   Sender
	Hostname string // in EHLO
	From     string // in MAIL; "": the null sender
	// Security returns what throttles demand on the path from an address (the zero address: the system chooses) to a site,
	// for mail that says nothing of it. Nil: opportunistic.
	Security func(source netip.Addr, site string) queue.Security
	// Source returns the address to connect to a target from. Nil, or the zero address: the system chooses.
	Source func(target netip.Addr) netip.Addr

	mu      sync.Mutex
	running map[string]bool // addresses
	recent  lru.Cache[string, struct{}]
}

const (
	// Time is how long a test may take.
	Time = time.Minute

	between  = 10 * time.Second // tests of a domain
	most     = 4                // tests at a time
	mostHost = 3                // hosts that are connected to
)

// ErrBusy is why an address is not tested now.
var ErrBusy = errors.New("the address or its domain is being tested, or was a moment ago: try again in ten seconds")

// Probe tests an address as a mail with these properties would find it: of m, Security and RequireTLS count.
func (p *Prober) Probe(ctx context.Context, address string, m *queue.Message) ([]Step, error) {
	domain := addr.Domain(address)
	end, err := p.begin(addr.FoldAddress(address), domain)
	if err != nil {
		return nil, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, Time)
	defer cancel()
	mail := *m
	t := &test{Prober: p, ctx: ctx, address: address, domain: domain, m: &mail}
	t.run()
	return t.steps, nil
}

// begin notes that an address is being tested, unless that is too much.
func (p *Prober) begin(address, domain string) (end func(), err error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent.Limit = 10_000
	if _, just := p.recent.Get(domain, now); just || p.running[address] || len(p.running) >= most {
		return nil, ErrBusy
	}
	if p.running == nil {
		p.running = map[string]bool{}
	}
	p.running[address] = true
	p.recent.Put(domain, struct{}{}, 1, now.Add(between))
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.running, address)
	}, nil
}

// test is a test that runs.
type test struct {
	*Prober
	ctx             context.Context
	address, domain string
	m               *queue.Message
	steps           []Step
}

func (t *test) say(step, host string, good bool, text string) {
	t.steps = append(t.steps, Step{step, host, good, text})
}

func (t *test) run() {
	route, err := t.Router.Route(t.ctx, t.domain)
	if err != nil {
		t.say("route", "", false, err.Error())
		t.say("verdict", "", false, nowhere(err))
		return
	}
	names := make([]string, len(route.Hosts))
	for i, h := range route.Hosts {
		names[i] = fmt.Sprintf("%s (%d)", cmp.Or(h.Name, h.Local), h.Preference)
	}
	t.say("route", "", true, "mail for "+t.domain+" goes to "+strings.Join(names, ", ")+vouching(route))
	t.say("policy", "", true, published(route))
	for _, host := range route.Hosts[:min(len(route.Hosts), mostHost)] {
		if host.Local != "" {
			t.say("verdict", host.Local, true, "The mail goes into a mailbox here.")
			return
		}
		if t.host(route, host) || t.ctx.Err() != nil {
			return
		}
	}
}

// vouching tells who says that the hosts are those of the domain.
func vouching(r *delivery.Route) string {
	switch {
	case r.Relay:
		return ", as this server is set up"
	case r.Secure:
		return "; DNSSEC vouches for that"
	}
	return "; DNSSEC does not vouch for that"
}

func published(r *delivery.Route) string {
	switch {
	case r.Relay:
		return "no policy counts on the way to a relay"
	case r.STS == nil:
		return "the domain publishes no MTA-STS policy that counts"
	case r.STS.Testing:
		return "the domain has an MTA-STS policy in testing mode for " + strings.Join(r.STS.Patterns, ", ")
	}
	return "the domain has an enforced MTA-STS policy for " + strings.Join(r.STS.Patterns, ", ")
}

// host tests one host, and reports whether it took the recipient or refused it for good.
func (t *test) host(route *delivery.Route, host delivery.Host) (settled bool) {
	var policy delivery.TLSPolicy
	if t.Policies != nil {
		var err error
		if policy, err = t.Policies.Host(t.ctx, route, host); err != nil {
			if failed, ok := errors.AsType[*delivery.Failure](err); ok {
				t.say("verdict", host.Name, false, Verdict(t.m, &failed.Result))
			} else {
				t.say("verdict", host.Name, false, err.Error())
			}
			return false
		}
		policy.Tell = nil // reports are about mail
	}
	t.say("host", host.Name, true, demands(&policy))
	addresses, err := t.Router.Addresses(t.ctx, host)
	if err != nil || len(addresses) == 0 {
		err = cmp.Or(err, errors.New("there is none"))
		t.say("addresses", host.Name, false, "it has no address to connect to: "+err.Error())
		t.say("verdict", host.Name, false, nowhere(err))
		return false
	}
	t.say("addresses", host.Name, true, strings.Trim(fmt.Sprint(addresses), "[]"))
	hop := t.hop(route, host, addresses[0])
	hop.TLS, hop.Vouched = policy, route.Vouches(host, &policy)
	r := t.Sender.Probe(t.ctx, hop, t.From, t.address)
	t.tell(host.Name, hop, &r)
	return r.State == queue.StateRcptTo && r.Code > 0 && r.Code/100 != 4
}

// hop is the way to an address, as mail would take it.
func (t *test) hop(route *delivery.Route, host delivery.Host, address netip.Addr) *delivery.Hop {
	hop := &delivery.Hop{Target: netip.AddrPortFrom(address, uint16(cmp.Or(max(host.Port, 0), 25))), Host: host.Name,
		Domain: cmp.Or(route.Site, t.domain), Hostname: t.Hostname, RequireTLS: t.m.RequireTLS, Credentials: route.Credentials}
	if t.Source != nil {
		hop.Source = t.Source(address)
	}
	switch {
	case route.Relay:
		hop.CertNames = []string{host.Name}
	case t.m.Security == queue.Verified:
		hop.CertNames = []string{t.domain}
	}
	if t.m.Security == "" && t.Security != nil {
		t.m.Security = t.Security(hop.Source, route.Site)
		if t.m.Security == queue.Required || t.m.Security == queue.Verified {
			t.say("security", host.Name, true, "throttles demand security "+string(t.m.Security)+" on the way there")
		}
	}
	hop.Security = t.m.Security
	return hop
}

// demands tells what is published about a host.
func demands(p *delivery.TLSPolicy) string {
	switch {
	case p.Type == "dane" && p.Verify == nil:
		return "its TLSA records cannot be used: TLS is a must, any certificate will do (DANE)"
	case p.Type == "dane":
		return "its TLSA records say which certificate it has (DANE)"
	case p.Type == "sts" && p.Testing:
		return "its certificate should be valid for its name (MTA-STS, testing)"
	case p.Type == "sts":
		return "its certificate must be valid for its name (MTA-STS)"
	}
	return "neither DANE nor MTA-STS demands TLS"
}

// tell tells of a connection to a host.
func (t *test) tell(host string, hop *delivery.Hop, r *queue.Result) {
	switch r.State {
	case queue.StateBind, queue.StateConnect, queue.StateHandshake, queue.StateIntro, queue.StateEHLO, queue.StateHELO:
		t.say("connection", host, false, hop.Target.String()+": "+string(r.State)+": "+said(r))
		t.say("verdict", host, false, Verdict(t.m, r))
		return
	}
	t.say("connection", host, true, hop.Target.String()+" answers as "+cmp.Or(r.MTA, "nobody"))
	secured := "in clear text"
	if c := r.Cipher; c != nil {
		secured = c.Version + " " + c.Name
		if r.Certificate != nil {
			secured += "; certificate: " + r.Certificate.Result
			if s := r.Certificate.Subject; s != nil && s.Common != "" {
				secured += ", of " + s.Common
			}
			if !r.Certificate.NotAfter.IsZero() {
				secured += ", until " + r.Certificate.NotAfter.Format(time.DateOnly)
			}
		}
	}
	t.say("tls", host, r.State != queue.StateStartTLS && (r.TLSPolicy == nil || r.TLSPolicy.Failure == ""), secured)
	good := r.State == queue.StateRcptTo && r.Result == queue.Accepted
	if r.State == queue.StateRcptTo || r.State == queue.StateMailFrom && r.Status != "5.7.30" {
		t.say("recipient", host, good, string(r.State)+": "+said(r))
	}
	t.say("verdict", host, good, Verdict(t.m, r))
}

// said is a reply, or what went wrong, on one line.
func said(r *queue.Result) string {
	text := strings.TrimSpace(r.Status + " " + r.Description)
	if r.Code != 0 {
		text = strings.TrimSpace(fmt.Sprint(r.Code, " ", text))
	}
	return cmp.Or(text, string(r.Result))
}
