package testserver

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// DNS serves a handler over UDP and TCP inside the test's process, on one port of 127.0.0.1, and returns its address.
// The handler is called from many goroutines; the network of w.RemoteAddr tells UDP from TCP.
func DNS(t testing.TB, handler dns.HandlerFunc) string {
	t.Helper()
	var l net.Listener
	var u net.PacketConn
	for range 50 {
		var err error
		if l, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if u, err = net.ListenPacket("udp4", l.Addr().String()); err == nil {
			break
		}
		l.Close()
	}
	if u == nil {
		t.Fatal("no port is free for TCP and UDP")
	}
	var serving, ended sync.WaitGroup
	for _, s := range []*dns.Server{{Listener: l}, {PacketConn: u}} {
		s.Handler = handler
		serving.Add(1)
		s.NotifyStartedFunc = serving.Done
		ended.Go(func() { _ = s.ActivateAndServe() })
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = s.ShutdownContext(ctx)
		})
	}
	t.Cleanup(func() { l.Close(); u.Close(); ended.Wait() })
	serving.Wait()
	return l.Addr().String()
}

// Zone returns a handler that answers from records in the form of a zone file, one a line, with absolute names: it
// follows CNAMEs, tells NXDOMAIN from a name without such records, and adds the SOA record where there is one. The test
// fails when a line cannot be read.
func Zone(t testing.TB, records string) dns.HandlerFunc {
	t.Helper()
	var all []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(records), ".", "zone")
	parser.SetDefaultTTL(300)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		all = append(all, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatalf("zone: %v", err)
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		fillAnswer(m, all)
		_ = w.WriteMsg(m)
	}
}

func fillAnswer(m *dns.Msg, all []dns.RR) {
	q := m.Question[0]
	name, exists := q.Name, false
	for range 20 {
		var alias *dns.CNAME
		exists = false
		for _, rr := range all {
			owner := rr.Header().Name
			if strings.EqualFold(owner, name) || dns.IsSubDomain(name, owner) {
				exists = true
			}
			if !strings.EqualFold(owner, name) {
				continue
			}
			if c, ok := rr.(*dns.CNAME); ok && q.Qtype != dns.TypeCNAME {
				alias = c
			} else if rr.Header().Rrtype == q.Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if alias == nil {
			break
		}
		m.Answer = append(m.Answer, alias)
		name = alias.Target
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	for _, rr := range all {
		if rr.Header().Rrtype == dns.TypeSOA && dns.IsSubDomain(rr.Header().Name, name) {
			m.Ns = append(m.Ns, rr)
		}
	}
}

// dnsReady returns a function that asks a server for a name and is content with any answer but a failure.
func dnsReady(address, name string, qtype uint16) func() error {
	return func() error {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
		client := dns.Client{Timeout: 500 * time.Millisecond}
		answer, _, err := client.Exchange(m, address)
		if err != nil {
			return err
		}
		if answer.Rcode == dns.RcodeServerFailure || answer.Rcode == dns.RcodeRefused {
			return errors.New(name + ": " + dns.RcodeToString[answer.Rcode])
		}
		return nil
	}
}
