package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/render/fetch"
)

// loopback allows the addresses that the servers of these tests have.
var loopback = fetch.Range{Prefix: netip.MustParsePrefix("127.0.0.0/8")}

// client returns a client that may download from loopback.
func client(t *testing.T, change func(*fetch.Client, *fetch.Terms)) *fetch.Client {
	terms := &fetch.Terms{Whitelist: []fetch.Range{loopback}, TTL: time.Hour}
	c := &fetch.Client{Terms: func() *fetch.Terms { return terms }, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(c, terms)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// failed asserts that a download fails, in which way, and with which words.
func failed(t *testing.T, err error, temporary bool, words string) {
	t.Helper()
	e, ok := errors.AsType[*fetch.Error](err)
	require.True(t, ok, "%T %v", err, err)
	require.Equal(t, temporary, e.Temporary, err)
	require.ErrorContains(t, err, words)
}

func TestFetch(t *testing.T) {
	var asked *http.Request
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r
		w.Header().Set("Content-Type", "text/Plain; charset=UTF-8")
		w.Write([]byte("hello"))
	})
	var logged string
	c := client(t, func(c *fetch.Client, terms *fetch.Terms) {
		terms.UserAgent = "A mailer of ours"
		c.Log = func(url string, _ time.Time, _ time.Duration) { logged = url }
	})
	address := strings.Replace(s.URL, "//", "//joe:s3cret@", 1) + "/a%20dir/report.pdf?x=1#page"
	f, err := c.Fetch(t.Context(), address)
	require.NoError(t, err)
	require.Equal(t, &fetch.File{Data: []byte("hello"), Type: "text/plain; charset=UTF-8", Name: "report.pdf"}, f)
	require.Equal(t, "A mailer of ours", asked.UserAgent())
	user, password, _ := asked.BasicAuth()
	require.Equal(t, "joe s3cret", user+" "+password)
	require.Contains(t, logged, "/a%20dir/report.pdf?x=1")
	require.NotContains(t, logged, "s3cret")
}

func TestNames(t *testing.T) {
	for given, want := range map[string]string{
		`attachment; filename="a b.pdf"`:                   "a b.pdf",
		`attachment; filename*=UTF-8''%e2%82%ac.txt`:       "€.txt",
		`attachment; filename="..\\..\\windows\\evil.exe"`: "evil.exe",
		`attachment; filename="../../etc/passwd"`:          "passwd",
		`attachment; filename=".."`:                        "",
		`attachment`:                                       "x.png",
		`;;;`:                                              "x.png",
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Disposition", given) })
		f, err := client(t, nil).Fetch(t.Context(), s.URL+"/dir/x.png")
		require.NoError(t, err)
		require.Equal(t, want, f.Name, given)
	}
}

// TestRefusedAddresses has a resolver that answers with each address: nothing is connected to.
func TestRefusedAddresses(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.255.1.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
		"100.100.100.200", "169.254.169.254", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "239.1.1.1",
		"255.255.255.255", "::", "::1", "fe80::1", "fe80::1%lo", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::1", "2002:7f00:1::1", "2002:c0a8:101::1", "2001:0:1:2:3:4:5:6", "2001:db8::5efe:10.0.0.1",
		"100::1", "203.0.113.9", // the last one by the blacklist
	} {
		t.Run(text, func(t *testing.T) {
			c := client(t, func(c *fetch.Client, terms *fetch.Terms) {
				terms.Whitelist = nil
				terms.Blacklist = []fetch.Range{{Prefix: netip.MustParsePrefix("203.0.113.0/24")}}
				c.Resolver = answers{netip.MustParseAddr(text)}
			})
			_, err := c.Fetch(t.Context(), "http://files.example.com/x")
			failed(t, err, false, "nothing may be downloaded from address")
			if a := netip.MustParseAddr(text); a.Zone() == "" {
				_, err = c.Fetch(t.Context(), "http://"+netip.AddrPortFrom(a, 80).String()+"/")
				failed(t, err, false, "nothing may be downloaded from address")
			}
		})
	}
}

