package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// zone is all that the name server knows.
type zone struct {
	mu      sync.Mutex
	records map[string][]dns.RR
}

func newZone() *zone { return &zone{records: map[string][]dns.RR{}} }

const recordTTL = 300

func (z *zone) add(rr dns.RR) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(rr.Header().Name)
	z.records[name] = append(z.records[name], rr)
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET, Ttl: recordTTL}
}

func (z *zone) address(name string, ip netip.Addr) {
	z.add(&dns.A{Hdr: header(name, dns.TypeA), A: ip.AsSlice()})
}

func (z *zone) text(name, value string) {
	var parts []string
	for len(value) > 255 {
		parts, value = append(parts, value[:255]), value[255:]
	}
	z.add(&dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: append(parts, value)})
}

// pointer is the name of an address.
func (z *zone) pointer(ip, name string) {
	reverse, err := dns.ReverseAddr(ip)
	if err != nil {
		return
	}
	z.add(&dns.PTR{Hdr: header(reverse, dns.TypePTR), Ptr: dns.Fqdn(name)})
}

// domains adds the domains of a provider, whose hosts have addresses from first on.
func (z *zone) domains(p *provider, first netip.Addr) {
	for i := range p.hosts {
		z.address(fmt.Sprintf("mx%d.%s", i+1, p.domains[0]), first)
		first = first.Next()
	}
	for _, domain := range p.domains {
		for i := range p.hosts {
			z.add(&dns.MX{Hdr: header(domain, dns.TypeMX), Preference: uint16(10 * (1 + i/2)),
				Mx: fmt.Sprintf("mx%d.%s.", i+1, p.domains[0])})
		}
		if p.hosts == 0 && !p.unknown {
			z.add(&dns.MX{Hdr: header(domain, dns.TypeMX), Mx: "."}) // RFC 7505: takes no mail
		}
	}
}

// own adds the names of the shop that sends, with a mistake that the console shows: one address whose name belongs to
// another.
func (z *zone) own() {
	spf := "v=spf1"
	for i, s := range sources() {
		z.address(s.name, netip.MustParseAddr(s.ip))
		name := s.name
		if i == len(sources())-1 {
			name = "host-" + strings.ReplaceAll(s.ip, ".", "-") + ".rack7.example"
		}
		z.pointer(s.ip, name)
		spf += " ip4:" + s.ip
	}
	z.text(ownDomain, spf+" ip4:127.0.0.1 -all")
	z.text("_dmarc."+ownDomain, "v=DMARC1; p=quarantine; rua=mailto:dmarc@"+ownDomain)
}

// ServeDNS answers from the zone; what is not in it does not exist.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	if len(q.Question) == 1 {
		m.Answer, m.Rcode = z.find(q.Question[0])
	}
	_ = w.WriteMsg(m)
}

func (z *zone) find(q dns.Question) (answer []dns.RR, code int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(q.Name)
	for _, rr := range z.records[name] {
		if rr.Header().Rrtype == q.Qtype {
			answer = append(answer, rr)
		}
	}
	if len(answer) > 0 || len(z.records[name]) > 0 {
		return answer, dns.RcodeSuccess
	}
	for known := range z.records {
		if strings.HasSuffix(known, "."+name) {
			return nil, dns.RcodeSuccess // there are names below it
		}
	}
	return nil, dns.RcodeNameError
}

// nameServer serves a zone over UDP and TCP on one port of loopback.
type nameServer struct {
	zone    *zone
	address string
	servers []*dns.Server
	ended   sync.WaitGroup
}

func serveNames(z *zone) (*nameServer, error) {
	l, u, err := listenBoth()
	if err != nil {
		return nil, err
	}
	n := &nameServer{zone: z, address: l.Addr().String(),
		servers: []*dns.Server{{Listener: l, Handler: z}, {PacketConn: u, Handler: z}}}
	var started sync.WaitGroup
	for _, s := range n.servers {
		started.Add(1)
		s.NotifyStartedFunc = started.Done
		n.ended.Go(func() { _ = s.ActivateAndServe() })
	}
	started.Wait()
	return n, nil
}

// listenBoth finds a port that is free for TCP and UDP.
func listenBoth() (l net.Listener, u net.PacketConn, err error) {
	for range 50 {
		if l, err = net.Listen("tcp4", loopback(0)); err != nil {
			return nil, nil, err
		}
		if u, err = net.ListenPacket("udp4", l.Addr().String()); err == nil {
			return l, u, nil
		}
		l.Close()
	}
	return nil, nil, err
}

func (n *nameServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var errs []error
	for _, s := range n.servers {
		errs = append(errs, s.ShutdownContext(ctx))
	}
	n.ended.Wait()
	return errors.Join(errs...)
}
