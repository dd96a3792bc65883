package external_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/external"
	"github.com/sluicemail/sluice/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a dialer whose proxy is a function at the other end of a pipe.
func fake(t testing.TB, protocol string, proxy func(net.Conn)) *external.Dialer {
	return &external.Dialer{
		Table: table(t, proxyRow(protocol, "192.0.2.9:1080")),
		Direct: func(_ context.Context, source netip.Addr, to netip.AddrPort) (net.Conn, error) {
			if source != netip.MustParseAddr("127.0.0.7") || to != netip.MustParseAddrPort("192.0.2.9:1080") {
				return nil, errors.New("dialed " + to.String() + " from " + source.String())
			}
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				proxy(theirs)
			}()
			return ours, nil
		},
	}
}

// answer reads and says something, again and again.
func answer(says ...string) func(net.Conn) {
	return func(nc net.Conn) {
		r := bufio.NewReader(nc)
		for _, text := range says {
			if _, err := r.Peek(1); err != nil {
				return
			}
			_, _ = r.Discard(r.Buffered())
			if _, err := io.WriteString(nc, text); err != nil {
				return
			}
		}
	}
}

var example = netip.MustParseAddrPort("198.51.100.1:25")

func TestAnswers(t *testing.T) {
	const accepted = "\x05\x00"
	slowHeader := strings.Repeat("X-Filler: "+strings.Repeat("x", 100)+"\r\n", 300)
	for name, c := range map[string]struct {
		protocol string
		says     []string
		result   queue.Outcome // "": it connects
		text     string
	}{
		"ipv4":               {"socks", []string{accepted, "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x19"}, "", ""},
		"ipv6":               {"socks", []string{accepted, "\x05\x00\x00\x04" + strings.Repeat("\x00", 18)}, "", ""},
		"name":               {"socks", []string{accepted, "\x05\x00\x00\x03\x04host\x00\x19"}, "", ""},
		"empty name":         {"socks", []string{accepted, "\x05\x00\x00\x03\x00\x00\x19"}, "", ""},
		"login wanted":       {"socks", []string{"\x05\xff"}, queue.Error, "wants a login"},
		"method not offered": {"socks", []string{"\x05\x02"}, queue.Invalid, "method 2"},
		"version 4":          {"socks", []string{"\x04\x00"}, queue.Invalid, "version 4"},
		"smtp":               {"socks", []string{"220 hello\r\n"}, queue.Invalid, "version 50"},
		"later version":      {"socks", []string{accepted, "\x06\x00\x00\x01"}, queue.Invalid, "version 6"},
		"general": {"socks", []string{accepted, "\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"}, queue.Error,
			"general failure (1)"},
		"refused, no address": {"socks", []string{accepted, "\x05\x05\x00\x01"}, queue.Error,
			"connection refused by the target (5)"},
		"unknown reply":   {"socks", []string{accepted, "\x05\x63\x00\x01"}, queue.Error, "answered 99"},
		"no such address": {"socks", []string{accepted, "\x05\x00\x00\x09\x00"}, queue.Invalid, "type 9"},
		"half":            {"socks", []string{accepted, "\x05\x00\x00\x01\x7f"}, queue.Lost, "closed the connection"},
		"half method":     {"socks", []string{"\x05"}, queue.Lost, "closed the connection"},
		"nothing":         {"socks", nil, queue.Lost, ""},

		"ok":           {"http", []string{"HTTP/1.1 200 Connection established\r\n\r\n"}, "", ""},
		"1.0, bare LF": {"http", []string{"HTTP/1.0 200\nVia: x\n\n"}, "", ""},
		"201":          {"http", []string{"HTTP/1.1 201 Fine\r\nContent-Length: 5\r\n\r\n"}, "", ""},
		"interim":      {"http", []string{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}, "", ""},
		"403": {"http", []string{"HTTP/1.1 403 Not from here\r\nContent-Length: 3\r\n\r\nno!"}, queue.Error,
			"answered 403 Not from here"},
		"407": {"http", []string{"HTTP/1.1 407 \r\n\r\n"}, queue.Error,
			"answered 407 Proxy Authentication Required"},
		"502, binary":    {"http", []string{"HTTP/1.1 502 bad\x00\xff gateway\r\n\r\n"}, queue.Error, "answered 502 bad?"},
		"301":            {"http", []string{"HTTP/1.1 301 Over there\r\nLocation: x\r\n\r\n"}, queue.Error, "answered 301"},
		"web says smtp":  {"http", []string{"220 hello\r\n"}, queue.Invalid, "220 hello"},
		"HTTP/2":         {"http", []string{"HTTP/2 200 OK\r\n\r\n"}, queue.Invalid, "HTTP/2 200"},
		"no code":        {"http", []string{"HTTP/1.1 OK\r\n\r\n"}, queue.Invalid, "HTTP/1.1 OK"},
		"code too long":  {"http", []string{"HTTP/1.1 2000 OK\r\n\r\n"}, queue.Invalid, "2000"},
		"negative":       {"http", []string{"HTTP/1.1 -20 OK\r\n\r\n"}, queue.Invalid, "-20"},
		"half header":    {"http", []string{"HTTP/1.1 200 OK\r\nVia:"}, queue.Lost, "closed the connection"},
		"endless header": {"http", []string{"HTTP/1.1 200 OK\r\n" + slowHeader}, queue.Invalid, "header"},
		"endless words": {"http", []string{"HTTP/1.1 403 " + strings.Repeat("no ", 3000) + "\r\n\r\n"}, queue.Error,
			"403 no no"},
		"always interim": {"http", []string{strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 10)}, queue.Invalid,
			"announcing"},
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := fake(t, c.protocol, answer(c.says...)).Dial(t.Context(), public, example)
			if c.result == "" {
				require.NoError(t, err)
				nc.Close()
				return
			}
			var f *delivery.Failure
			require.ErrorAs(t, err, &f)
			require.Equal(t, queue.StateHandshake, f.Result.State)
			require.Equal(t, c.result, f.Result.Result, "%+v", f.Result)
			require.Contains(t, f.Result.Description, c.protocol+" proxy 192.0.2.9:1080: ")
			require.Contains(t, f.Result.Description, c.text)
			require.Less(t, len(f.Result.Description), 400)
			require.Equal(t, 451, f.Result.Code)
		})
	}
}