type answers []netip.Addr

func (a answers) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return a, nil }

func TestWhitelistHasPorts(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	for port, allowed := range map[uint16]bool{at.Port(): true, at.Port() + 1: false, 0: true} {
		c := client(t, func(_ *fetch.Client, terms *fetch.Terms) {
			terms.Whitelist = []fetch.Range{{netip.MustParsePrefix("127.0.0.1/32"), int(port)}}
		})
		if _, err := c.Fetch(t.Context(), s.URL); allowed {
			require.NoError(t, err)
		} else {
			failed(t, err, false, at.String())
		}
	}
}

// TestRebinding has a name that leads to a public address first, and to a private one then.
func TestRebinding(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	var asked atomic.Int32
	c := client(t, func(c *fetch.Client, terms *fetch.Terms) {
		terms.Whitelist = []fetch.Range{{netip.MustParsePrefix("127.0.0.1/32"), 0}} // plays the public address
		c.Resolver = lookUp(func() netip.Addr {
			if asked.Add(1) == 1 {
				return at.Addr()
			}
			return netip.MustParseAddr("127.0.0.2")
		})
	})
	_, err := c.Fetch(t.Context(), fmt.Sprintf("http://files.example.com:%d/", at.Port()))
	failed(t, err, false, "127.0.0.2")
	require.EqualValues(t, 2, asked.Load())
}

type lookUp func() netip.Addr

func (f lookUp) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{f()}, nil
}

func TestRedirects(t *testing.T) {
	var to string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var left int
		if _, err := fmt.Sscanf(r.URL.Path, "/left/%d", &left); err == nil && left > 0 {
			http.Redirect(w, r, fmt.Sprintf("/left/%d", left-1), http.StatusFound)
		} else if r.URL.Path == "/to" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	})
	c := client(t, nil)
	_, err := c.Fetch(t.Context(), s.URL+"/left/5")
	require.NoError(t, err)
	_, err = c.Fetch(t.Context(), s.URL+"/left/6")
	failed(t, err, false, "more than 5 redirects")

	for target, words := range map[string]string{
		"http://10.0.0.1/":                 "nothing may be downloaded from address 10.0.0.1:80",
		"http://[::ffff:169.254.169.254]/": "nothing may be downloaded from address 169.254.169.254:80",
		"file:///etc/passwd":               "http://",
		"gopher://127.0.0.1/":              "http://",
	} {
		to = target
		_, err = client(t, nil).Fetch(t.Context(), s.URL+"/to")
		failed(t, err, false, words)
	}
}

func TestFailures(t *testing.T) {
	for code, temporary := range map[int]bool{
		204: false, 304: false, 400: false, 401: false, 403: false, 404: false, 410: false, 408: true, 425: true, 429: true,
		500: true, 502: true, 503: true, 504: true,
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) })
		_, err := client(t, nil).Fetch(t.Context(), s.URL)
		failed(t, err, temporary, fmt.Sprint(code))
	}
	for address, words := range map[string]string{
		"ftp://example.com/x": "http://", "/etc/passwd": "http://", "": "http://", "http://": "no host",
		"http://a b/": "malformed", "javascript:alert(1)": "http://", "http://\x00/": "malformed",
	} {
		_, err := client(t, nil).Fetch(t.Context(), address)
		failed(t, err, false, words)
	}

	gone := serve(t, nil)
	gone.Close()
	_, err := client(t, nil).Fetch(t.Context(), gone.URL)
	failed(t, err, true, "refused")

	c := client(t, func(c *fetch.Client, _ *fetch.Terms) { c.Resolver = noDNS{} })
	_, err = c.Fetch(t.Context(), "http://files.example.com/")
	failed(t, err, true, "no such host")

	secure := httptest.NewTLSServer(http.NotFoundHandler()) // of an authority that nobody knows
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(secure.Close)
	_, err = client(t, nil).Fetch(t.Context(), secure.URL)
	failed(t, err, true, "certificate")
}

type noDNS struct{}

func (noDNS) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: "files.example.com", IsNotFound: true}
}

