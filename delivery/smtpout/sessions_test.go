package smtpout_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// tlsRemote is a remote with STARTTLS that takes mail and keeps count of its connections.
type tlsRemote struct {
	config  func(connection int) *tls.Config
	largest int // hello that it understands; zero: any

	mu    sync.Mutex
	conns int
}

func (r *tlsRemote) dial(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	client, server := newMemPipe(0)
	config := r.config(r.conns)
	go r.converse(server, config)
	return client, nil
}

func (r *tlsRemote) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns
}

func (r *tlsRemote) converse(nc net.Conn, config *tls.Config) {
	defer nc.Close()
	lines := bufio.NewReader(nc)
	fmt.Fprint(nc, "220 mx\r\n")
	lines.ReadString('\n')
	fmt.Fprint(nc, "250-mx\r\n250 STARTTLS\r\n")
	lines.ReadString('\n')
	fmt.Fprint(nc, "220 go\r\n")
	if r.largest > 0 {
		if hello, _ := lines.Peek(5); len(hello) < 5 || int(hello[3])<<8+int(hello[4]) > r.largest {
			return
		}
	}
	secured := tls.Server(&prefixed{nc, lines}, config)
	defer secured.Close()
	text := bufio.NewReader(secured)
	for {
		line, err := text.ReadString('\n')
		switch {
		case err != nil:
			return
		case line == "DATA\r\n":
			fmt.Fprint(secured, "354 go\r\n")
			if _, err := readMail(text); err != nil {
				return
			}
			fmt.Fprint(secured, "250 taken\r\n")
		default:
			fmt.Fprint(secured, "250 ok\r\n")
		}
	}
}

// prefixed is a connection of which some was read into a buffer.
type prefixed struct {
	net.Conn
	r io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) { return p.r.Read(b) }

// send sends a mail over a connection of its own.
func sendOver(t testing.TB, s *smtpout.Sender, hop delivery.Hop) (*queue.Result, error) {
	t.Helper()
	conn, err := s.Open(t.Context(), &hop)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	tx := transactions(1, queue.Bytes("x\r\n"))[0]
	conn.Deliver(t.Context(), tx, nil)
	require.True(t, tx.Result.Success(), tx.Result.Description)
	return &tx.Result, nil
}

var mxHop = delivery.Hop{Host: "mx.example.org", Domain: "example.org", Target: netip.MustParseAddrPort("192.0.2.25:25")}

// TestSessionsAreTakenUp resumes TLS at the same address, where the same is demanded, and nowhere else; results say so,
// and of the certificate what they said before.
func TestSessionsAreTakenUp(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			config := serverConfig()
			config.MaxVersion = version
			remote := &tlsRemote{config: func(int) *tls.Config { return config }}
			s := &smtpout.Sender{TLS: trusting(t), Dial: remote.dial}
			first, err := sendOver(t, s, mxHop)
			require.NoError(t, err)
			require.False(t, first.Cipher.Resumed)
			again, err := sendOver(t, s, mxHop)
			require.NoError(t, err)
			require.True(t, again.Cipher.Resumed)
			require.Equal(t, first.Certificate, again.Certificate)
			require.True(t, again.Certificate.Verified)
			if version == tls.VersionTLS13 {
				require.Equal(t, "X25519MLKEM768", again.Cipher.Group)
			}
			verified, other, policed := mxHop, mxHop, mxHop
			verified.Security = queue.Verified
			other.Source = netip.MustParseAddr("192.0.2.7")
			policed.TLS = delivery.TLSPolicy{Type: "dane", Verify: func([]*x509.Certificate) error { return nil }}
			for name, hop := range map[string]delivery.Hop{"security": verified, "source": other, "policy": policed} {
				r, err := sendOver(t, s, hop)
				require.NoError(t, err, name)
				require.False(t, r.Cipher.Resumed, name)
			}
		})
	}
}

