package wire

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	sig2  = "\r\n\r\n\x00\r\nQUIT\n"
	four  = "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x19\x01\x00" // addresses 1.2.3.4 and 5.6.7.8, ports 25 and 256
	six   = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x19\x01\x00"
	mixed = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x19\x01\x00"
)

func TestReadProxy(t *testing.T) {
	tlv := "\x04\x01\x00" + strings.Repeat("x", 256)
	for _, tt := range []struct {
		name, in string
		want     Proxy
		err      string // "": none
	}{
		{"v1 IPv4", "PROXY TCP4 1.2.3.4 5.6.7.8 25 256\r\n", proxied("1.2.3.4:25", "5.6.7.8:256"), ""},
		{"v1 IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 25 256\r\n", proxied("[2001:db8::1]:25", "[2001:db8::2]:256"), ""},
		{"v1 mapped", "PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 25 256\r\n", proxied("1.2.3.4:25", "5.6.7.8:256"), ""},
		{"v1 unknown", "PROXY UNKNOWN\r\n", Proxy{Local: true}, ""},
		{"v1 unknown with addresses",
			"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
			Proxy{Local: true}, ""},
		{"v2 IPv4", sig2 + "\x21\x11\x00\x0c" + four, proxied("1.2.3.4:25", "5.6.7.8:256"), ""},
		{"v2 IPv6", sig2 + "\x21\x21\x00\x24" + six, proxied("[2001:db8::1]:25", "[2001:db8::2]:256"), ""},
		{"v2 mapped", sig2 + "\x21\x21\x00\x24" + mixed, proxied("1.2.3.4:25", "[2001:db8::2]:256"), ""},
		{"v2 TLV", sig2 + "\x21\x11\x01\x0f" + four + tlv, proxied("1.2.3.4:25", "5.6.7.8:256"), ""},
		{"v2 local", sig2 + "\x20\x00\x00\x00", Proxy{Local: true}, ""},
		{"v2 local with addresses", sig2 + "\x20\x11\x00\x0c" + four, Proxy{Local: true}, ""},

		{"nothing", "", Proxy{}, "EOF"},
		{"v1 cut", "PROXY TCP4 1.2.3.4 5.6", Proxy{}, "EOF"},
		{"v1 cut in its first word", "PRO", Proxy{}, "EOF"},
		{"v2 cut in the signature", sig2[:7], Proxy{}, "EOF"},
		{"v2 cut in the addresses", sig2 + "\x21\x11\x00\x0c" + four[:5], Proxy{}, "EOF"},
		{"v2 cut in the TLVs", sig2 + "\x21\x11\x01\x0f" + four + tlv[:100], Proxy{}, "EOF"},
		{"v1 too long", "PROXY TCP6 " + strings.Repeat("0", 97) + "\r\n", Proxy{}, "more than 107 bytes"},
		{"v1 endless", "PROXY " + strings.Repeat("x", 10_000), Proxy{}, "more than 107 bytes"},
		{"v1 LF", "PROXY TCP4 1.2.3.4 5.6.7.8 25 256\n", Proxy{}, "malformed"},
		{"v1 protocol", "PROXY UDP4 1.2.3.4 5.6.7.8 25 256\r\n", Proxy{}, "malformed"},
		{"v1 families", "PROXY TCP4 2001:db8::1 5.6.7.8 25 256\r\n", Proxy{}, "malformed"},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 fe80::2 25 256\r\n", Proxy{}, "malformed"},
		{"v1 blank", "PROXY  TCP4 1.2.3.4 5.6.7.8 25 256\r\n", Proxy{}, "malformed"},
		{"v1 port", "PROXY TCP4 1.2.3.4 5.6.7.8 25 65536\r\n", Proxy{}, "malformed"},
		{"v1 lower case", "proxy TCP4 1.2.3.4 5.6.7.8 25 256\r\n", Proxy{}, "expected one at the start"},
		{"v2 version", sig2 + "\x31\x11\x00\x0c" + four, Proxy{}, "malformed"},
		{"v2 command", sig2 + "\x22\x11\x00\x0c" + four, Proxy{}, "malformed"},
		{"v2 short", sig2 + "\x21\x11\x00\x0b" + four[:11], Proxy{}, "malformed"},
		{"v2 too long", sig2 + "\x21\x11\x10\x01" + four, Proxy{}, "more than 4096 bytes"},
		{"v2 Unix", sig2 + "\x21\x31\x00\xd8" + strings.Repeat("/", 216), Proxy{}, "expected addresses of TCP"},
		{"v2 UDP", sig2 + "\x21\x12\x00\x0c" + four, Proxy{}, "expected addresses of TCP"},
		{"v2 nobody", sig2 + "\x21\x00\x00\x00", Proxy{}, "malformed"},
		{"SMTP", "EHLO a\r\n", Proxy{}, "expected one at the start"},
		{"TLS", "\x16\x03\x01", Proxy{}, "expected one at the start"},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "dripping": iotest.OneByteReader,
		} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				rest := ""
				if tt.err == "" {
					rest = "EHLO a\r\n"
				}
				c, _ := input(wrap(strings.NewReader(tt.in + rest)))
				got, err := c.ReadProxy()
				require.Equal(t, tt.want, got)
				if tt.err != "" {
					require.ErrorContains(t, err, tt.err)
					return
				}
				require.NoError(t, err)
				line, err := c.ReadLine(0)
				require.NoError(t, err)
				require.Equal(t, "EHLO a", string(line), "what follows the header must not be lost")
			})
		}
	}
}

