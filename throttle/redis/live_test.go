package redis_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/redis"
	"github.com/sluicemail/sluice/throttle/throttletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	path   = throttle.Path{Source: netip.MustParseAddr("192.0.2.1"), Site: "a.example"}
	target = netip.MustParseAddr("198.51.100.1")
)

// logged is a log that may be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func open(t testing.TB, limits throttle.Limits, o redis.Options, addresses ...string) *redis.Throttler {
	t.Helper()
	th, err := redis.New(local.New(&local.Table{Base: limits}), addresses, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = th.Close() })
	return th
}

func messages(n int64) throttle.Limits {
	return throttle.Limits{Domain: throttle.Rates{Messages: n}}
}

// TestWithoutRedis is the examiner's full rigour: without Redis, and alone, limits are kept as within one process.
func TestWithoutRedis(t *testing.T) {
	throttletest.Run(t, func(t *testing.T, limits throttle.Limits) throttle.Throttler {
		th, err := redis.New(local.New(&local.Table{Base: limits}), []string{"redis://127.0.0.1:1"}, redis.Options{})
		require.NoError(t, err)
		require.NoError(t, th.Close())
		return th
	})
}

func TestAddresses(t *testing.T) {
	const secret = "s3cr3t-word"
	for _, address := range []string{
		"", "http://:" + secret + "@host:1/0", ":" + secret + "@host:1", "redis://:" + secret + "@host:port/0",
		"redis://:" + secret + "%zz@host/0",
		"redis://:" + secret + "@host:6379/abc", "redis://:" + secret + "@host:6379/0/1",
		"redis://:" + secret + "@host:6379/0?retries=5", "unix:///x",
		"redis://host/0#" + secret,
	} {
		_, err := redis.New(local.New(nil), []string{address}, redis.Options{})
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), secret)
		require.Contains(t, err.Error(), "redis address")
	}
	_, err := redis.New(local.New(nil), nil, redis.Options{})
	require.Error(t, err)
	th := open(t, messages(1), redis.Options{}, "rediss://user:"+secret+"@127.0.0.1:1/3")
	require.NoError(t, th.Close())
}

// send sends on one connection, as the engine does, until told to stop.
func send(th throttle.Throttler, stop <-chan struct{}, sent *atomic.Int64) {
	told := make(chan struct{}, 1)
	th.Changed(func(throttle.Path) {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	c, _ := th.Connect(path, target)
	for {
		wait := throttle.Wait{For: 10 * time.Millisecond}
		if c == nil {
			c, _ = th.Connect(path, target)
		} else if wait = c.Send(1); wait.Zero() {
			sent.Add(1)
			continue
		}
		select {
		case <-stop:
			if c != nil {
				c.Close()
			}
			return
		case <-told:
		case <-time.After(wait.For):
		}
	}
}

// TestLive shares over a real connection, in real time, and takes Redis away in every way.
func TestLive(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	var log logged
	const perMinute = 6000
	var sent atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var all []*redis.Throttler
	for i := range 3 {
		o := redis.Options{Instance: fmt.Sprint("i", i), Timeout: 200 * time.Millisecond,
			Logger: slog.New(slog.NewTextHandler(&log, nil))}
		th := open(t, messages(perMinute), o, server.URL(2))
		all = append(all, th)
		wg.Go(func() { send(th, stop, &sent) })
	}
	defer wg.Wait()
	defer close(stop)
	shared := func() bool { return all[0].Shared() && all[1].Shared() && all[2].Shared() }
	// A busy machine may be slow; too fast it must not be. What lies ahead is half a second.
	flows := func(during time.Duration, why string) {
		before, began := sent.Load(), time.Now()
		<-time.After(during)
		n := float64(sent.Load() - before)
		require.LessOrEqual(t, n, perMinute*(time.Since(began)+time.Second).Minutes(), why)
		require.GreaterOrEqual(t, n, perMinute*during.Minutes()/2, why)
	}
	require.Eventually(t, func() bool { return sent.Load() > 500 }, 15*time.Second, 10*time.Millisecond)
	flows(2*time.Second, "shared")

	require.NoError(t, server.Signal(syscall.SIGSTOP)) // it hangs
	require.Eventually(t, func() bool { return strings.Count(log.String(), "redis is away") == 3 }, 5*time.Second,
		10*time.Millisecond)
	flows(2*time.Second, "each has a third")
	require.NoError(t, server.Signal(syscall.SIGCONT))
	require.Eventually(t, func() bool { return strings.Count(log.String(), "shared again") == 3 && shared() },
		10*time.Second, 10*time.Millisecond)

	server.Kill()
	require.Eventually(t, func() bool { return strings.Count(log.String(), "redis is away") == 6 }, 5*time.Second,
		10*time.Millisecond)
	flows(time.Second, "each has a third again")
	server.Restart(t)
	require.Eventually(t, func() bool { return strings.Count(log.String(), "shared again") == 6 }, 10*time.Second,
		10*time.Millisecond)
	flows(time.Second, "in the first seconds of the new one each keeps to a third")
	require.Eventually(t, shared, 15*time.Second, 10*time.Millisecond)
	require.NotContains(t, log.String(), testserver.RedisPassword)
}

func TestWrongPassword(t *testing.T) {
	server := testserver.Redis(t)
	var log logged
	th := open(t, messages(600), redis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		"redis://:wr0ng-word@"+server.Address)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "WRONGPASS") }, 5*time.Second,
		10*time.Millisecond)
	require.NotContains(t, log.String(), "wr0ng-word")
	c, wait := th.Connect(path, target)
	require.True(t, wait.Zero())
	defer c.Close()
	require.True(t, c.Send(1).Zero(), "mail goes without")
}