// TestResumedSessionsAreJudged has a policy judge the certificate of a session that is taken up: when the policy has
// changed meanwhile, so has the certificate, most likely, and the remote is asked for it.
func TestResumedSessionsAreJudged(t *testing.T) {
	a := theAuthority()
	old, renewed := a.issue(long(1), "mx.example.org"), a.issue(long(1), "mx.example.org", "renewed")
	var current atomic.Pointer[tls.Certificate]
	current.Store(&old)
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }}
	remote := &tlsRemote{config: func(int) *tls.Config { return config }}
	s := &smtpout.Sender{TLS: trusting(t), Dial: remote.dial}
	var right atomic.Pointer[tls.Certificate]
	right.Store(&old)
	var told []*delivery.TLSViolation
	hop := mxHop
	hop.TLS = delivery.TLSPolicy{Type: "dane", Tell: func(s delivery.TLSSession) { told = append(told, s.Violation) },
		Verify: func(chain []*x509.Certificate) error {
			if slices.Equal(chain[0].Raw, right.Load().Certificate[0]) {
				return nil
			}
			return &delivery.TLSViolation{Type: "validation-failure", Reason: "another one"}
		}}
	for _, resumed := range []bool{false, true} {
		r, err := sendOver(t, s, hop)
		require.NoError(t, err)
		require.Equal(t, resumed, r.Cipher.Resumed)
	}
	current.Store(&renewed)
	right.Store(&renewed)
	r, err := sendOver(t, s, hop)
	require.NoError(t, err, "the host has the right certificate")
	require.False(t, r.Cipher.Resumed)
	require.Equal(t, 4, remote.connections(), "one of them with the session")
	r, err = sendOver(t, s, hop)
	require.NoError(t, err)
	require.True(t, r.Cipher.Resumed)
	right.Store(&old)
	_, err = sendOver(t, s, hop)
	require.ErrorContains(t, err, "another one", "resumed or not")
	require.Len(t, told, 5, "once for each Open")
	require.Nil(t, told[2])
	require.NotNil(t, told[4])
}

// TestSessionsThatGoWrong has a remote break off every handshake that takes up a session: it gets one that does not.
func TestSessionsThatGoWrong(t *testing.T) {
	config := serverConfig()
	config.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, errors.New("lost") }
	remote := &tlsRemote{config: func(int) *tls.Config { return config }}
	s := &smtpout.Sender{TLS: trusting(t), Dial: remote.dial}
	for range 3 {
		r, err := sendOver(t, s, mxHop)
		require.NoError(t, err)
		require.False(t, r.Cipher.Resumed)
	}
	require.Equal(t, 5, remote.connections())
}

// TestLargeHello has a remote break on hellos that take two packets: it gets a small one, at once from then on.
func TestLargeHello(t *testing.T) {
	remote := &tlsRemote{config: func(int) *tls.Config { return serverConfig() }, largest: 700}
	s := &smtpout.Sender{TLS: trusting(t), Dial: remote.dial}
	for _, conns := range []int{2, 3} {
		r, err := sendOver(t, s, mxHop)
		require.NoError(t, err)
		require.Equal(t, "X25519", r.Cipher.Group)
		require.Equal(t, conns, remote.connections())
	}
	broken := &tlsRemote{config: func(int) *tls.Config { return serverConfig() }, largest: 1}
	s = &smtpout.Sender{TLS: trusting(t), Dial: broken.dial}
	for _, conns := range []int{2, 3} {
		_, err := sendOver(t, s, mxHop)
		require.ErrorContains(t, err, "handshake")
		require.Equal(t, conns, broken.connections(), "a small one is of no use, which is remembered too")
	}
}

// BenchmarkReconnect measures what it costs both ends to connect, begin TLS and leave.
func BenchmarkReconnect(b *testing.B) {
	rsaKey := rsaCertificate(b)
	for name, cert := range map[string]tls.Certificate{"ECDSA": theAuthority().right, "RSA-2048": rsaKey} {
		for _, resumed := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/resumed=%v", name, resumed), func(b *testing.B) {
				config := &tls.Config{Certificates: []tls.Certificate{cert}}
				remote := &tlsRemote{config: func(int) *tls.Config { return config }}
				s := &smtpout.Sender{TLS: &tls.Config{RootCAs: theAuthority().pool}, Dial: remote.dial}
				hop := mxHop
				before := cpuTime(b)
				for b.Loop() {
					if !resumed {
						hop.Domain = fmt.Sprint(time.Now().UnixNano()) // a key of its own
					}
					conn, err := s.Open(context.Background(), &hop)
					if err != nil {
						b.Fatal(err)
					}
					conn.Close()
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpuTime is what the process has used of its processors.
func cpuTime(tb testing.TB) time.Duration {
	var used syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
