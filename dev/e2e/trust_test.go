package e2e

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// cell is a domain, and what becomes of its mail.
type cell struct {
	domain  string
	verdict string // "tls", "clear" or "deferred"
	policy  string // that applied: "dane", "sts", "none"; "": the DNS is broken before one is asked for
	says    string // part of what the test of an address says at the end
	failure string // of RFC 8460; "": none
}

const (
	asDANE   = "Mail goes over TLS, as the DANE policy demands."
	asSTS    = "Mail goes over TLS, as the MTA-STS policy demands."
	asAny    = "Mail goes over TLS with a certificate that nobody vouches for"
	violates = "Mail waits: the host violates its "
)

// daneCells are judged by Postfix as well.
var daneCells = []cell{
	{"good.signed.test", "tls", "dane", asDANE, ""},
	{"alias.signed.test", "tls", "dane", asDANE, ""},
	{"unusable.signed.test", "tls", "dane", asDANE, ""},
	{"wrong.signed.test", "deferred", "dane", violates + "DANE policy (validation-failure", "validation-failure"},
	{"plain.signed.test", "deferred", "dane", violates + "DANE policy (starttls-not-supported", "starttls-not-supported"},
	{"absent.signed.test", "tls", "none", asAny, ""},
	{"insecure.unsigned.test", "tls", "none", asAny, ""},
	{"clear.unsigned.test", "clear", "none", "Mail goes in clear text.", "starttls-not-supported"},
	{"to-bogus.signed.test", "deferred", "", violates + "DANE policy (dnssec-invalid", ""},
	{"to-expired.signed.test", "deferred", "", violates + "DANE policy (dnssec-invalid", ""},
	{"bogus.test", "deferred", "", "Mail waits: where it is to go cannot be found out", ""},
	{"expired.test", "deferred", "", "Mail waits: where it is to go cannot be found out", ""},
}

// stsCells are judged by mtad alone: Postfix knows nothing of MTA-STS by itself.
var stsCells = []cell{
	{"sts-good.unsigned.test", "tls", "sts", asSTS, ""},
	{"sts-name.unsigned.test", "deferred", "sts", violates + "MTA-STS policy (certificate-host-mismatch", "certificate-host-mismatch"},
	{"sts-plain.unsigned.test", "deferred", "sts", violates + "MTA-STS policy (starttls-not-supported", "starttls-not-supported"},
	{"sts-other.unsigned.test", "deferred", "sts", "is none of the hosts in the MTA-STS policy", "validation-failure"},
	{"sts-testing.unsigned.test", "tls", "sts", "though the MTA-STS policy is violated (certificate-host-mismatch)", "certificate-host-mismatch"},
	{"sts-down.unsigned.test", "tls", "none", asAny, "sts-policy-fetch-error"},
}