// TestNonsense has servers that are not Redis, or not well.
func TestNonsense(t *testing.T) {
	for name, answer := range map[string]string{
		"words": "220 mail.example ESMTP\r\n", "long": "$9999999999999\r\n", "too few": "*2\r\n$1\r\n1\r\n$1\r\n1\r\n",
		"texts": "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", "half": "*4\r\n$1\r\n", "numbers": ":1\r\n",
		"nil": "$-1\r\n", "error": "-ERR no\r\n",
		"closes": "",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					if answer != "" {
						wg.Go(func() {
							buf := make([]byte, 4096)
							for {
								if _, err := nc.Read(buf); err != nil {
									nc.Close()
									return
								}
								_, _ = nc.Write([]byte(answer))
							}
						})
					} else {
						nc.Close()
					}
				}
			})
			defer wg.Wait()
			defer l.Close()
			th := open(t, messages(600), redis.Options{Timeout: 100 * time.Millisecond}, "redis://"+l.Addr().String())
			defer th.Close()
			require.Eventually(t, func() bool { return !th.Shared() }, 5*time.Second, 5*time.Millisecond)
			c, wait := th.Connect(path, target)
			require.True(t, wait.Zero())
			defer c.Close()
			require.True(t, c.Send(1).Zero())
		})
	}
}

// TestSecondServer takes over when the first is not there.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	th := open(t, messages(600), redis.Options{}, "redis://127.0.0.1:1", server.URL(0))
	stop, sent := make(chan struct{}), new(atomic.Int64)
	var wg sync.WaitGroup
	wg.Go(func() { send(th, stop, sent) })
	require.Eventually(t, func() bool { return sent.Load() > 20 && th.Shared() }, 15*time.Second, 10*time.Millisecond)
	close(stop)
	wg.Wait()
}

func benchmarkSend(b *testing.B, th throttle.Throttler) {
	c, wait := th.Connect(path, target)
	for end := time.Now().Add(10 * time.Second); c == nil && time.Now().Before(end); {
		c, wait = th.Connect(path, target)
	}
	require.NotNil(b, c, "%v", wait)
	defer c.Close()
	// what is leased grows with what is spent
	for end := time.Now().Add(time.Second); time.Now().Before(end); c.Send(1) {
	}
	b.ReportAllocs()
	b.ResetTimer()
	refused := 0
	for range b.N {
		if c.Send(100).Zero() {
			continue
		}
		refused++
	}
	b.ReportMetric(float64(refused)/float64(b.N), "refused/op")
}

func BenchmarkSend(b *testing.B) {
	server := testserver.Redis(b)
	for name, limits := range map[string]throttle.Limits{
		"unlimited": {}, "wide": messages(1 << 40), "narrow": messages(6000),
	} {
		b.Run("local/"+name, func(b *testing.B) { benchmarkSend(b, local.New(&local.Table{Base: limits})) })
		b.Run("shared/"+name, func(b *testing.B) {
			benchmarkSend(b, open(b, limits, redis.Options{Prefix: b.Name()}, server.URL(0)))
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server, certFile := testserver.RedisTLS(t)
	pem, err := os.ReadFile(certFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	address := strings.Replace(server.URL(0), "redis://", "rediss://", 1)
	var log logged
	o := redis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	open(t, messages(600), o, address)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "unknown authority") }, 10*time.Second,
		10*time.Millisecond,
		"a certificate that nobody vouches for is not trusted")
	o.TLS, o.Logger = &tls.Config{RootCAs: roots}, nil
	th := open(t, messages(600), o, address)
	stop, sent := make(chan struct{}), new(atomic.Int64)
	var wg sync.WaitGroup
	wg.Go(func() { send(th, stop, sent) })
	require.Eventually(t, func() bool { return sent.Load() > 20 && th.Shared() }, 15*time.Second, 10*time.Millisecond)
	close(stop)
	wg.Wait()
}

// A throttler shares what a local one limits.
func Example() {
	limits := local.New(&local.Table{Base: throttle.Limits{Domain: throttle.Rates{Messages: 600}}})
	th, err := redis.New(limits, []string{"redis://:password@192.0.2.9:6379/0"}, redis.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer th.Close()
	fmt.Println(th.Limits(path).Domain.Messages, "a minute from all instances together")
	// Output: 600 a minute from all instances together
}
