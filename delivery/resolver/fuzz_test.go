package resolver

import (
	"testing"

	"github.com/miekg/dns"
)

// FuzzAnswer gives arbitrary packets to what judges them, and checks that what comes out keeps its promises.
func FuzzAnswer(f *testing.F) {
	q := new(dns.Msg).SetQuestion("a.example.org.", dns.TypeA)
	m := new(dns.Msg).SetReply(q)
	for _, text := range []string{"a.example.org. CNAME b.example.org.", "b.example.org. CNAME a.example.org.",
		"b.example.org. 5 A 192.0.2.1"} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
		data, _ := m.Pack()
		f.Add(data, uint16(dns.TypeA))
	}
	f.Add([]byte("garbage that is long enough"), uint16(dns.TypeMX))
	f.Fuzz(func(t *testing.T, data []byte, qtype uint16) {
		msg := new(dns.Msg)
		err := msg.Unpack(data)
		_ = answers(msg, dns.Question{Name: "a.example.org.", Qtype: qtype, Qclass: dns.ClassINET})
		if err != nil {
			return
		}
		s := readAnswer(msg, "a.example.org", qtype)
		if len(s.aliases) > maxChain+1 {
			t.Errorf("%d aliases", len(s.aliases))
		}
		if s.ttl < 0 || s.kind != 0 && len(s.records) > 0 {
			t.Errorf("ttl %v, kind %v, %d records", s.ttl, s.kind, len(s.records))
		}
		for _, rr := range s.records {
			if rr.Header().Rrtype != qtype {
				t.Errorf("type %d instead of %d", rr.Header().Rrtype, qtype)
			}
			if txt, ok := rr.(*dns.TXT); ok {
				for _, part := range txt.Txt {
					unescape(part)
				}
			}
		}
	})
}

// FuzzName checks that a name that was accepted is one, and stays the same when normalised again.
func FuzzName(f *testing.F) {
	for _, name := range []string{"example.org", "EXAMPLE.org.", "bücher.example", "_25._tcp.a", "a..b", "", "xn--a",
		"a@b.c"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		normal, ok := normalName(name)
		if !ok {
			return
		}
		if _, ok := dns.IsDomainName(wireName(normal)); !ok {
			t.Errorf("%q is no domain name", normal)
		}
		again, ok := normalName(normal)
		if !ok || again != normal {
			t.Errorf("%q becomes %q, then %q %v", name, normal, again, ok)
		}
		m := new(dns.Msg).SetQuestion(wireName(normal), dns.TypeA)
		data, err := m.Pack()
		if err != nil {
			t.Fatalf("%q: %v", normal, err)
		}
		if m.Unpack(data) != nil || m.Question[0].Name != wireName(normal) {
			t.Errorf("%q comes back as %q", wireName(normal), m.Question[0].Name)
		}
	})
}

// FuzzHosts checks that a hosts file, whatever it holds, is read.
func FuzzHosts(f *testing.F) {
	f.Add("127.0.0.1 localhost # x\n::1 localhost\nfe80::1%lo0 a b c\n")
	f.Fuzz(func(t *testing.T, content string) {
		for name, addrs := range parseHosts(content) {
			if !validName(name) || len(addrs) == 0 {
				t.Errorf("%q: %v", name, addrs)
			}
		}
	})
}