// TestTarget looks at what the proxies are asked.
func TestTarget(t *testing.T) {
	asked := make(chan string, 1)
	proxy := func(nc net.Conn) {
		buf := make([]byte, 300)
		n, _ := nc.Read(buf)
		if buf[0] == 5 {
			_, _ = nc.Write([]byte{5, 0})
			n, _ = nc.Read(buf)
		}
		asked <- string(buf[:n])
	}
	for _, c := range []struct{ protocol, target, want string }{
		{"socks", "198.51.100.1:25", "\x05\x01\x00\x01\xc6\x33\x64\x01\x00\x19"},
		{"socks", "[::ffff:198.51.100.1]:2525", "\x05\x01\x00\x01\xc6\x33\x64\x01\x09\xdd"},
		{"http", "198.51.100.1:25", "CONNECT 198.51.100.1:25 HTTP/1.1\r\nHost: 198.51.100.1:25\r\n\r\n"},
	} {
		_, err := fake(t, c.protocol, proxy).Dial(t.Context(), public, netip.MustParseAddrPort(c.target))
		require.Error(t, err)
		require.Equal(t, c.want, <-asked)
	}
	row := external.Row{PublicIP: "2001:db8::5", ConnectIP: "192.0.2.9", ConnectPort: 1080, LocalIP: "127.0.0.7"}
	for protocol, want := range map[string]string{
		"socks": "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x19",
		"http":  "CONNECT [2001:db8::1]:25 HTTP/1.1\r\nHost: [2001:db8::1]:25\r\n\r\n",
	} {
		d := fake(t, protocol, proxy)
		row.Protocol = protocol
		d.Table = table(t, row)
		_, err := d.Dial(t.Context(), netip.MustParseAddr("2001:db8::5"), netip.MustParseAddrPort("[2001:db8::1]:25"))
		require.Error(t, err)
		require.Equal(t, want, <-asked)
	}
}

