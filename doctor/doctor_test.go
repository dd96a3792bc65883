package doctor

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/sluicemail/sluice/preflight"
)

var now = time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC)

// records are the DNS of a good installation, but for its key.
const records = `example.org SOA ns.example.org
example.org MX 10 mx.example.org
example.org TXT v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all
_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.org
_mta-sts.example.org TXT v=STSv1; id=1
mta-sts.example.org A 192.0.2.80
mx.example.org A 192.0.2.7
mta.example.org A 192.0.2.7
mta.example.org AAAA 2001:db8::7
192.0.2.7 PTR mta.example.org.
2001:db8::7 PTR mta.example.org.
news.example.org MX 10 mx.example.org
news.example.org TXT v=spf1 redirect=example.org
`

// installation is a good one, made wrong in one place.
type installation struct {
	Machine
	zone    string
	policy  string
	record  string // of the key
	banner  string
	offers  string
	answers func(q *dns.Msg, a *dns.Msg) // changes what the DNS server says
	system  goodSystem
	dials   map[string]string // by the address that is asked for
}

// goodSystem is a machine as it should be.
type goodSystem struct {
	disk       Disk
	err        error
	files, mem int64
	unkept     bool
}

func (s *goodSystem) Disk(string) (Disk, error)     { return s.disk, s.err }
func (s *goodSystem) Descriptors() int64            { return s.files }
func (s *goodSystem) Memory() int64                 { return s.mem }
func (s *goodSystem) ClockKept() (kept, known bool) { return !s.unkept, true }

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: now.AddDate(-5, 0, 0), NotAfter: now.AddDate(5, 0, 0), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

// issue makes a certificate in files.
func (a *authority) issue(t *testing.T, from, until time.Time, names ...string) Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names, NotBefore: from,
		NotAfter: until}, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	c := Certificate{Use: "smtp-certificate", Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), Names: []string{"mta.example.org"}}
	require.NoError(t, os.WriteFile(c.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(c.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return c
}

func keyRecord(t *testing.T, public crypto.PublicKey) string {
	if k, ok := public.(ed25519.PublicKey); ok {
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
}

func newInstallation(t *testing.T, a *authority) *installation {
	public := ed25519.NewKeyFromSeed(make([]byte, 32)).Public()
	i := &installation{zone: records, record: keyRecord(t, public), banner: "220 mta.example.org ESMTP", offers: "STARTTLS",
		policy:  "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n",
		answers: func(_, _ *dns.Msg) {}, dials: map[string]string{}}
	i.system = goodSystem{disk: Disk{Free: 100 << 30, Inodes: 1e6, FreeInodes: 9e5, Sync: time.Millisecond}, files: 65536, mem: 4 << 30}
	file := filepath.Join(t.TempDir(), "config.txt")
	require.NoError(t, os.WriteFile(file, nil, 0o640))
	i.Machine = Machine{
		Hostname: "mta.example.org",
		Sources: []Source{{netip.MustParseAddr("192.0.2.7"), "mta.example.org"},
			{netip.MustParseAddr("2001:db8::7"), "mta.example.org"}},
		Domains:      []string{"example.org", "news.example.org"},
		Receives:     []string{"example.org"},
		Keys:         []Key{{"example.org", "s1", public}},
		Listeners:    []Listener{{Name: "smtp", Address: "192.0.2.7:25", StartTLS: true}},
		Consoles:     []string{"127.0.0.1:8485"},
		Certificates: []Certificate{a.issue(t, now.AddDate(0, -1, 0), now.AddDate(0, 2, 0), "mta.example.org")},
		Servers:      []string{"127.0.0.53:53"},
		Validating:   true,
		BlockLists:   []string{"bl.example.net"},
		Directory:    "/var/spool/mtad",
		Connections:  1000,
		Memory:       64 << 20,
		Files:        []string{file},
		Roots:        a.pool,
		Now:          func() time.Time { return now },
	}
	return i
}

// examine starts the servers that the installation has, and examines it.
func (i *installation) examine(t *testing.T, a *authority) *Report {
	z := mailsuite.ParseZone(t, i.zone)
	if i.record != "" {
		z.Add("s1._domainkey.example.org", "TXT", i.record)
	}
	i.Resolver, i.System = z, &i.system
	i.dials["127.0.0.53:53"] = nameServer(t, i.answers)
	i.dials["192.0.2.7:25"] = mailServer(t, i.banner, i.offers)
	i.dials["192.0.2.80:443"] = policyServer(t, a, i.policy)
	i.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if to := i.dials[address]; to != "" {
			return new(net.Dialer).DialContext(ctx, network, to)
		}
		return nil, errors.New("connection refused")
	}
	return Examine(t.Context(), &i.Machine)
}

func nameServer(t *testing.T, change func(q, a *dns.Msg)) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(ready) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			answer := new(dns.Msg).SetReply(q)
			answer.RecursionAvailable = true
			if q.Question[0].Name == "." {
				answer.AuthenticatedData = true
				soa, _ := dns.NewRR(". 60 IN SOA a.root. b.root. 1 2 3 4 5")
				signature := &dns.RRSIG{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeRRSIG, Class: dns.ClassINET}, TypeCovered: dns.TypeSOA,
					Inception: uint32(now.AddDate(0, 0, -2).Unix()), Expiration: uint32(now.AddDate(0, 0, 10).Unix()), SignerName: ".", Signature: "AAAA"}
				answer.Answer = []dns.RR{soa, signature}
			} else {
				answer.Rcode = dns.RcodeNameError
			}
			change(q, answer)
			_ = w.WriteMsg(answer)
		})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	return conn.LocalAddr().String()
}

