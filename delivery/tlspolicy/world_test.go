package tlspolicy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/tlspolicy"
	"github.com/sluicemail/sluice/delivery/tlsreport"
	"github.com/sluicemail/sluice/internal/testserver"
)

// world has name servers, policy hosts and mail servers.
type world struct {
	ca       *authority
	servers  map[string]netip.AddrPort
	finder   *mx.Finder
	policies *tlspolicy.Policies
	client   *tls.Config

	mu      sync.Mutex
	counted []string // sessions, as "domain type violation"
}

// count notes a session.
func (w *world) count(domain, _ string, p tlsreport.Policy, s delivery.TLSSession) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := domain + " " + p.Type
	if s.Violation != nil {
		text += " " + s.Violation.Type
	}
	w.counted = append(w.counted, text)
}

func newWorld(t *testing.T) *world {
	testserver.Need(t, "knotd", "keymgr", "unbound")
	w := &world{ca: newAuthority(t), servers: map[string]netip.AddrPort{}}
	for kind := range starttls {
		w.servers[kind] = w.ca.serveMail(t, kind)
	}
	w.client = &tls.Config{RootCAs: w.ca.pool}
	dns, err := resolver.New(resolver.Options{Servers: []string{w.nameServer(t)}, TrustAD: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dns.Close()) })
	w.policies = &tlspolicy.Policies{Resolver: dns, Roots: w.ca.pool, Dial: w.ca.servePolicies(t), Directory: t.TempDir(),
		Overridden: func(host string) bool { return host == "given.signed.test" }, Logger: slog.New(slog.DiscardHandler), Count: w.count}
	require.NoError(t, w.policies.Start())
	t.Cleanup(func() { require.NoError(t, w.policies.Close()) })
	w.finder = &mx.Finder{Resolver: dns, AllowPrivate: true, Policy: w.policies.Domain}
	return w
}

// domainOf is the domain of a policy: what has to do with DANE is in a signed zone.
func domainOf(policy string) string {
	zone := "unsigned.test"
	if strings.HasPrefix(policy, "dane") && policy != "dane-insecure" {
		zone = "signed.test"
	}
	return policy + "." + zone
}

// nameServer starts a validating resolver before zones that are signed, not signed, and signed with a key that the
// resolver does not trust.
func (w *world) nameServer(t *testing.T) string {
	const head = "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
	signed, unsigned := head, head
	for _, policy := range strings.Fields(`dane-ee dane-ee-512 dane-ee-whole dane-ee-expired dane-ee-self dane-ta dane-ta-whole
		dane-wrong dane-unusable dane-absent dane-and-sts dane-wrong-and-sts`) {
		signed += fmt.Sprintf("%s MX 10 mx.%[1]s\nmx.%[1]s A 127.0.0.1\n", policy)
		signed += w.tlsa("mx."+policy, "mx."+policy+".signed.test", policy)
	}
	signed += "_mta-sts.dane-and-sts TXT \"v=STSv1; id=1\"\n_mta-sts.dane-wrong-and-sts TXT \"v=STSv1; id=1\"\n"
	signed += "dane-alias MX 10 mx.dane-alias\nmx.dane-alias CNAME target\ntarget A 127.0.0.1\n" +
		w.tlsa("target", "target.signed.test", "dane-ee")
	signed += "dane-alias-outside MX 10 mx.dane-alias-outside\nmx.dane-alias-outside CNAME outside.unsigned.test.\n" +
		w.tlsa("mx.dane-alias-outside", "mx.dane-alias-outside.signed.test", "dane-ee")
	signed += "dane-bogus MX 10 mx.bogus.test.\ndane-insecure-mx MX 10 mx.dane-insecure-mx.unsigned.test.\n"
	unsigned += "outside A 127.0.0.1\nmx.dane-insecure-mx A 127.0.0.1\n" +
		w.tlsa("mx.dane-insecure-mx", "mx.dane-insecure-mx.unsigned.test", "dane-wrong")
	unsigned += "dane-insecure MX 10 mx.dane-insecure\nmx.dane-insecure A 127.0.0.1\n" +
		w.tlsa("mx.dane-insecure", "mx.dane-insecure.unsigned.test", "dane-wrong")
	for _, policy := range strings.Fields(`none sts-enforce sts-testing sts-none sts-expired sts-broken sts-huge sts-bad-record sts-two-records
		sts-redirected sts-html sts-other-name sts-down sts-no-such-mx sts-testing-no-mx sts-shared-a sts-shared-b`) {
		unsigned += fmt.Sprintf("%s MX 10 mx.%[1]s\nmx.%[1]s A 127.0.0.1\n", policy)
		switch policy {
		case "none":
		case "sts-bad-record":
			unsigned += "_mta-sts." + policy + " TXT \"v=STSv1; id=no good\"\n"
		case "sts-two-records":
			unsigned += "_mta-sts." + policy + " TXT \"v=STSv1; id=1\"\n_mta-sts." + policy + " TXT \"v=STSv1; id=2\"\n"
		default:
			unsigned += "_mta-sts." + policy + " TXT \"v=STSv1; id=1;\"\n"
		}
	}
	bogus := head + "mx A 127.0.0.1\n"
	knot := testserver.Knot(t, map[string]string{"signed.test": signed, "unsigned.test": unsigned, "bogus.test": bogus},
		"signed.test", "bogus.test")
	other := testserver.Knot(t, map[string]string{"bogus.test": bogus}, "bogus.test")
	return testserver.Unbound(t, map[string]string{"signed.test": knot.Address, "unsigned.test": knot.Address,
		"bogus.test": knot.Address}, anchors(t, knot.TrustAnchor, other.TrustAnchor), "unsigned.test")
}