// TestTrust sends mail to a Postfix behind DANE and MTA-STS as domains publish them rightly and wrongly, over real
// zones: mtad and a Postfix that obeys DANE come to the same verdicts, the test of each address says the verdict in a
// sentence, and the REST API tells afterwards which policy applied and what went wrong.
func TestTrust(t *testing.T) {
	t.Parallel()
	testserver.Need(t, "knotd", "keymgr", "unbound")
	n := mtatest.NewNetwork(t)
	dir := t.TempDir()
	names := []string{"mx.postfix.test", "mx.sts-good.unsigned.test", "mx.sts-plain.unsigned.test", "mx.sts-other.unsigned.test"}
	for _, c := range stsCells {
		names = append(names, "mta-sts."+c.domain)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	_, err := smtptest.WriteSelfSigned(cert, key, names...)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))

	receiver := newPostfix(t, "virtual_mailbox_domains = static:all\nvirtual_mailbox_maps = static:all/\n"+
		"smtpd_tls_received_header = yes\nsmtpd_tls_cert_file = "+cert+"\nsmtpd_tls_key_file = "+key+"\n")
	receiver.listen(n.Host(1)+":25", "smtpd_tls_security_level=may")
	receiver.listen(n.Host(2)+":25", "smtpd_tls_security_level=none")
	servePolicies(t, n.Host(3)+":443", cert, key)
	nameServer(t, n, tlsaOf(t, cert, key))

	sender := newPostfix(t, "myhostname = out.postfix.test\nsmtp_dns_support_level = dnssec\nsmtp_tls_security_level = dane\nsmtp_tls_loglevel = 1\n"+
		"smtpd_relay_restrictions = permit_mynetworks, reject\n")
	sender.resolves(n.Host(53))
	log, logging := mtatest.SendLog(t)
	d := mtatest.StartWith(t, []string{"SSL_CERT_FILE=" + cert}, logging.With(mtatest.Settings{"dns-servers": n.Host(53),
		"dns-trust-ad": "true", "dns-timeout": "10", "allow-private-targets": "true", "www-ip": "127.0.0.1", "www-port": strconv.Itoa(testserver.FreePort(t)), "www-password": "secret",
		"tls-report-from": "tls@client.test"}))

	for _, c := range daneCells {
		d.Submit(t, "ann@client.test", "mtad@"+c.domain, "Subject: x\r\n\r\nx\r\n")
		sender.submit("postfix@" + c.domain)
	}
	for _, c := range stsCells {
		d.Submit(t, "ann@client.test", "mtad@"+c.domain, "Subject: x\r\n\r\nx\r\n")
	}
	for _, c := range append(daneCells, stsCells...) {
		to := "mtad@" + c.domain
		mtatest.Eventually(t, "an attempt for "+to, func() bool { return len(mtatest.AttemptsOf(t, log, to)) > 0 })
		a := mtatest.AttemptsOf(t, log, to)[0]
		verdict := "deferred"
		if a.Last().Pair() == "message/accepted" {
			verdict = receiver.arrived(to)
		}
		require.Equal(t, c.verdict, verdict, "mtad, %s: %s", c.domain, a.Line)
		if c.failure != "" && c.policy != "none" {
			require.Contains(t, a.Line, c.failure)
		}
	}
	for _, c := range daneCells {
		require.Equal(t, c.verdict, sender.verdict("postfix@"+c.domain, receiver), "Postfix, %s\n%s", c.domain, sender.log())
	}
	require.Contains(t, sender.log(), "Verified TLS connection established to mx.good.signed.test", "Postfix has DANE")

	ctl := controller(t, d)
	for _, c := range append(daneCells, stsCells...) {
		out, good := ctl("probe", "jo@"+c.domain)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		last := strings.Join(strings.Fields(lines[len(lines)-1]), " ")
		require.Contains(t, last, c.says, "%s: %s", c.domain, out)
		require.Contains(t, last, "verdict")
		require.True(t, strings.HasSuffix(last, "."), last)
		require.Equal(t, c.verdict != "deferred", good, out)
	}
	known, connected := map[string]admin.TLSPolicy{}, 0
	var page struct {
		Policies []admin.TLSPolicy
		Reports  []admin.TLSReport
	}
	ask(t, d, ctl, "/v1/tls/policies?limit=1000", &page)
	for _, p := range page.Policies {
		known[p.Domain] = p
		if p.Good+p.Failed > 0 {
			connected++
		}
	}
	ask(t, d, ctl, "/v1/tls/reports?state=waiting&limit=1000", &page)
	require.Len(t, page.Reports, connected, "domains that have hosts to connect to")
	for _, r := range page.Reports {
		require.Equal(t, known[r.Domain].Good, r.Good, r.Domain)
		require.Equal(t, known[r.Domain].Failed > 0, r.Failed > 0, r.Domain)
		require.False(t, r.Next.IsZero())
	}
	for _, c := range append(daneCells, stsCells...) {
		if p, ok := known[c.domain]; c.policy != "" {
			require.True(t, ok, c.domain)
			require.Equal(t, c.failure, p.Failure, "%+v", p)
			require.Equal(t, c.policy, p.Policy, "%+v", p)
			require.Positive(t, p.Good+p.Failed, "%+v", p)
			if c.verdict != "deferred" { // and so not tried again meanwhile
				require.EqualValues(t, 1, p.Good+p.Failed, "tests of addresses do not count: %+v", p)
			}
		}
	}
}

// listen has Postfix take mail at another address, with parameters of its own.
func (p *postfix) listen(address string, parameters ...string) {
	p.t.Helper()
	line := address + " inet n - n - - smtpd"
	for _, o := range parameters {
		line += " -o " + o
	}
	p.run("postconf", "-Me", address+"/inet="+line)
	p.run("postfix", "-c", filepath.Join(p.dir, "conf"), "reload")
	mtatest.Eventually(p.t, "Postfix listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// resolves has the SMTP client of Postfix ask this name server, in a root directory of its own.
func (p *postfix) resolves(server string) {
	p.t.Helper()
	etc := filepath.Join(p.dir, "spool", "etc")
	require.NoError(p.t, os.MkdirAll(etc, 0o755))
	services, err := os.ReadFile("/etc/services")
	require.NoError(p.t, err)
	for name, text := range map[string]string{"resolv.conf": "nameserver " + server + "\noptions edns0 trust-ad timeout:10\n",
		"services": string(services), "nsswitch.conf": "services: files\nhosts: files dns\n"} {
		require.NoError(p.t, os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644))
	}
	p.run("postconf", "-F", "smtp/unix/chroot=y")
	p.run("postfix", "-c", filepath.Join(p.dir, "conf"), "reload")
}

// submit hands a mail in.
func (p *postfix) submit(to string) {
	p.t.Helper()
	c := mtatest.Dial(p.t, "127.0.0.1:"+p.port)
	c.Expect(220)
	c.Mail("ann@client.test", to, "Subject: x\r\n\r\nx\r\n", 250)
	c.Command("QUIT", 221)
}

// log is what Postfix logged so far.
func (p *postfix) log() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(text)
}

