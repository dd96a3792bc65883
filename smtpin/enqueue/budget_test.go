package enqueue

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
)

// gathered is a queue that keeps the bodies it was given, by recipient.
type gathered struct {
	queue.Queue
	mu     sync.Mutex
	bodies map[string]string
	files  int
}

func (g *gathered) Publish(_ context.Context, items ...queue.Item) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, item := range items {
		body, err := queue.ReadBody(item.Message.Body)
		if err != nil {
			return err
		}
		if _, is := item.Message.Body.(*spoolFile); is {
			g.files++
		}
		g.bodies[item.Message.Recipient] = string(body)
	}
	return nil
}

// stalling is a mail whose end does not come before it is let go.
type stalling struct {
	io.Reader
	reached *sync.WaitGroup
	goOn    <-chan struct{}
	once    sync.Once
}

func (s *stalling) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 4096)])
	if err == io.EOF {
		s.once.Do(s.reached.Done)
		<-s.goOn
	}
	return n, err
}

// TestMemoryIsShared has many clients stop at the end of their mails, which may be in memory one by one, but not
// together.
func TestMemoryIsShared(t *testing.T) {
	const (
		clients = 200
		size    = 245_000
		memory  = 4 << 20
	)
	for _, announced := range []int64{0, size, 1000} {
		t.Run(fmt.Sprint("announced as ", announced), func(t *testing.T) {
			q := &gathered{bodies: map[string]string{}}
			b := &Backend{Queue: q, SpoolDir: t.TempDir(), Memory: memory}
			var before, during runtime.MemStats
			mail := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcdef", size/16)
			runtime.GC()
			runtime.ReadMemStats(&before)
			var reached, all sync.WaitGroup
			goOn := make(chan struct{})
			for i := range clients {
				reached.Add(1)
				all.Go(func() {
					err := sendTo(b, fmt.Sprintf("user%d@remote.example", i), announced,
						&stalling{Reader: strings.NewReader(mail), reached: &reached, goOn: goOn})
					require.NoError(t, err)
				})
			}
			reached.Wait()
			require.LessOrEqual(t, b.budget.used.Load(), int64(memory))
			require.Greater(t, b.budget.used.Load(), int64(memory/2), "what there is, is used")
			runtime.GC()
			runtime.GC() // empties the pool of buffers
			runtime.ReadMemStats(&during)
			require.Less(t, int64(during.HeapAlloc)-int64(before.HeapAlloc), int64(memory+clients*(pocket+36<<10)),
				"io.Copy has 32 KiB of them")
			close(goOn)
			all.Wait()
			require.Zero(t, b.budget.used.Load())
			require.Len(t, q.bodies, clients)
			for _, body := range q.bodies {
				require.True(t, strings.HasSuffix(body, mail), "the mail was changed")
			}
			require.Less(t, q.files, clients)
			require.Greater(t, q.files, clients/2)
		})
	}
}

func sendTo(b *Backend, rcpt string, announced int64, mail io.Reader) error {
	s, err := b.NewSession(context.Background(), smtpin.NewConn(smtpin.ConnInfo{Listener: &smtpin.Listener{}}))
	if err == nil {
		err = s.Mail("a@example.org", &smtp.MailOptions{Size: announced})
	}
	if err == nil {
		err = s.Rcpt(rcpt, nil)
	}
	if err == nil {
		err = s.Data(mail)
	}
	return err
}

// TestUsualMailNeedsNoBudget: mails that fit the pocket never go to a file.
func TestUsualMailNeedsNoBudget(t *testing.T) {
	q := &gathered{bodies: map[string]string{}}
	b := &Backend{Queue: q, SpoolDir: t.TempDir(), Memory: 1}
	for _, announced := range []int64{0, 10_000} {
		require.NoError(t, sendTo(b, "x@remote.example", announced,
			strings.NewReader("Subject: x\r\n\r\n"+strings.Repeat("x", 9000))))
	}
	require.Zero(t, q.files)
	require.NoError(t, sendTo(b, "x@remote.example", 0,
		strings.NewReader("Subject: x\r\n\r\n"+strings.Repeat("x", 20_000))))
	require.Equal(t, 1, q.files)
}

// TestLargeHeaderNeedsBudget, since it cannot go to a file before it has ended.
func TestLargeHeaderNeedsBudget(t *testing.T) {
	q := &gathered{bodies: map[string]string{}}
	b := &Backend{Queue: q, SpoolDir: t.TempDir(), Memory: 1}
	header := func(size int) string { return strings.Repeat("X: "+strings.Repeat("x", 95)+"\r\n", size/100) + "\r\n" }
	require.NoError(t, sendTo(b, "x@remote.example", 0, strings.NewReader(header(50_000)+"text\r\n")))
	require.True(t, strings.HasSuffix(q.bodies["x@remote.example"], header(50_000)+"text\r\n"))
	err := sendTo(b, "x@remote.example", 0, strings.NewReader(header(100_000)+"text\r\n"))
	var reply *smtp.SMTPError
	require.ErrorAs(t, err, &reply)
	require.Equal(t, 452, reply.Code)
	require.Equal(t, smtp.EnhancedCode{4, 3, 1}, reply.EnhancedCode)
	require.Zero(t, b.budget.used.Load())
	b.Memory = 0
	require.NoError(t, sendTo(b, "x@remote.example", 0, strings.NewReader(header(100_000)+"text\r\n")))
}

// TestBudgetIsGivenBack, however a mail ends.
func TestBudgetIsGivenBack(t *testing.T) {
	q := &gathered{bodies: map[string]string{}}
	b := &Backend{Queue: q, SpoolDir: t.TempDir(), Memory: 1 << 20}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			for range 100 {
				mail := io.Reader(strings.NewReader("Subject: x\r\n\r\n" + strings.Repeat("x", rnd.IntN(400_000))))
				if rnd.IntN(3) == 0 {
					mail = io.MultiReader(mail, &cut{})
				}
				_ = sendTo(b, "x@remote.example", int64(rnd.IntN(300_000)), mail)
				if used := b.budget.used.Load(); used < 0 {
					t.Errorf("%d bytes in use", used)
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, b.budget.used.Load())
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
