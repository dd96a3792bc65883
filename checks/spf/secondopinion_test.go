package spf_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/spf"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/testserver"
)

// differs lists where pyspf judges otherwise, and why we do not follow it.
var differs = map[string]string{
	"2.4 the identity|192.0.2.1|\"x@evil.test\"@example.test":                   "it takes the first @ for the one that counts",
	"2.4 the identity|192.0.2.1|a@EXAMPLE.test.":                                "it takes the last dot for an empty label",
	"4.6 mistakes anywhere|192.0.2.1|a@m.test":                                  "it finds mistakes in macros only when it comes to them",
	"4.6 mistakes anywhere|192.0.2.1|a@n.test":                                  "it finds mistakes in macros only when it comes to them",
	"5.5 ptr|192.0.2.9|a@a.test":                                                "section 5.5 says that such an error is no match",
	"7.3 the validated name of the client|192.0.2.3|a@other.test":               "section 7.3 says that such an error makes it unknown",
	"7.3 the validated name of the client|192.0.2.2|a@ten.test":                 "it does not count this macro, as section 4.6.4 wants",
	"7.3 long names lose their first labels|192.0.2.1|" + longLocal + "@a.test": "its resolver raises an exception",
}

var longLocal = strings.Repeat("a", 57) + ".b"

// pyspfProgram asks pyspf about lines of name server, client, sender and helo.
const pyspfProgram = `
import sys, dns.resolver, spf
for line in sys.stdin.read().split('\n'):
    if line:
        server, client, sender, helo = line.split('\t')
        host, port = server.rsplit(':', 1)
        r = dns.resolver.Resolver(configure=False)
        r.nameservers, r.port, r.lifetime = [host], int(port), 5
        dns.resolver.default_resolver = r
        try:
            print(spf.check2(i=client, s=sender, h=helo, querytime=20)[0])
        except Exception as e:
            print('none?')
`

// TestPyspf gives the cases to another implementation.
func TestPyspf(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import spf, dns.resolver").Run(); err != nil {
		testserver.Need(t, "python3-spf")
	}
	type question struct {
		envelope
		path, block string
	}
	var asked []question
	var input bytes.Buffer
	for _, path := range []string{"testdata/rfc7208-appendix.txt", "testdata/rules.txt"} {
		for _, b := range readBlocks(t, path) {
			address := b.serve(t)
			for _, e := range b.cases {
				if e.client == "" || e.helo == "" || !addr.IsASCII(e.from) {
					continue // it cannot be asked
				}
				asked = append(asked, question{e, path, b.name})
				input.WriteString(address + "\t" + e.client + "\t" + e.from + "\t" + e.helo + "\n")
			}
		}
	}
	cmd := exec.Command(python, "-c", pyspfProgram)
	cmd.Stdin = &input
	out, err := cmd.Output()
	require.NoError(t, err)
	verdicts := strings.Fields(string(out))
	require.Len(t, verdicts, len(asked))
	agreed := 0
	for i, q := range asked {
		switch _, known := differs[q.block+"|"+q.client+"|"+q.from]; {
		case verdicts[i] == string(q.want):
			agreed++
		case !known:
			t.Errorf("%s:%d: %s %s: pyspf says %s, want %s", q.path, q.line, q.block, q.from, verdicts[i], q.want)
		}
	}
	t.Logf("pyspf agrees in %d of %d cases", agreed, len(asked))
}

// suite is one scenario of the openspf.org test suite, which comes with python3-spf.
type suite struct {
	Description string
	Tests       map[string]struct {
		Helo, Host, Mailfrom string
		Result               any
	}
	Zonedata map[string][]any
}