// verdict waits for what Postfix does with a mail, and says what that is.
func (p *postfix) verdict(to string, receiver *postfix) (verdict string) {
	p.t.Helper()
	status := regexp.MustCompile(`to=<` + regexp.QuoteMeta(to) + `>.* status=(\w+)`)
	mtatest.Eventually(p.t, "Postfix tries "+to, func() bool {
		if found := status.FindStringSubmatch(p.log()); found != nil {
			verdict = found[1]
		}
		return verdict != ""
	})
	if verdict == "sent" {
		return receiver.arrived(to)
	}
	return verdict
}

// arrived waits for a mail, and says whether it came over TLS.
func (p *postfix) arrived(to string) (how string) {
	p.t.Helper()
	mtatest.Eventually(p.t, "mail for "+to, func() bool {
		files, _ := filepath.Glob(filepath.Join(p.dir, "mail/all/new/*"))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			if !bytes.Contains(text, []byte("X-Original-To: "+to)) {
				continue
			}
			newest, _, _ := bytes.Cut(text[bytes.Index(text, []byte("Received: ")):], []byte("\nReceived: "))
			if how = "clear"; bytes.Contains(newest, []byte("using TLSv")) {
				how = "tls"
			}
			return true
		}
		return false
	})
	return how
}

// controller returns what runs mtad ctl, and reports whether it succeeded.
func controller(t *testing.T, d *mtatest.Daemon) func(args ...string) (out string, good bool) {
	t.Helper()
	token, home := "", t.TempDir()
	run := func(args ...string) (string, bool) {
		cmd := exec.CommandContext(t.Context(), mtatest.Program(), append([]string{"ctl", "--config-file", d.File}, args...)...)
		cmd.Env = []string{"SLUICE_TOKEN=" + token, "HOME=" + home}
		out, err := cmd.Output()
		return string(out), err == nil
	}
	out, good := run("token", "add", "tests")
	require.True(t, good, out)
	token = strings.TrimSpace(out)
	return func(args ...string) (string, bool) {
		if args[0] == "token" {
			return token, true
		}
		return run(args...)
	}
}

// ask asks the REST API.
func ask(t *testing.T, d *mtatest.Daemon, ctl func(...string) (string, bool), path string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:"+d.Settings["www-port"]+path, nil)
	require.NoError(t, err)
	token, _ := ctl("token")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 200, answer.StatusCode)
	require.NoError(t, json.NewDecoder(answer.Body).Decode(into))
}