func proxied(client, server string) Proxy {
	return Proxy{Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server)}
}

func TestProxyHeaderIsNoLine(t *testing.T) {
	c, _ := input(strings.NewReader(sig2 + "\x21\x11\x00\x0c" + four))
	_, err := c.ReadLine(0)
	require.Equal(t, ErrProxyHere, err)
}

func FuzzReadProxy(f *testing.F) {
	f.Add([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 25 256\r\n"))
	f.Add([]byte(sig2 + "\x21\x21\x00\x24" + six))
	f.Add([]byte(sig2 + "\x20\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, _ := input(bytes.NewReader(in))
		p, err := c.ReadProxy()
		if err == nil && !p.Local {
			require.True(t, p.Client.IsValid() && p.Server.IsValid())
			require.False(t, p.Client.Addr().Is4In6())
		}
	})
}

func TestWatchSeesAClientGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := piped(t)
		lost := make(chan struct{})
		stop := c.Watch(time.Second, func() { close(lost) })
		client.Close()
		<-lost
		stop()
		require.True(t, c.Broken())
	})
}

func TestWatchLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := piped(t)
		c.Timeout = time.Minute
		never := func() { t.Error("the client is still there") }

		stop := c.Watch(time.Second, never)
		stop() // before it began
		stop = c.Watch(time.Second, never)
		client.Write([]byte("NO"))
		time.Sleep(10 * time.Minute) // longer than any time-out: it is we who are slow
		stop()
		require.Equal(t, 2, c.Buffered())

		stop = c.Watch(time.Second, never)
		time.Sleep(10 * time.Minute) // the client says nothing
		stop()
		go client.Write([]byte("OP\r\n"))
		line, err := c.ReadLine(0)
		require.NoError(t, err)
		require.Equal(t, "NOOP", string(line))

		begin := time.Now()
		_, err = c.ReadLine(0)
		require.Equal(t, ErrTimeout, err, "time-outs work as ever")
		require.InDelta(t, 60, time.Since(begin).Seconds(), 1.1)
	})
}

func TestWatchOfABrokenConnection(t *testing.T) {
	c, _ := input(strings.NewReader(""))
	_, err := c.ReadLine(0)
	require.Equal(t, io.EOF, err)
	c.Watch(0, func() { t.Error("that is known") })()
}
