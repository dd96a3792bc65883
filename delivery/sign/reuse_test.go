package sign_test

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/queue"
)

// clock is a time that tests move. Signatures that are made anew show it in t=.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1800000000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestEqualMailsShareTheirSignature(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *queue.Message)
		wait   time.Duration
		shared bool
	}{
		"another recipient":       {func(m *queue.Message) { m.Recipient = "other@example.org" }, time.Second, true},
		"a copy of the body":      {func(m *queue.Message) { m.Body = queue.Bytes(mail) }, time.Second, true},
		"streamed":                {func(m *queue.Message) { m.Body = streamed(mail) }, time.Second, true},
		"after a while":           {func(*queue.Message) {}, 10 * time.Minute, false},
		"before half its time":    {func(*queue.Message) {}, 7 * time.Minute, true},
		"another mail":            {func(m *queue.Message) { m.Body = queue.Bytes(mail + "x\r\n") }, time.Second, false},
		"another header":          {func(m *queue.Message) { m.Body = queue.Bytes("X: y\r\n" + mail) }, time.Second, false},
		"another selector":        {func(m *queue.Message) { m.DKIM[0].Selector = "rsa" }, time.Second, false},
		"another expiry":          {func(m *queue.Message) { m.DKIM[0].Expire = 100 }, time.Second, false},
		"other extra fields":      {func(m *queue.Message) { m.DKIM[0].Headers = []string{"X"} }, time.Second, false},
		"another way":             {func(m *queue.Message) { m.DKIM[0].Canonicalization = "simple" }, time.Second, false},
		"another key in addition": {func(m *queue.Message) { m.DKIM = append(m.DKIM, rsaOwn()) }, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			s := &sign.Signer{Now: clock.Now}
			m := &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{edOwn()}}
			first, err := finish(t.Context(), s, m)
			require.NoError(t, err)
			clock.advance(c.wait)
			m = &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{edOwn()}}
			c.change(m)
			second, err := finish(t.Context(), s, m)
			require.NoError(t, err)
			same := tag(signatures(text(t, first))[0], "t") == tag(signatures(text(t, second))[0], "t")
			require.Equal(t, c.shared, same)
		})
	}
}

func TestExpiringSignaturesAreReusedForAPartOfTheirTime(t *testing.T) {
	clock := newClock()
	s := &sign.Signer{Now: clock.Now}
	key := edOwn()
	key.Expire = 80
	first := signedBy(t, s, mail, key)
	clock.advance(9 * time.Second)
	require.Equal(t, first, signedBy(t, s, mail, key))
	clock.advance(time.Second)
	require.NotEqual(t, first, signedBy(t, s, mail, key))
}

func TestNewSettingsSignAnew(t *testing.T) {
	clock := newClock()
	compile := func() *sign.Keys {
		keys, broken := sign.Compile([]sign.Spec{{Key: edOwn()}}, nil)
		require.Empty(t, broken)
		return keys
	}
	keys := compile()
	s := &sign.Signer{Now: clock.Now, Keys: func() *sign.Keys { return keys }}
	first := signedBy(t, s, mail)
	clock.advance(time.Second)
	require.Equal(t, first, signedBy(t, s, mail))
	keys = compile()
	require.NotEqual(t, first, signedBy(t, s, mail))
	keys = nil
	require.Equal(t, mail, signedBy(t, s, mail))
}

func TestReuseSwitchedOff(t *testing.T) {
	clock := newClock()
	s := &sign.Signer{Now: clock.Now, Reuse: -1}
	first := signedBy(t, s, mail, edOwn())
	clock.advance(time.Second)
	require.NotEqual(t, first, signedBy(t, s, mail, edOwn()))
}

func TestWaitingForASignatureEndsWithTheContext(t *testing.T) {
	key := &slow{Signer: ed25519Key(), signing: make(chan struct{}), proceed: make(chan struct{})}
	s := &sign.Signer{Parsed: &sign.KeyCache{Open: func(string) (crypto.Signer, error) { return key, nil }}}
	first := make(chan error)
	go func() {
		_, err := finish(context.Background(), s, &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{edOwn()}})
		first <- err
	}()
	<-key.signing
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := finish(ctx, s, &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{edOwn()}})
	require.ErrorIs(t, err, context.Canceled)
	close(key.proceed)
	require.NoError(t, <-first)
}

// slow is a key that signs once, when it may.
type slow struct {
	crypto.Signer
	signing, proceed chan struct{}
}

func (s *slow) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	close(s.signing)
	<-s.proceed
	return s.Signer.Sign(r, digest, opts)
}