// anchors joins the keys of signed.test in one file with those of bogus.test in another.
func anchors(t *testing.T, signed, bogus string) string {
	var kept strings.Builder
	for file, zone := range map[string]string{signed: "signed.test.", bogus: "bogus.test."} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, zone) {
				kept.WriteString(line)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "anchors")
	require.NoError(t, os.WriteFile(path, []byte(kept.String()), 0o644))
	return path
}

// tlsa returns the TLSA records that a policy is about, for a host on the ports of all servers.
func (w *world) tlsa(name, host, policy string) (records string) {
	var data string
	key := w.ca.leaf(t0, "good", host).Leaf.RawSubjectPublicKeyInfo
	sum256 := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	switch policy {
	case "dane-ee", "dane-ee-expired", "dane-and-sts":
		data = "3 1 1 " + sum256(key)
	case "dane-ee-512":
		sum := sha512.Sum512(key)
		data = "3 1 2 " + hex.EncodeToString(sum[:])
	case "dane-ee-whole":
		data = "3 0 0 " + hex.EncodeToString(w.ca.leaf(t0, "good", host).Leaf.Raw)
	case "dane-ee-self":
		data = "3 0 1 " + sum256(w.ca.leaf(t0, "self-signed", host).Leaf.Raw)
	case "dane-ta":
		data = "2 1 1 " + sum256(w.ca.cert.RawSubjectPublicKeyInfo)
	case "dane-ta-whole":
		data = "2 0 0 " + hex.EncodeToString(w.ca.cert.Raw)
	case "dane-wrong", "dane-wrong-and-sts":
		data = "3 1 1 " + strings.Repeat("00", 32)
	case "dane-unusable":
		data = "1 1 1 " + sum256(key)
	default:
		return ""
	}
	for _, server := range w.servers {
		records += fmt.Sprintf("_%d._tcp.%s TLSA %s\n", server.Port(), name, data)
	}
	return records
}

// t0 is now for certificates.
var t0 = time.Now()

// authority issues the certificates of a test, and remembers them.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	mu   sync.Mutex
	made map[string]*tls.Certificate
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"},
		NotBefore: t0.Add(-time.Hour), NotAfter: t0.Add(60 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a := &authority{cert: cert, key: key, pool: x509.NewCertPool(), made: map[string]*tls.Certificate{}}
	a.pool.AddCert(cert)
	return a
}

// leaf returns the certificate of a kind for a name, the same each time. All have the key of the authority but those
// that are self-signed.
func (a *authority) leaf(now time.Time, kind, name string) *tls.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.made[kind+" "+name]; c != nil {
		return c
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(len(a.made) + 2)), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(60 * 24 * time.Hour), DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	parent, key := a.cert, a.key
	leafKey := key
	switch kind {
	case "wrong-name":
		template.DNSNames = []string{"somebody.else.test"}
	case "expired":
		template.NotBefore, template.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour)
	case "self-signed":
		leafKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		parent, key = template, leafKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, leafKey.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leafKey, Leaf: leaf}
	if kind != "self-signed" {
		c.Certificate = append(c.Certificate, a.cert.Raw)
	}
	a.made[kind+" "+name] = c
	return c
}

// config is what a server of a kind has for TLS: certificates for the names it is asked for.
func (a *authority) config(kind string) *tls.Config {
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if kind == "no-requiretls" {
			return a.leaf(t0, "good", hello.ServerName), nil
		}
		return a.leaf(t0, kind, hello.ServerName), nil
	}}
}