func TestErrorsShowNoPassword(t *testing.T) {
	s := serve(t, http.NotFound)
	_, err := client(t, nil).Fetch(t.Context(), strings.Replace(s.URL, "//", "//joe:s3cret@", 1))
	require.ErrorContains(t, err, "404")
	require.NotContains(t, err.Error(), "s3cret")
}

// raw answers each connection with bytes, and then with what goes on.
func raw(t *testing.T, answer string, goOn func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { l.Close() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				conn.Read(make([]byte, 4096))
				io.WriteString(conn, answer)
				if goOn != nil {
					goOn(conn)
				}
			})
		}
	})
	return "http://" + l.Addr().String()
}

func TestLyingAndEndlessAnswers(t *testing.T) {
	endless := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
			}
		}
	}
	dripping := func(conn net.Conn) { io.Copy(io.Discard, conn) } // until the client has enough
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 64<<20))
	z.Close()
	packed := "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
	for name, c := range map[string]struct {
		answer    string
		goOn      func(net.Conn)
		temporary bool
		words     string
	}{
		"less than it says":   {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", nil, true, "EOF"},
		"says too much":       {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", dripping, false, "99999999999 bytes"},
		"no end":              {"HTTP/1.1 200 OK\r\n\r\n", endless(strings.Repeat("x", 4096)), false, "more than the 1048576 bytes"},
		"no end of a header":  {"HTTP/1.1 200 OK\r\n", endless("X-Y: z\r\n"), true, "exceeded"},
		"no answer":           {"", dripping, true, "too long"},
		"stops in the middle": {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", dripping, true, "too long"},
		"nonsense":            {"220 mail.example.com ESMTP\r\n", nil, true, "malformed"},
		"gzip bomb":           {packed + bomb.String(), nil, false, "more than the 1048576 bytes"},
		"broken gzip":         {packed + "nonsense of more than ten bytes", nil, true, "gzip"},
		"packed twice":        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 0\r\n\r\n", nil, false, "encoding"},
		"interim without end": {"", endless("HTTP/1.1 103 Early Hints\r\n\r\n"), true, ""},
		"malformed redirect":  {"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n", nil, true, ""},
		"redirect to nowhere": {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", nil, false, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := raw(t, c.answer, c.goOn)
			client := client(t, func(cl *fetch.Client, _ *fetch.Terms) {
				cl.MaxSize = 1 << 20
				if c.words == "too long" {
					cl.Timeout = 300 * time.Millisecond
				}
			})
			_, err := client.Fetch(t.Context(), at)
			failed(t, err, c.temporary, c.words)
		})
	}
}

func TestPacked(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write([]byte("plain"))
		z.Close()
	})
	f, err := client(t, nil).Fetch(t.Context(), s.URL)
	require.NoError(t, err)
	require.Equal(t, "plain", string(f.Data))
}

// TestOneDownloadForMany has a hundred messages want a file at the same time.
func TestOneDownloadForMany(t *testing.T) {
	var asked atomic.Int32
	let := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-let
		w.Write([]byte("x"))
	})
	c := client(t, func(_ *fetch.Client, terms *fetch.Terms) { terms.TTL = 0 })
	impatient, leave := context.WithCancel(t.Context())
	leave()
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			ctx := t.Context()
			if i%10 == 0 {
				ctx = impatient // one that leaves takes nothing from the others
			}
			f, err := c.Fetch(ctx, s.URL)
			if i%10 == 0 {
				require.ErrorIs(t, err, context.Canceled)
			} else {
				require.NoError(t, err)
				require.Equal(t, "x", string(f.Data))
			}
		})
	}
	all90 := func() bool { return asked.Load() == 1 && c.Waiting(s.URL) == 90 }
	require.Eventually(t, all90, time.Minute, time.Millisecond)
	close(let)
	all.Wait()
	require.EqualValues(t, 1, asked.Load())
	_, err := c.Fetch(t.Context(), s.URL) // with a TTL of zero the next one is another download
	require.NoError(t, err)
}