// TestABodyIsReadOnce signs with keys of both forms, with and without remembering.
func TestABodyIsReadOnce(t *testing.T) {
	relaxed := edOwn()
	relaxed.Canonicalization, relaxed.Selector = "relaxed/relaxed", "other"
	for name, reuse := range map[string]time.Duration{"remembered": 0, "never reused": -1} {
		t.Run(name, func(t *testing.T) {
			long := mail + strings.Repeat("All work and no play makes Jack a dull boy.\r\n", 5000)
			body := &counted{Body: queue.Bytes(long)}
			_, err := finish(t.Context(), &sign.Signer{Reuse: reuse},
				&queue.Message{Body: body, DKIM: []queue.DKIM{edOwn(), relaxed}})
			require.NoError(t, err)
			require.Less(t, body.read, len(long)+10<<10, "but for its header")
		})
	}
}

// counted is a mail that is not in memory, and counts the bytes read.
type counted struct {
	queue.Body
	read int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Body.ReadAt(p, off)
	c.read += n
	return n, err
}

func TestMemoryOfSignaturesIsBounded(t *testing.T) {
	s := &sign.Signer{Remember: 1}
	for range 3 {
		for _, text_ := range odd {
			signedBy(t, s, text_, edOwn())
		}
	}
}

func TestManyRecipientsAtATimeShareOneSignature(t *testing.T) {
	clock := newClock()
	s := &sign.Signer{Reuse: 100 * time.Hour, Now: func() time.Time {
		clock.advance(time.Second) // so that no two signatures have the same t=
		return clock.Now()
	}}
	own := rsaOwn()
	var all sync.Map
	var wait sync.WaitGroup
	for range 1000 {
		wait.Go(func() {
			body, err := finish(context.Background(), s, &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{own}})
			if err != nil {
				all.Store(err.Error(), true)
				return
			}
			data, _ := queue.ReadBody(body)
			all.Store(string(data), true)
		})
	}
	wait.Wait()
	made := 0
	all.Range(func(k, _ any) bool {
		made++
		require.Equal(t, []string{"example.com ok"}, verify(t, k.(string)))
		return true
	})
	require.Equal(t, 1, made)
}

// blank is a mail of line ends, as long as anybody likes.
type blank struct{ size int64 }

func (b blank) Size() int64 { return b.size }

func (b blank) ReadAt(p []byte, off int64) (int, error) {
	const head = "From: a@example.com\r\n\r\n"
	for i := range p {
		if at := off + int64(i); at < int64(len(head)) {
			p[i] = head[at]
		} else {
			p[i] = "\r\n"[(at-int64(len(head)))%2]
		}
	}
	return len(p), nil
}

func TestMemoryDoesNotGrowWithTheMail(t *testing.T) {
	for _, c := range canonicalizations {
		key := edOwn()
		key.Canonicalization = c
		s := &sign.Signer{}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := finish(t.Context(), s, &queue.Message{Body: blank{2 << 20}, DKIM: []queue.DKIM{key}})
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(384<<10))
	}
}

// counting is a key that notes how many sign with it at a time.
type counting struct {
	crypto.Signer
	now, most atomic.Int32
	full      chan struct{}
	once      sync.Once
}

func (c *counting) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	if n > c.most.Load() {
		c.most.Store(n)
	}
	if n == 3 {
		c.once.Do(func() { close(c.full) })
	}
	<-c.full
	return c.Signer.Sign(r, digest, opts)
}

func TestOnlySoManySignAtATime(t *testing.T) {
	key := &counting{Signer: ed25519Key(), full: make(chan struct{})}
	s := &sign.Signer{Workers: 3, Parsed: &sign.KeyCache{Open: func(string) (crypto.Signer, error) { return key, nil }}}
	var running sync.WaitGroup
	for i := range 3 {
		running.Go(func() {
			m := &queue.Message{Body: queue.Bytes(fmt.Sprint("X: ", i, "\r\n", mail)), DKIM: []queue.DKIM{edOwn()}}
			if _, err := finish(t.Context(), s, m); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	for i := range 30 {
		running.Go(func() {
			m := &queue.Message{Body: queue.Bytes(fmt.Sprint("Y: ", i, "\r\n", mail)), DKIM: []queue.DKIM{edOwn()}}
			if _, err := finish(t.Context(), s, m); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 3, key.most.Load())
}

func benchmark(b *testing.B, key queue.DKIM, s *sign.Signer) {
	text_ := mail + strings.Repeat("All work and no play makes Jack a dull boy, again and again.\r\n", 165)
	m := &queue.Message{Body: queue.Bytes(text_), DKIM: []queue.DKIM{key}}
	b.SetBytes(int64(len(text_)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := finish(b.Context(), s, m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRSA2048(b *testing.B) { benchmark(b, rsaOwn(), &sign.Signer{Reuse: -1}) }
func BenchmarkEd25519(b *testing.B) { benchmark(b, edOwn(), &sign.Signer{Reuse: -1}) }
func BenchmarkReused(b *testing.B)  { benchmark(b, rsaOwn(), &sign.Signer{}) }

// The signatures alone, for comparison.
func BenchmarkBareRSA2048(b *testing.B) {
	for b.Loop() {
		_, _ = rsaKey().Sign(nil, make([]byte, 32), crypto.SHA256)
	}
}
