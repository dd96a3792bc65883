package spf_test

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/spf"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/testserver"
)

// The files in testdata are blocks of a zone and what is expected of it. Lines are:
//
//	# a comment
//	== the name of a block; records before the first one are in the zones of all
//	policy NAME TEXT      a TXT record, in pieces of 255 octets
//	text NAME TEXT        the same, or "quoted" pieces as in a zone file
//	fails NAME            the server fails when it is asked for this name
//	? CLIENT HELO FROM VERDICT   "-" is unknown or empty, <> the null sender
//	anything else         a record as in a zone file, with absolute names

type block struct {
	name  string
	zone  string
	fails map[string]bool
	cases []envelope
}

type envelope struct {
	line               int
	client, helo, from string
	want               checks.Verdict
}

func (e envelope) mail() *checks.Mail {
	m := &checks.Mail{Hostname: e.helo, Envelope: e.from}
	if e.client != "" {
		m.Client = netip.MustParseAddr(e.client)
	}
	return m
}

func readBlocks(t testing.TB, path string) []block {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var blocks []block
	shared := block{fails: map[string]bool{}}
	now := &shared
	scanner := bufio.NewScanner(file)
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSpace(scanner.Text())
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#":
		case "==":
			blocks = append(blocks, block{name: rest, zone: shared.zone, fails: map[string]bool{}})
			now = &blocks[len(blocks)-1]
		case "policy", "text":
			name, text, _ := strings.Cut(rest, " ")
			if !strings.HasPrefix(text, `"`) {
				text = quoted(text)
			}
			now.zone += name + " TXT " + text + "\n"
		case "fails":
			now.fails[rest] = true
		case "?":
			e, err := readCase(rest)
			require.NoError(t, err, "%s:%d", path, number)
			e.line = number
			now.cases = append(now.cases, e)
		default:
			now.zone += line + "\n"
		}
	}
	require.NoError(t, scanner.Err())
	return blocks
}

// readCase reads CLIENT HELO FROM VERDICT. Only FROM may contain spaces.
func readCase(line string) (envelope, error) {
	fields := strings.Fields(line)
	if len(fields) < 4 {
		return envelope{}, fmt.Errorf("%q: want client, helo, from and verdict", line)
	}
	last := len(fields) - 1
	e := envelope{client: fields[0], helo: fields[1], from: strings.Join(fields[2:last], " "),
		want: checks.Verdict(fields[last])}
	for _, s := range []*string{&e.client, &e.helo} {
		if *s == "-" {
			*s = ""
		}
	}
	if e.from == "<>" {
		e.from = ""
	}
	return e, nil
}

func quoted(text string) string {
	var pieces []string
	for len(text) > 255 {
		pieces = append(pieces, `"`+text[:255]+`"`)
		text = text[255:]
	}
	return strings.Join(append(pieces, `"`+text+`"`), " ")
}

// serve starts a name server for a block and returns its address.
func (b block) serve(t testing.TB) string {
	zone := testserver.Zone(t, b.zone)
	return testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if b.fails[strings.ToLower(q.Question[0].Name)] {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
			return
		}
		zone(w, q)
	})
}

// resolverAt returns a resolver that asks one server.
func resolverAt(t testing.TB, address string) *resolver.Resolver {
	t.Helper()
	r, err := resolver.New(resolver.Options{Servers: []string{address}, HostsFile: "-"})
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func TestCases(t *testing.T) {
	for _, path := range []string{"testdata/rfc7208-appendix.txt", "testdata/rules.txt"} {
		for _, b := range readBlocks(t, path) {
			t.Run(b.name, func(t *testing.T) {
				checker := &spf.Checker{Resolver: resolverAt(t, b.serve(t))}
				for _, e := range b.cases {
					results, err := checker.Check(context.Background(), e.mail())
					require.NoError(t, err)
					require.Len(t, results, 1)
					if got := results[0]; got.Verdict != e.want {
						t.Errorf("%s:%d: %s (%s), want %s", path, e.line, got.Verdict, got.Reason, e.want)
					}
				}
			})
		}
	}
}