// TestGreetingBehindAnswer has the target speak in the same packet as the proxy, and after it.
func TestGreetingBehindAnswer(t *testing.T) {
	for protocol, says := range map[string][]string{
		"socks": {"\x05\x00", "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x19220 mx\r\n", "250 ok\r\n"},
		"http":  {"HTTP/1.1 200 OK\r\n\r\n220 mx\r\n", "250 ok\r\n"},
	} {
		nc, err := fake(t, protocol, answer(says...)).Dial(t.Context(), public, example)
		require.NoError(t, err)
		r := bufio.NewReaderSize(nc, 16)
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "220 mx\r\n", line)
		_, err = io.WriteString(nc, "EHLO x\r\n")
		require.NoError(t, err)
		line, err = r.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "250 ok\r\n", line)
		nc.Close()
	}
}

// TestSlowProxies drip, or say nothing at all.
func TestSlowProxies(t *testing.T) {
	drip := func(nc net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, nc) }()
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n")
		for {
			time.Sleep(time.Second)
			if _, err := io.WriteString(nc, "X"); err != nil {
				return
			}
		}
	}
	silent := func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }
	for name, c := range map[string]struct {
		protocol string
		proxy    func(net.Conn)
		limit    time.Duration
		want     time.Duration
	}{
		"drip":          {"http", drip, 5 * time.Second, 5 * time.Second},
		"silent":        {"http", silent, 5 * time.Second, 5 * time.Second},
		"silent, socks": {"socks", silent, 7 * time.Second, 7 * time.Second},
		"no deadline":   {"socks", silent, 0, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				if c.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.limit)
					defer cancel()
				}
				began := time.Now()
				_, err := fake(t, c.protocol, c.proxy).Dial(ctx, public, example)
				require.Equal(t, c.want, time.Since(began))
				var f *delivery.Failure
				require.ErrorAs(t, err, &f)
				require.Equal(t, queue.StateHandshake, f.Result.State)
				require.Equal(t, queue.Timeout, f.Result.Result)
				time.Sleep(2 * time.Second) // for the proxy to notice
			})
		})
	}
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, err := fake(t, "socks", func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }).Dial(ctx, public, example)
		require.ErrorIs(t, err, context.Canceled)
		var f *delivery.Failure
		require.False(t, errors.As(err, &f), "it is not the proxy's fault")
	})
}

// TestNoDeadlineStays sees that the time-out of the handshake does not end the connection.
func TestNoDeadlineStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		nc, err := fake(t, "http", answer("HTTP/1.1 200 OK\r\n\r\n", "later")).Dial(ctx, public, example)
		require.NoError(t, err)
		cancel()
		time.Sleep(time.Minute)
		_, err = io.WriteString(nc, "x")
		require.NoError(t, err)
		text, err := io.ReadAll(nc)
		require.NoError(t, err)
		require.Equal(t, "later", string(text))
		nc.Close()
	})
}

