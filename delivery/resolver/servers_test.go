package resolver_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestDnsmasq(t *testing.T) {
	long := strings.Repeat("0123456789", 20)
	options := []string{
		"--mx-host=example.test,mx1.example.test,10", "--mx-host=example.test,mx2.example.test,20",
		"--host-record=mx1.example.test,127.0.0.1,::1", "--host-record=mx2.example.test,127.0.0.2",
		"--cname=alias.example.test,mx1.example.test",
		"--txt-record=example.test,v=spf1 ip4:127.0.0.1 -all",
	}
	for i := range 12 {
		options = append(options, fmt.Sprintf("--txt-record=long.example.test,%d %s", i, long))
	}
	address := testserver.Dnsmasq(t, "example.test", options...)
	r, err := resolver.New(resolver.Options{Servers: []string{address}})
	require.NoError(t, err)
	defer r.Close()
	ctx := t.Context()

	mx, err := r.MX(ctx, "example.test")
	require.NoError(t, err)
	require.Len(t, mx.Records, 2)
	require.False(t, mx.Authentic)
	addrs, err := r.LookupNetIP(ctx, "ip", "alias.example.test")
	require.NoError(t, err)
	require.Equal(t, addresses("127.0.0.1", "::1"), addrs)
	txt, err := r.TXT(ctx, "long.example.test")
	require.NoError(t, err, "truncated over UDP")
	require.Len(t, txt.Records, 12)
	_, err = r.MX(ctx, "nobody.example.test")
	require.Equal(t, resolver.NXDomain, kindOf(t, err))
	_, err = r.TLSA(ctx, "mx1.example.test")
	require.Equal(t, resolver.NoData, kindOf(t, err))
	_, err = r.MX(ctx, "elsewhere.example")
	require.Equal(t, resolver.ServFail, kindOf(t, err), "it refuses what it has no server for")
}

func TestValidated(t *testing.T) {
	testserver.Need(t, "knotd", "keymgr", "unbound")
	const text = `@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
@ MX 10 mx1
mx1 A 127.0.0.1
alias CNAME mx1
_25._tcp.mx1 TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000`
	knot := testserver.Knot(t, map[string]string{"signed.test": text, "unsigned.test": text}, "signed.test")
	unbound := testserver.Unbound(t, map[string]string{"signed.test": knot.Address, "unsigned.test": knot.Address},
		knot.TrustAnchor, "unsigned.test")

	for _, c := range []struct {
		trust bool
		zone  string
		want  bool
	}{{true, "signed.test", true}, {true, "unsigned.test", false}, {false, "signed.test", false}} {
		t.Run(fmt.Sprint(c.zone, " trusted ", c.trust), func(t *testing.T) {
			r, err := resolver.New(resolver.Options{Servers: []string{unbound}, TrustAD: c.trust})
			require.NoError(t, err)
			defer r.Close()
			mx, err := r.MX(t.Context(), c.zone)
			require.NoError(t, err)
			require.Equal(t, c.want, mx.Authentic)
			tlsa, err := r.TLSA(t.Context(), "_25._tcp.mx1."+c.zone)
			require.NoError(t, err)
			require.Equal(t, c.want, tlsa.Authentic)
			addrs, err := r.Addrs(t.Context(), "ip", "alias."+c.zone)
			require.NoError(t, err)
			require.Equal(t, "mx1."+c.zone, addrs.Name)
			require.Equal(t, c.want, addrs.Authentic)
			_, err = r.MX(t.Context(), "nobody."+c.zone)
			require.Equal(t, resolver.NXDomain, kindOf(t, err))
		})
	}
}

func TestDeadServerIsNoticedAtOnce(t *testing.T) {
	dead := fmt.Sprint("127.0.0.1:", testserver.FreePort(t))
	alive := testserver.DNS(t, testserver.Zone(t, zone))
	r, err := resolver.New(resolver.Options{Servers: []string{dead, alive}, Interval: time.Minute})
	require.NoError(t, err)
	defer r.Close()
	_, err = r.MX(t.Context(), "example.org")
	require.NoError(t, err, "a port that nobody listens on says so")
}

func TestForgedSource(t *testing.T) {
	other, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	address := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		forged := reply(q, "a.example.org. A 192.0.2.66")
		_, _ = other.WriteTo(packet(forged), w.RemoteAddr()) // the right id, from another port
		_ = w.WriteMsg(reply(q, "a.example.org. A 192.0.2.9"))
	})
	r, err := resolver.New(resolver.Options{Servers: []string{address}})
	require.NoError(t, err)
	defer r.Close()
	result, err := r.A(t.Context(), "a.example.org")
	require.NoError(t, err)
	require.Equal(t, "192.0.2.9", result.Records[0].String())
}

func TestNothingIsLeftRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	address := testserver.FreePort(t)
	r, err := resolver.New(resolver.Options{Servers: []string{fmt.Sprint("127.0.0.1:", address)}, Attempts: 1,
		Timeout: time.Millisecond})
	require.NoError(t, err)
	for i := range 50 {
		_, err := r.A(t.Context(), fmt.Sprintf("h%d.example.org", i))
		require.Error(t, err)
	}
	require.NoError(t, r.Close())
}

// TestValidates believes what servers say of the root zone, which is signed.
func TestValidates(t *testing.T) {
	var validating atomic.Bool
	address := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "." && q.Question[0].Qtype == dns.TypeSOA {
			m.AuthenticatedData = validating.Load()
		}
		_ = w.WriteMsg(m)
	})
	r, err := resolver.New(resolver.Options{Servers: []string{address}, TrustAD: true})
	require.NoError(t, err)
	defer r.Close()
	for _, want := range []bool{false, true, false} {
		validating.Store(want)
		got, err := r.Validates(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Validates(ctx)
	require.Error(t, err)
}