// mailServer greets with a banner, and offers an extension; without a banner it hangs up.
func mailServer(t *testing.T, banner, offers string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if banner == "" {
				conn.Close()
				continue
			}
			fmt.Fprintf(conn, "%s\r\n", banner)
			lines := bufio.NewReader(conn)
			if line, err := lines.ReadString('\n'); err == nil && strings.HasPrefix(line, "EHLO") {
				fmt.Fprintf(conn, "250-mta.example.org\r\n250 %s\r\n", offers)
			}
			_, _ = io.Copy(io.Discard, lines)
			conn.Close()
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

func policyServer(t *testing.T, a *authority, policy string) string {
	c := a.issue(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "mta-sts.example.org")
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			if policy == "" || r.URL.Path != "/.well-known/mta-sts.txt" {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = io.WriteString(w, policy)
		})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = s.Close(); <-ended })
	return l.Addr().String()
}

// drop takes what begins so out of the zone, and adds lines.
func (i *installation) drop(begin string, lines ...string) {
	var left []string
	for line := range strings.Lines(i.zone) {
		if !strings.HasPrefix(line, begin) {
			left = append(left, line)
		}
	}
	i.zone = strings.Join(left, "") + strings.Join(lines, "\n") + "\n"
}

// No false alarm: nothing is found in what is in order, however it is.
func TestGood(t *testing.T) {
	a := newAuthority(t)
	for name, change := range map[string]func(*installation){
		"as it is":           func(*installation) {},
		"without MTA-STS":    func(i *installation) { i.drop("_mta-sts") },
		"nothing to look at": func(i *installation) { i.Machine = Machine{Now: i.Now} },
		"reports to others": func(i *installation) {
			i.drop("_dmarc", "_dmarc.example.org TXT v=DMARC1; p=none; rua=mailto:x@reports.example", "example.org._report._dmarc.reports.example TXT v=DMARC1")
		},
		"testing policy of MTA-STS": func(i *installation) { i.policy = "version: STSv1\nmode: testing\nmx: *.example.org\nmax_age: 86400\n" },
		"block list that limits": func(i *installation) {
			i.BlockLists = []string{"bl.example.net=127.0.0.4"}
			i.zone += "7.2.0.192.bl.example.net A 127.0.0.2\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstallation(t, a)
			change(i)
			report := i.examine(t, a)
			require.Empty(t, report.Findings)
			require.Equal(t, preflight.Severity(""), report.Worst())
			require.Len(t, report.Checks, len(Checks()))
		})
	}
}