// starttls says how each kind of mail server answers STARTTLS; "": it does not offer it.
var starttls = map[string]string{"good": "220", "wrong-name": "220", "expired": "220", "self-signed": "220",
	"no-starttls": "", "refused": "454", "broken": "220", "old-tls": "220", "no-requiretls": "220"}

// serveMail starts a mail server that takes all mail.
func (a *authority) serveMail(t *testing.T, kind string) netip.AddrPort {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { a.converse(conn, kind) })
		}
	})
	t.Cleanup(func() { l.Close(); sessions.Wait() })
	return loopback(l.Addr().(*net.TCPAddr).AddrPort().Port())
}

func (a *authority) converse(conn net.Conn, kind string) {
	defer func() { conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r, secured, inMail := bufio.NewReader(conn), false, false
	say := func(text string) { _, _ = fmt.Fprint(conn, text, "\r\n") }
	say("220 mx.test ESMTP")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		switch {
		case inMail && line == ".\r\n":
			inMail = false
			say("250 2.0.0 taken")
		case inMail:
		case verb == "EHLO" && !secured && starttls[kind] != "":
			say("250-mx.test\r\n250 STARTTLS")
		case verb == "EHLO" && secured && kind != "no-requiretls":
			say("250-mx.test\r\n250 REQUIRETLS")
		case verb == "MAIL" && strings.Contains(line, "REQUIRETLS") && (!secured || kind == "no-requiretls"):
			say("555 5.5.4 what is that?")
		case verb == "DATA":
			inMail = true
			say("354 go on")
		case verb == "STARTTLS" && starttls[kind] != "220":
			say(starttls[kind] + " 4.7.0 not now")
		case verb == "STARTTLS" && kind == "broken":
			say("220 2.0.0 go on")
			_, _ = r.ReadByte()
			say("what is this?")
			return
		case verb == "STARTTLS":
			say("220 2.0.0 go on")
			config := a.config(kind)
			if kind == "old-tls" {
				config = a.config("good")
				config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			}
			tc := tls.Server(conn, config)
			if tc.Handshake() != nil {
				return
			}
			conn, secured = tc, true
			r.Reset(conn)
		case verb == "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("250 2.0.0 fine")
		}
	}
}

// servePolicies starts the policy hosts of all domains, and returns what connects to them.
func (a *authority) servePolicies(t *testing.T) func(ctx context.Context, network, address string) (net.Conn, error) {
	const text = "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 604800\r\n"
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		domain := strings.TrimPrefix(r.Host, "mta-sts.")
		policy, _, _ := strings.Cut(domain, ".")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		switch policy {
		case "sts-testing":
			fmt.Fprintf(w, text, "testing", "mx."+domain)
		case "sts-none":
			fmt.Fprint(w, "version: STSv1\nmode: none\nmax_age: 86400\n")
		case "sts-expired":
			fmt.Fprintf(w, "version: STSv1\nmode: enforce\nmx: mx.%s\nmax_age: 0\n", domain)
		case "sts-broken":
			fmt.Fprint(w, "version: STSv2\nmode: enforce\nmx: *.test\nmax_age: 604800\n")
		case "sts-huge":
			fmt.Fprintf(w, text, "enforce", "mx."+domain)
			_, _ = w.Write([]byte(strings.Repeat("extension: x\r\n", 5000)))
		case "sts-long":
			fmt.Fprintf(w, text, "enforce", strings.Repeat(strings.Repeat("a.", 110)+"test\r\nmx: ", 99)+"mx."+domain)
		case "sts-redirected":
			http.Redirect(w, r, "https://mta-sts.sts-enforce.unsigned.test/.well-known/mta-sts.txt", http.StatusFound)
		case "sts-html":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, text, "enforce", "mx."+domain)
		case "sts-no-such-mx":
			fmt.Fprintf(w, text, "enforce", "*.elsewhere.test")
		case "sts-testing-no-mx":
			fmt.Fprintf(w, text, "testing", "mx.elsewhere.test")
		case "sts-shared-a":
			fmt.Fprintf(w, text, "enforce", "a.shared.test\r\nmx: *.shared.test")
		case "sts-shared-b":
			fmt.Fprintf(w, text, "enforce", "*.Shared.test\r\nmx: a.shared.test.")
		default:
			fmt.Fprintf(w, text, "enforce", "mx."+domain)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.TLS = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if strings.HasPrefix(hello.ServerName, "mta-sts.sts-other-name.") {
			return a.leaf(t0, "wrong-name", hello.ServerName), nil
		}
		return a.leaf(t0, "good", hello.ServerName), nil
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "mta-sts.sts-down.") {
			return nil, errors.New("nobody is there")
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
}