// TestBoundedPerHost has many files of one host wanted at the same time.
func TestBoundedPerHost(t *testing.T) {
	var now, most atomic.Int32
	arrived := make(chan struct{}, 100)
	let := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-let
		now.Add(-1)
	})
	c := client(t, func(c *fetch.Client, _ *fetch.Terms) { c.PerHost = 3 })
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			_, err := c.Fetch(t.Context(), fmt.Sprintf("%s/%d", s.URL, i))
			require.NoError(t, err)
		})
	}
	for range 3 {
		<-arrived
	}
	close(let)
	all.Wait()
	require.EqualValues(t, 3, most.Load())
}

func TestCloseEndsDownloads(t *testing.T) {
	arrived := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	c := client(t, nil)
	ended := make(chan error)
	go func() {
		_, err := c.Fetch(t.Context(), s.URL)
		ended <- err
	}()
	<-arrived
	c.Close()
	failed(t, <-ended, true, "canceled")
	_, err := c.Fetch(t.Context(), s.URL)
	failed(t, err, true, "ending")
}

// tunnel is a proxy with CONNECT that wants a login, and remembers what it was asked for.
func tunnel(t *testing.T) (address string, asked chan string) {
	asked = make(chan string, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.RequestURI
		login := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		if user, password, _ := login.BasicAuth(); user != "joe" || password != "s3cret" {
			http.Error(w, "who are you?", http.StatusProxyAuthRequired)
			return
		}
		target, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 Connected\r\n\r\n")
		go func() {
			io.Copy(target, conn)
			target.Close()
		}()
		io.Copy(conn, target)
		conn.Close()
	})
	return s.Listener.Addr().String(), asked
}

func TestProxy(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "host "+r.Host) })
	port := netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
	at, asked := tunnel(t)
	c := client(t, func(c *fetch.Client, terms *fetch.Terms) {
		terms.Proxy = "http://joe:s3cret@" + at
		c.Resolver = answers{netip.MustParseAddr("127.0.0.1")}
	})
	f, err := c.Fetch(t.Context(), fmt.Sprintf("http://files.example.com:%d/", port))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("host files.example.com:%d", port), string(f.Data))
	require.Equal(t, fmt.Sprintf("CONNECT 127.0.0.1:%d", port), <-asked, "the proxy looks nothing up")

	c = client(t, func(c *fetch.Client, terms *fetch.Terms) {
		terms.Proxy, terms.Whitelist = "http://joe:s3cret@"+at, nil
	})
	_, err = c.Fetch(t.Context(), s.URL)
	failed(t, err, false, "nothing may be downloaded")
	require.Empty(t, asked, "the proxy was asked for a private address")

	c = client(t, func(c *fetch.Client, terms *fetch.Terms) { terms.Proxy = "http://joe:wr0ng@" + at })
	_, err = c.Fetch(t.Context(), s.URL)
	failed(t, err, true, "407")
	require.NotContains(t, err.Error(), "wr0ng")

	for proxy, words := range map[string]string{
		"http://j:s3cret@[": "proper", "ftp://j:s3cret@x": "scheme", "http://j:s3cret@127.0.0.1:1": "refused",
		"socks://j:s3cret@127.0.0.1:1": "refused",
	} {
		c = client(t, func(c *fetch.Client, terms *fetch.Terms) { terms.Proxy = proxy })
		_, err = c.Fetch(t.Context(), s.URL)
		failed(t, err, true, words)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestProxiesThatMisbehave(t *testing.T) {
	for answer, words := range map[string]string{
		"SSH-2.0-x\r\n\r\n":                                      "malformed",
		"HTTP/1.1 200 OK\r\n\r\nand more":                        "more than an answer",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 9000): "malformed",
		"": "EOF",
	} {
		at, err := url.Parse(raw(t, answer, nil))
		require.NoError(t, err)
		c := client(t, func(_ *fetch.Client, terms *fetch.Terms) { terms.Proxy = at.String() })
		_, err = c.Fetch(t.Context(), "http://127.0.0.1:1/")
		failed(t, err, true, words)
	}
}