// servePolicies serves the MTA-STS policies of stsCells, but that of sts-down.
func servePolicies(t *testing.T, address, cert, key string) {
	t.Helper()
	l, err := mtatest.ListenTCP(address)
	require.NoError(t, err)
	server := &http.Server{ReadHeaderTimeout: mtatest.Patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		domain := strings.TrimPrefix(r.Host, "mta-sts.")
		mode, mx := "enforce", "mx."+domain
		switch {
		case strings.HasPrefix(domain, "sts-down."):
			w.WriteHeader(http.StatusInternalServerError)
			return
		case strings.HasPrefix(domain, "sts-testing."):
			mode = "testing"
		case strings.HasPrefix(domain, "sts-other."):
			mx = "mx.elsewhere.test"
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 604800\r\n", mode, mx)
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.ServeTLS(l, cert, key) }()
	t.Cleanup(func() { server.Close(); <-ended })
}

// tlsaOf is the TLSA record "3 1 1" of a certificate in a file.
func tlsaOf(t *testing.T, cert, key string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	return "TLSA 3 1 1 " + keyDigest(t, pair.Certificate[0])
}

// nameServer serves all zones at port 53 of host 53, through a resolver that validates.
func nameServer(t *testing.T, n mtatest.Network, right string) {
	t.Helper()
	const head = "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
	const wrong = "TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000"
	host := func(name, address, tlsa string) string {
		text := fmt.Sprintf("%s MX 10 mx.%[1]s\nmx.%[1]s A %[2]s\n", name, address)
		if tlsa != "" {
			text += "_25._tcp.mx." + name + " " + tlsa + "\n"
		}
		return text
	}
	signed := head + host("good", n.Host(1), right) + host("wrong", n.Host(1), wrong) + host("plain", n.Host(2), right) +
		host("unusable", n.Host(1), strings.Replace(wrong, "3 1 1", "1 1 1", 1)) + host("absent", n.Host(1), "") +
		"alias MX 10 mx.alias\nmx.alias CNAME target\ntarget A " + n.Host(1) + "\n_25._tcp.target " + right + "\n" +
		"to-bogus MX 10 mx.bogus.test.\nto-expired MX 10 mx.expired.test.\n"
	unsigned := head + host("insecure", n.Host(1), wrong) + host("clear", n.Host(2), "")
	for _, c := range stsCells {
		name := strings.TrimSuffix(c.domain, ".unsigned.test")
		unsigned += host(name, n.Host(map[bool]int{true: 2, false: 1}[name == "sts-plain"]), "") +
			"_mta-sts." + name + " TXT \"v=STSv1; id=1\"\nmta-sts." + name + " A " + n.Host(3) + "\n"
	}
	alone := head + "@ MX 10 mx\nmx A " + n.Host(1) + "\n_25._tcp.mx " + right + "\n"
	bogus, _ := presigned(t, "bogus.test.", alone, time.Now().Add(24*time.Hour))
	_, anchor := presigned(t, "bogus.test.", alone, time.Now()) // another key
	expired, expiredAnchor := presigned(t, "expired.test.", alone, time.Now().Add(-24*time.Hour))
	knot := testserver.Knot(t, map[string]string{"signed.test": signed, "unsigned.test": unsigned, "bogus.test": bogus,
		"expired.test": expired}, "signed.test")
	anchors, err := os.ReadFile(knot.TrustAnchor)
	require.NoError(t, err)
	all := filepath.Join(t.TempDir(), "anchors")
	require.NoError(t, os.WriteFile(all, []byte(string(anchors)+"\n"+anchor+"\n"+expiredAnchor+"\n"), 0o644))
	unbound := testserver.Unbound(t, map[string]string{"signed.test": knot.Address, "unsigned.test": knot.Address,
		"bogus.test": knot.Address, "expired.test": knot.Address}, all, "unsigned.test")
	pass := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		network := "udp"
		if _, ok := w.RemoteAddr().(*net.TCPAddr); ok {
			network = "tcp"
		}
		client := dns.Client{Net: network, Timeout: 10 * time.Second, UDPSize: 4096}
		if answer, _, err := client.Exchange(q, unbound); err == nil {
			_ = w.WriteMsg(answer)
		}
	})
	address := n.Host(53) + ":53"
	packets, err := net.ListenPacket("udp4", address)
	require.NoError(t, err)
	streams, err := mtatest.ListenTCP(address)
	require.NoError(t, err)
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: pass}, {Listener: streams, Handler: pass}} {
		ready, ended := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { defer close(ended); _ = s.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	}
}

// presigned returns a zone with signatures that end at a time, and its key.
func presigned(t *testing.T, zone, text string, end time.Time) (signed, anchor string) {
	t.Helper()
	key := &dns.DNSKEY{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 60}, Flags: 257,
		Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := key.Generate(256)
	require.NoError(t, err)
	sets := map[string][]dns.RR{zone + "DNSKEY": {key}}
	for p := dns.NewZoneParser(strings.NewReader("$TTL 60\n"+text), zone, ""); ; {
		rr, ok := p.Next()
		if !ok {
			require.NoError(t, p.Err())
			break
		}
		set := rr.Header().Name + dns.TypeToString[rr.Header().Rrtype]
		sets[set] = append(sets[set], rr)
	}
	for _, set := range sets {
		s := &dns.RRSIG{Hdr: dns.RR_Header{Name: set[0].Header().Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: 60},
			Algorithm: key.Algorithm, KeyTag: key.KeyTag(), SignerName: zone, Inception: uint32(end.Add(-48 * time.Hour).Unix()),
			Expiration: uint32(end.Unix())}
		require.NoError(t, s.Sign(private.(crypto.Signer), set))
		for _, rr := range append(set, s) {
			signed += rr.String() + "\n"
		}
	}
	return signed, key.String()
}