// Each planted fault is named, with where it is, and nothing else is.
func TestFaults(t *testing.T) {
	a := newAuthority(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for _, c := range []struct {
		name, want, where string
		change            func(*testing.T, *installation)
	}{
		{"no PTR", "no-ptr", "192.0.2.7", func(_ *testing.T, i *installation) { i.drop("192.0.2.7") }},
		{"PTR leads elsewhere", "ptr-mismatch", "192.0.2.7", func(_ *testing.T, i *installation) {
			i.drop("192.0.2.7", "192.0.2.7 PTR old.example.org.", "old.example.org A 192.0.2.99")
		}},
		{"EHLO with a bare name", "helo-invalid", "192.0.2.7", func(_ *testing.T, i *installation) { i.Sources[0].Name = "localhost" }},
		{"EHLO with a name that is not there", "helo-unresolved", "192.0.2.7", func(_ *testing.T, i *installation) { i.Sources[0].Name = "gone.example.org" }},
		{"EHLO with the name of another", "helo-elsewhere", "192.0.2.7", func(_ *testing.T, i *installation) {
			i.Sources[0].Name = "b.example.org"
			i.zone += "b.example.org A 192.0.2.8\n"
		}},
		{"EHLO and PTR differ", "helo-not-ptr", "192.0.2.7", func(_ *testing.T, i *installation) {
			i.Sources[0].Name = "b.example.org"
			i.zone += "b.example.org A 192.0.2.7\n"
		}},
		{"no SPF", "no-spf", "news.example.org", func(_ *testing.T, i *installation) { i.drop("news.example.org TXT") }},
		{"SPF broken", "spf-broken", "news.example.org", func(_ *testing.T, i *installation) {
			i.drop("news.example.org TXT", "news.example.org TXT v=spf1 ipv4:192.0.2.7 -all")
		}},
		{"SPF misses an address", "spf-misses", "news.example.org", func(_ *testing.T, i *installation) {
			i.drop("news.example.org TXT", "news.example.org TXT v=spf1 ip4:192.0.2.7 -all")
		}},
		{"SPF lets all send", "spf-all", "news.example.org", func(_ *testing.T, i *installation) {
			i.drop("news.example.org TXT", "news.example.org TXT v=spf1 +all")
		}},
		{"key not published", "dkim-missing", "s1._domainkey.example.org", func(_ *testing.T, i *installation) { i.record = "" }},
		{"key revoked", "dkim-missing", "s1._domainkey.example.org", func(_ *testing.T, i *installation) { i.record = "v=DKIM1; p=" }},
		{"another key published", "dkim-other", "s1._domainkey.example.org", func(t *testing.T, i *installation) {
			i.record = keyRecord(t, ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", 32))).Public())
		}},
		{"key record broken", "dkim-broken", "s1._domainkey.example.org", func(_ *testing.T, i *installation) { i.record = "v=DKIM1; p=!!" }},
		{"key of 1024 bits", "dkim-1024", "s1._domainkey.example.org", func(t *testing.T, i *installation) {
			i.Keys[0].Public, i.record = weak.Public(), keyRecord(t, weak.Public())
		}},
		{"key for testing", "dkim-testing", "s1._domainkey.example.org", func(_ *testing.T, i *installation) { i.record += "; t=y" }},
		{"domain without a key", "dkim-none", "other.example", func(_ *testing.T, i *installation) {
			i.Domains = append(i.Domains, "other.example")
			i.zone += "other.example SOA ns.other.example\nother.example MX 10 mx.example.org\nother.example TXT v=spf1 redirect=example.org\n_dmarc.other.example TXT v=DMARC1; p=none\n"
		}},
		{"no DMARC", "no-dmarc no-dmarc", "example.org", func(_ *testing.T, i *installation) { i.drop("_dmarc") }},
		{"two DMARC policies", "dmarc-several dmarc-several", "_dmarc.example.org", func(_ *testing.T, i *installation) { i.zone += "_dmarc.example.org TXT v=DMARC1; p=none\n" }},
		{"DMARC broken", "dmarc-broken dmarc-broken", "_dmarc.example.org", func(_ *testing.T, i *installation) { i.drop("_dmarc", "_dmarc.example.org TXT v=DMARC1; p=maybe") }},
		{"reports refused", "dmarc-reports-refused dmarc-reports-refused", "_dmarc.example.org", func(_ *testing.T, i *installation) {
			i.drop("_dmarc", "_dmarc.example.org TXT v=DMARC1; p=none; rua=mailto:x@reports.example")
		}},
		{"no MX", "no-mx", "news.example.org", func(_ *testing.T, i *installation) { i.drop("news.example.org MX") }},
		{"null MX", "mx-null", "news.example.org", func(_ *testing.T, i *installation) { i.drop("news.example.org MX", "news.example.org MX 0 .") }},
		{"MX without an address", "mx-no-address", "news.example.org", func(_ *testing.T, i *installation) {
			i.drop("news.example.org MX", "news.example.org MX 10 gone.example.org")
		}},
		{"MX elsewhere", "mx-elsewhere", "example.org", func(_ *testing.T, i *installation) { i.drop("mx.example.org A", "mx.example.org A 192.0.2.99") }},
		{"no SOA", "no-soa no-soa", "example.org", func(_ *testing.T, i *installation) { i.drop("example.org SOA") }},
		{"MTA-STS policy not served", "sts-policy", "example.org", func(_ *testing.T, i *installation) { i.policy = "" }},
		{"MTA-STS record broken", "sts-policy", "example.org", func(_ *testing.T, i *installation) { i.drop("_mta-sts", "_mta-sts.example.org TXT v=STSv1") }},
		{"MTA-STS without the MX", "sts-mx", "example.org", func(_ *testing.T, i *installation) { i.policy = strings.Replace(i.policy, "mx.", "old.", 1) }},
		{"listed", "listed", "192.0.2.7", func(_ *testing.T, i *installation) {
			i.zone += "7.2.0.192.bl.example.net A 127.0.0.2\n7.2.0.192.bl.example.net TXT see example.net\n"
		}},
		{"port closed", "port-closed", "smtp", func(_ *testing.T, i *installation) { i.Listeners[0].Address = "192.0.2.7:26" }},
		{"port silent", "port-silent", "smtp", func(_ *testing.T, i *installation) { i.banner = "" }},
		{"port refuses", "port-refuses", "smtp", func(_ *testing.T, i *installation) { i.banner = "421 come back later" }},
		{"no STARTTLS", "no-starttls", "smtp", func(_ *testing.T, i *installation) { i.offers = "8BITMIME" }},
		{"console in clear", "console-clear", "0.0.0.0:8485", func(_ *testing.T, i *installation) { i.Consoles = []string{"0.0.0.0:8485"} }},
		{"certificate over", "cert-expired", "smtp-certificate", func(t *testing.T, i *installation) {
			i.Certificates = []Certificate{a.issue(t, now.AddDate(-1, 0, 0), now.AddDate(0, 0, -1), "mta.example.org")}
		}},
		{"certificate soon over", "cert-expiring", "smtp-certificate", func(t *testing.T, i *installation) {
			i.Certificates = []Certificate{a.issue(t, now.AddDate(-1, 0, 0), now.AddDate(0, 0, 5), "mta.example.org")}
		}},
		{"certificate to come", "cert-early", "smtp-certificate", func(t *testing.T, i *installation) {
			i.Certificates = []Certificate{a.issue(t, now.AddDate(0, 0, 1), now.AddDate(0, 3, 0), "mta.example.org")}
		}},
		{"certificate of another name", "cert-name", "smtp-certificate", func(t *testing.T, i *installation) {
			i.Certificates = []Certificate{a.issue(t, now.AddDate(0, -1, 0), now.AddDate(0, 2, 0), "www.example.org")}
		}},
		{"key of another certificate", "cert-files", "smtp-certificate", func(t *testing.T, i *installation) {
			i.Certificates[0].Key = a.issue(t, now, now.AddDate(0, 2, 0), "mta.example.org").Key
		}},
		{"certificate of nobody", "cert-chain", "smtp-certificate", func(t *testing.T, i *installation) {
			i.Certificates = []Certificate{newAuthority(t).issue(t, now.AddDate(0, -1, 0), now.AddDate(0, 2, 0), "mta.example.org")}
		}},
		{"DNS server fails", "resolver-silent", "127.0.0.53:53", func(_ *testing.T, i *installation) {
			i.answers = func(_, a *dns.Msg) { a.Rcode, a.Answer = dns.RcodeRefused, nil }
		}},
		{"DNS server does not validate", "resolver-not-validating", "127.0.0.53:53", func(_ *testing.T, i *installation) {
			i.answers = func(_, a *dns.Msg) { a.AuthenticatedData = false }
		}},
		{"DNS server lies", "resolver-lies", "127.0.0.53:53", func(_ *testing.T, i *installation) {
			i.answers = func(q, a *dns.Msg) {
				if q.Question[0].Qtype == dns.TypeA {
					ad, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.66")
					a.Rcode, a.Answer = dns.RcodeSuccess, []dns.RR{ad}
				}
			}
		}},
		{"public DNS server", "resolver-public", "8.8.8.8:53", func(t *testing.T, i *installation) {
			i.Servers = []string{"8.8.8.8:53"}
			i.dials["8.8.8.8:53"] = nameServer(t, i.answers)
		}},
		{"open resolver", "resolver-open", "192.0.2.7", func(t *testing.T, i *installation) {
			i.dials["192.0.2.7:53"] = nameServer(t, i.answers)
		}},
		{"clock wrong", "clock-wrong", "clock", func(_ *testing.T, i *installation) {
			i.Certificates, i.Now = nil, func() time.Time { return now.AddDate(0, 1, 0) }
		}},
		{"clock not kept", "clock-unkept", "clock", func(_ *testing.T, i *installation) { i.system.unkept = true }},
		{"disk full", "disk-full", "/var/spool/mtad", func(_ *testing.T, i *installation) { i.system.disk.Free = 1 << 20 }},
		{"disk nearly full", "disk-low", "/var/spool/mtad", func(_ *testing.T, i *installation) { i.system.disk.Free = 1 << 30 }},
		{"few inodes", "inodes-low", "/var/spool/mtad", func(_ *testing.T, i *installation) { i.system.disk.FreeInodes = 10 }},
		{"queue in memory", "disk-volatile", "/var/spool/mtad", func(_ *testing.T, i *installation) { i.system.disk.Volatile = true }},
		{"slow disk", "fsync-slow", "/var/spool/mtad", func(_ *testing.T, i *installation) { i.system.disk.Sync = time.Second }},
		{"directory unusable", "disk-unusable", "/var/spool/mtad", func(_ *testing.T, i *installation) { i.system.err = os.ErrPermission }},
		{"few descriptors", "descriptors-few", "file descriptors", func(_ *testing.T, i *installation) { i.Connections, i.system.files = 0, 1024 }},
		{"more connections than descriptors", "descriptors-over", "file descriptors", func(_ *testing.T, i *installation) { i.Connections = 70_000 }},
		{"little memory", "memory-little", "memory", func(_ *testing.T, i *installation) { i.system.mem, i.Memory = 128<<20, 1<<20 }},
		{"more memory than there is", "memory-over", "memory", func(_ *testing.T, i *installation) { i.Memory = 3 << 30 }},
		{"configuration", "config", "config.txt:7", func(_ *testing.T, i *installation) {
			i.Advice = []Advice{{Where: "config.txt:7", Text: "does nothing"}}
		}},
		{"readable secrets", "file-readable", "config.txt", func(t *testing.T, i *installation) { require.NoError(t, os.Chmod(i.Files[0], 0o644)) }},
		{"database away", "settings-away", "settings database", func(_ *testing.T, i *installation) { i.Settings = errors.New("it is away") }},
		{"broken row", "settings-broken", "settings database", func(_ *testing.T, i *installation) { i.Broken = []string{"table locals, id 7: no pattern"} }},
		{"DNS does not answer", "no-answer", "news.example.org", func(_ *testing.T, i *installation) { i.drop("news.example.org TXT", "news.example.org SERVFAIL") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newInstallation(t, a)
			c.change(t, i)
			report := i.examine(t, a)
			var ids []string
			for _, f := range report.Findings {
				if f.ID != "no-answer" || c.want == "no-answer" {
					ids = append(ids, f.ID)
				}
				require.NotEmpty(t, f.What)
				require.NotEmpty(t, f.Remedy)
				require.NotEmpty(t, f.Check)
			}
			if c.want == "no-answer" {
				require.NotEmpty(t, ids)
				require.NotContains(t, strings.Join(ids, " "), "-spf", "what is not known blames nobody")
				return
			}
			require.Equal(t, c.want, strings.Join(ids, " "), "%+v", report.Findings)
			require.Contains(t, report.Findings[0].Where, c.where)
			require.NotEmpty(t, report.Worst())
		})
	}
}

// An examination whose time is over ends, and says that there may be more.
func TestTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report := examine(ctx, &Machine{}, []Check{{Name: "slow", run: func(r *round) { <-r.ctx.Done() }}})
	require.True(t, report.Checks[0].Late)
}

// The machine below is one that can be asked.
func TestThisSystem(t *testing.T) {
	d, err := thisSystem{}.Disk(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, d.Free)
	require.Positive(t, d.Sync)
	require.Positive(t, thisSystem{}.Descriptors())
	_, err = thisSystem{}.Disk(filepath.Join(t.TempDir(), "gone"))
	require.Error(t, err)
}
