package external_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/external"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// sink receives mail on 127.0.0.1 and tells where it came from.
func sink(t *testing.T) (netip.AddrPort, <-chan *smtptest.Received) {
	t.Helper()
	got := make(chan *smtptest.Received, 10)
	s := &smtptest.Sink{Received: func(r *smtptest.Received) { got <- r }}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return netip.MustParseAddrPort(l.Addr().String()), got
}

func table(t testing.TB, rows ...external.Row) func() *external.Table {
	t.Helper()
	tab, problems := external.Compile(rows)
	require.Empty(t, problems)
	return func() *external.Table { return tab }
}

// proxyRow is a row of 203.0.113.5 whose proxy is at an address.
func proxyRow(protocol, address string) external.Row {
	at := netip.MustParseAddrPort(address)
	return external.Row{ID: 1, PublicIP: "203.0.113.5", LocalIP: "127.0.0.7", ConnectIP: at.Addr().String(),
		ConnectPort: int64(at.Port()), Protocol: protocol}
}

var public = netip.MustParseAddr("203.0.113.5")

// deliver sends a mail through a smtpout.Sender and returns the error of Open.
func deliver(t *testing.T, dialer *external.Dialer, source netip.Addr, target netip.AddrPort) error {
	t.Helper()
	sender := &smtpout.Sender{Dial: dialer.Dial}
	conn, err := sender.Open(t.Context(), &delivery.Hop{Source: source, Target: target, Host: "mx.example",
		Domain: "example", Hostname: "me.example",
		Timeouts: throttle.Timeouts{Connect: 3 * time.Second}})
	if err != nil {
		return err
	}
	defer conn.Close()
	tx := &delivery.Transaction{
		Message: &queue.Message{Envelope: "from@example.org", Recipient: "to@example.com"},
		Body:    queue.Bytes("Subject: hi\r\n\r\nhello\r\n"),
	}
	conn.Deliver(t.Context(), tx, nil)
	require.True(t, tx.Result.Success(), "%+v", tx.Result)
	require.Equal(t, source.Unmap().String(), tx.Result.From, "the address that the world sees")
	return nil
}

// TestDeliver sends mail every way, through real proxies, to a sink that tells where it came from.
func TestDeliver(t *testing.T) {
	target, got := sink(t)
	socks, _ := testserver.SOCKSProxy(t, "127.0.0.21")
	web, _ := testserver.HTTPProxy(t, "127.0.0.22", int(target.Port()))
	for name, c := range map[string]struct {
		row    external.Row
		source string
		from   string
	}{
		"none": {external.Row{PublicIP: "203.0.113.9"}, "127.0.0.4", "127.0.0.4"},
		"nat": {external.Row{PublicIP: "203.0.113.5", LocalIP: "127.0.0.8", Protocol: "nat"}, "203.0.113.5",
			"127.0.0.8"},
		"mailerq": {external.Row{PublicIP: "203.0.113.5", LocalIP: "127.0.0.8", ConnectPort: 2525}, "203.0.113.5",
			"127.0.0.8"},
		"mapped":     {external.Row{PublicIP: "203.0.113.5", LocalIP: "127.0.0.8"}, "::ffff:203.0.113.5", "127.0.0.8"},
		"nat router": {proxyRow("nat", target.String()), "203.0.113.5", "127.0.0.7"},
		"socks":      {proxyRow("socks", socks), "203.0.113.5", "127.0.0.21"},
		"socks, local": {external.Row{PublicIP: "203.0.113.5", ConnectIP: "127.0.0.1", ConnectPort: port(socks),
			Protocol: "SOCKS"}, "203.0.113.5", "127.0.0.21"},
		"http": {proxyRow("http", web), "203.0.113.5", "127.0.0.22"},
	} {
		t.Run(name, func(t *testing.T) {
			to := target
			if name == "nat router" {
				to = netip.MustParseAddrPort("192.0.2.77:25")
			}
			require.NoError(t, deliver(t, &external.Dialer{Table: table(t, c.row)}, netip.MustParseAddr(c.source), to))
			require.Equal(t, c.from, (<-got).Remote.Addr().Unmap().String())
		})
	}
}

// TestBrokenRows tells addresses for which there is a row that makes no sense from those of nobody.
func TestBrokenRows(t *testing.T) {
	rows := []external.Row{{ID: 1, PublicIP: "203.0.113.5", Protocol: "sock"}, {ID: 2, PublicIP: "203.0.113.6"},
		{ID: 3, PublicIP: "203.0.113.6", LocalIP: "x"},
		{ID: 4, PublicIP: "mail.example"}}
	table, problems := external.Compile(rows)
	require.Len(t, problems, 3)
	for address, want := range map[string]bool{"203.0.113.5": true, "::ffff:203.0.113.5": true, "203.0.113.6": false,
		"203.0.113.7": false} {
		require.Equal(t, want, table.Broken(netip.MustParseAddr(address)), address)
	}
	require.False(t, (*external.Table)(nil).Broken(netip.MustParseAddr("203.0.113.5")))
	require.Equal(t, []netip.Addr{netip.MustParseAddr("203.0.113.6")}, table.Sources())
}