// TestOpenspf runs the test suite of RFC 7208.
func TestOpenspf(t *testing.T) {
	const path = "/usr/share/doc/python3-spf/rfc7208-tests.yml.gz"
	packed, err := os.Open(path)
	if err != nil {
		testserver.Need(t, path)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(unpacked)
	for {
		var s suite
		err := decoder.Decode(&s)
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		if len(s.Tests) > 0 {
			t.Run(s.Description, s.run)
		}
	}
}

func (s suite) run(t *testing.T) {
	checker := &spf.Checker{Resolver: resolverAt(t, testserver.DNS(t, s.answer))}
	for name, test := range s.Tests {
		mail := &checks.Mail{Client: netip.MustParseAddr(test.Host), Hostname: test.Helo, Envelope: test.Mailfrom}
		results, err := checker.Check(context.Background(), mail)
		require.NoError(t, err)
		var want []any
		if list, ok := test.Result.([]any); ok {
			want = list
		} else {
			want = []any{test.Result}
		}
		if reason, ours := openspfDiffers[name]; ours {
			t.Logf("%s: %s: %s", name, results[0].Verdict, reason)
			continue
		}
		if !slices.Contains(want, any(string(results[0].Verdict))) {
			t.Errorf("%s: %s (%s), want %v", name, results[0].Verdict, results[0].Reason, want)
		}
	}
}

// openspfDiffers lists the tests of the suite that we do not follow, and why.
var openspfDiffers = map[string]string{
	"a-colon-domain":            noSlash,
	"a-colon-domain-ip4mapped":  noSlash,
	"mx-colon-domain":           noSlash,
	"mx-colon-domain-ip4mapped": noSlash,
	"macro-mania-in-domain":     "our resolver asks for no host with spaces in its name",
	"p-macro-multiple":          "%{p} is unknown, as section 7.3 permits",
}

const noSlash = "a slash in a name ends it: no host has one"

// answer serves the zone data. SPF records stand for TXT records too, unless a TXT entry says otherwise.
func (s suite) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name, qtype := strings.ReplaceAll(strings.TrimSuffix(q.Question[0].Name, "."), `\ `, " "),
		dns.TypeToString[q.Question[0].Qtype]
	m.Rcode = dns.RcodeNameError
	for owner, entries := range s.Zonedata {
		if strings.EqualFold(owner, name) {
			m.Rcode = dns.RcodeSuccess
			s.fill(m, entries, qtype)
		}
	}
	_ = w.WriteMsg(m)
}

func (s suite) fill(m *dns.Msg, entries []any, qtype string) {
	ownTXT := false
	for _, entry := range entries {
		if e, ok := entry.(map[string]any); ok && e["TXT"] != nil {
			ownTXT = true
		}
	}
	for _, entry := range entries {
		e, ok := entry.(map[string]any)
		if !ok { // "TIMEOUT": what was not listed before it gets no answer
			if len(m.Answer) == 0 {
				m.Rcode = dns.RcodeServerFailure
			}
			continue
		}
		for kind, value := range e {
			if kind == "SPF" && !ownTXT {
				kind = "TXT"
			}
			if value == "NONE" || kind != qtype && kind != "CNAME" {
				continue
			}
			if rr := record(m.Question[0].Name, kind, value); rr != nil {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
}

func record(owner, kind string, value any) dns.RR {
	header := dns.RR_Header{Name: owner, Class: dns.ClassINET, Ttl: 60}
	switch kind {
	case "TXT":
		header.Rrtype = dns.TypeTXT
		rr := &dns.TXT{Hdr: header}
		if list, ok := value.([]any); ok {
			for _, piece := range list {
				rr.Txt = append(rr.Txt, piece.(string))
			}
			return rr
		}
		text := value.(string)
		for len(text) > 255 {
			rr.Txt = append(rr.Txt, text[:255])
			text = text[255:]
		}
		rr.Txt = append(rr.Txt, text)
		return rr
	case "A":
		header.Rrtype = dns.TypeA
		return &dns.A{Hdr: header, A: netip.MustParseAddr(value.(string)).AsSlice()}
	case "AAAA":
		header.Rrtype = dns.TypeAAAA
		return &dns.AAAA{Hdr: header, AAAA: netip.MustParseAddr(value.(string)).AsSlice()}
	case "MX":
		header.Rrtype = dns.TypeMX
		pair := value.([]any)
		return &dns.MX{Hdr: header, Preference: uint16(pair[0].(int)), Mx: dns.Fqdn(pair[1].(string))}
	case "PTR":
		header.Rrtype = dns.TypePTR
		return &dns.PTR{Hdr: header, Ptr: dns.Fqdn(value.(string))}
	case "CNAME":
		header.Rrtype = dns.TypeCNAME
		return &dns.CNAME{Hdr: header, Target: dns.Fqdn(value.(string))}
	}
	return nil
}