func TestCompile(t *testing.T) {
	good := external.Row{ID: 7, PublicIP: " 203.0.113.5 ", LocalIP: "10.0.0.1", ConnectIP: "10.0.0.2", ConnectPort: 1080,
		Protocol: "Socks"}
	with := func(change func(*external.Row)) external.Row {
		r := good
		change(&r)
		return r
	}
	for _, c := range []struct {
		row  external.Row
		want string // "": it is fine
	}{
		{good, ""},
		{with(func(r *external.Row) { r.LocalIP = "" }), ""},
		{with(func(r *external.Row) { r.LocalIP = "0.0.0.0" }), ""},
		{with(func(r *external.Row) { r.PublicIP = "2001:db8::1" }), ""},
		{external.Row{PublicIP: "203.0.113.5"}, ""},
		{external.Row{PublicIP: "203.0.113.5", Protocol: "nat", ConnectIP: "10.0.0.2"}, ""},
		{with(func(r *external.Row) { r.PublicIP = "" }), "public_ip"},
		{with(func(r *external.Row) { r.PublicIP = "::" }), "public_ip"},
		{with(func(r *external.Row) { r.PublicIP = "fe80::1%eth0" }), "public_ip"},
		{with(func(r *external.Row) { r.PublicIP = "mail.example" }), `public_ip "mail.example": expected an IP address`},
		{with(func(r *external.Row) { r.PublicIP = "224.0.0.1" }), "public_ip"},
		{with(func(r *external.Row) { r.PublicIP = "255.255.255.255" }), "public_ip"},
		{with(func(r *external.Row) { r.LocalIP = "10.0.0" }), "local_ip"},
		{with(func(r *external.Row) { r.LocalIP = "fd00::1" }), "one IP version"},
		{external.Row{PublicIP: "203.0.113.5", LocalIP: "fd00::1"}, "one IP version"},
		{with(func(r *external.Row) { r.ConnectIP = "" }), "connect_ip"},
		{with(func(r *external.Row) { r.ConnectIP = "proxy.example" }), "connect_ip"},
		{with(func(r *external.Row) { r.ConnectPort = 0 }), "connect_port"},
		{with(func(r *external.Row) { r.ConnectPort = 65536 }), "connect_port"},
		{with(func(r *external.Row) { r.ConnectPort = -1 }), "connect_port"},
		{with(func(r *external.Row) { r.Protocol = "socks4" }), `protocol "socks4": expected nat, socks or http`},
	} {
		tab, problems := external.Compile([]external.Row{c.row})
		if c.want == "" {
			require.Empty(t, problems)
			require.Len(t, tab.Sources(), 1)
			continue
		}
		require.Len(t, problems, 1, "%+v", c.row)
		require.Contains(t, problems[0].Error(), c.want)
		require.Empty(t, tab.Sources())
	}
	tab, problems := external.Compile([]external.Row{with(func(r *external.Row) { r.PublicIP = "203.0.113.9" }), good,
		{ID: 9, PublicIP: "::ffff:203.0.113.5"}})
	require.Len(t, problems, 1)
	require.Equal(t, "externalmtas 9: public_ip 203.0.113.5: row 7 has it already", problems[0].Error())
	require.Equal(t, []netip.Addr{public, netip.MustParseAddr("203.0.113.9")}, tab.Sources())
	mta, found := tab.Find(public)
	require.True(t, found)
	require.Equal(t, external.SOCKS, mta.Protocol)
	require.Equal(t, netip.MustParseAddrPort("10.0.0.2:1080"), mta.Connect)
}

// pieces is a connection that says what it is given, in pieces.
type pieces struct {
	net.Conn
	said  []byte
	piece int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.said) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.piece)], p.said)
	p.said = p.said[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) { return len(b), nil }
func (p *pieces) Close() error                { return nil }
func (p *pieces) SetDeadline(time.Time) error { return nil }

// FuzzAnswers checks that no answer does harm, that pieces make no difference, and that nothing behind it is lost.
func FuzzAnswers(f *testing.F) {
	f.Add(true, 1, []byte("\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x19220 mx\r\n"))
	f.Add(true, 3, []byte("\x05\x00\x05\x05\x00\x03\x04host\x00\x19"))
	f.Add(false, 7, []byte("HTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 mx\r\n"))
	f.Add(false, 1, []byte("HTTP/1.1 100 Wait\n\nHTTP/1.0 407 No\n\n"))
	f.Fuzz(func(t *testing.T, socks bool, piece int, said []byte) {
		protocol := "http"
		if socks {
			protocol = "socks"
		}
		dial := func(piece int) ([]byte, error) {
			d := &external.Dialer{Table: table(t, proxyRow(protocol, "192.0.2.9:1080")),
				Direct: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
					return &pieces{said: said, piece: piece}, nil
				}}
			nc, err := d.Dial(context.Background(), public, example)
			if err != nil {
				var f *delivery.Failure
				require.ErrorAs(t, err, &f)
				require.Less(t, len(f.Result.Description), 500)
				return nil, err
			}
			rest, err := io.ReadAll(nc)
			require.NoError(t, err)
			return rest, nil
		}
		whole, err := dial(1 << 20)
		part, partErr := dial(1 + max(piece, 0)%16)
		require.Equal(t, err == nil, partErr == nil, "%v, in pieces %v", err, partErr)
		require.Equal(t, whole, part)
		require.True(t, bytes.HasSuffix(said, whole))
	})
}