func port(address string) int64 { return int64(netip.MustParseAddrPort(address).Port()) }

// TestProxiesRefuse has real proxies refuse, and be away.
func TestProxiesRefuse(t *testing.T) {
	target, _ := sink(t)
	closed := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(testserver.FreePort(t)))
	forbidden := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.99"), target.Port())
	socks, _ := testserver.SOCKSProxy(t, "127.0.0.1")
	web, _ := testserver.HTTPProxy(t, "127.0.0.1", int(closed.Port()))
	nobody := closed.String()
	for name, c := range map[string]struct {
		row    external.Row
		target netip.AddrPort
		state  queue.ResultState
		status string
		text   string
		other  bool // another host may be better
	}{
		"socks, closed port":  {proxyRow("socks", socks), closed, queue.StateHandshake, "4.4.1", "refused", true},
		"socks, forbidden":    {proxyRow("socks", socks), forbidden, queue.StateHandshake, "4.7.0", "not allowed", true},
		"http, closed port":   {proxyRow("http", web), closed, queue.StateHandshake, "4.4.1", "answered 50", true},
		"http, forbidden":     {proxyRow("http", web), target, queue.StateHandshake, "4.7.0", "answered 403", true},
		"socks, dead":         {proxyRow("socks", nobody), target, queue.StateConnect, "", "refused", false},
		"http, dead":          {proxyRow("http", nobody), target, queue.StateConnect, "", "refused", false},
		"router, dead":        {proxyRow("nat", nobody), target, queue.StateConnect, "", "refused", false},
		"socks at a web host": {proxyRow("socks", web), target, queue.StateHandshake, "4.4.2", "", false},
		"web at a socks host": {proxyRow("http", socks), target, queue.StateHandshake, "4.4.2", "", false},
		"not our address": {external.Row{PublicIP: "203.0.113.5", LocalIP: "192.0.2.1", ConnectIP: "127.0.0.1",
			ConnectPort: port(socks), Protocol: "socks"},
			target, queue.StateBind, "", "192.0.2.1 cannot be used", false},
		"nat, not our address": {external.Row{PublicIP: "203.0.113.5", LocalIP: "192.0.2.1"}, target, queue.StateBind, "",
			"192.0.2.1 cannot be used", false},
		"other family": {proxyRow("socks", socks), netip.MustParseAddrPort("[::1]:25"), queue.StateBind, "",
			"other IP version", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := deliver(t, &external.Dialer{Table: table(t, c.row)}, public, c.target)
			var f *delivery.Failure
			require.ErrorAs(t, err, &f)
			require.Equal(t, c.state, f.Result.State, "%+v", f.Result)
			require.Equal(t, c.status, f.Result.Status, "%+v", f.Result)
			require.Contains(t, f.Result.Description, c.text)
			require.Equal(t, c.other, f.Temporary)
			require.Less(t, f.Result.Code, 500, "a proxy never bounces mail")
			require.Equal(t, public.String(), f.Result.From)
			require.Equal(t, c.target.Addr().String(), f.Result.To)
			if c.state != queue.StateBind {
				require.Contains(t, f.Result.Description, c.row.ConnectIP)
			}
		})
	}
}

func TestWithoutTable(t *testing.T) {
	target, _ := sink(t)
	for _, d := range []*external.Dialer{{}, {Table: func() *external.Table { return nil }}} {
		nc, err := d.Dial(t.Context(), netip.MustParseAddr("127.0.0.3"), target)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(nc.LocalAddr().String(), "127.0.0.3:"))
		nc.Close()
	}
	var none *external.Table
	require.Empty(t, none.Sources())
	_, found := none.Find(public)
	require.False(t, found)
}

// TestRestart has a proxy come back.
func TestProxyComesBack(t *testing.T) {
	target, got := sink(t)
	address, proxy := testserver.SOCKSProxy(t, "127.0.0.1")
	d := &external.Dialer{Table: table(t, proxyRow("socks", address))}
	require.NoError(t, deliver(t, d, public, target))
	<-got
	proxy.Kill()
	require.Error(t, deliver(t, d, public, target))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := d.Dial(ctx, public, target)
	var f *delivery.Failure
	require.ErrorAs(t, err, &f)
	require.Equal(t, queue.StateConnect, f.Result.State)
}
