package enqueue_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// pieces gives a mail in pieces of a size, through Read alone.
type pieces struct {
	io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.size)]) }

func TestLargeMailsGoToFiles(t *testing.T) {
	const limit = 300_000
	header := "Subject: x\r\nx-mq-tag: t\r\n\r\n"
	for _, size := range []int{len(header), limit - 1, limit, limit + 1, 3 * limit} {
		mail := header + strings.Repeat("0123456789abcdef", size/16+1)[:size-len(header)]
		for _, announced := range []int64{0, 10, int64(size), 1 << 40} {
			for name, r := range map[string]io.Reader{
				"at once": strings.NewReader(mail), "in pieces": pieces{strings.NewReader(mail), 1000},
				"in large pieces": pieces{strings.NewReader(mail), 40_000},
			} {
				t.Run(fmt.Sprintf("%d announced as %d, %s", size, announced, name), func(t *testing.T) {
					b, q := newBackend(t)
					b.MemoryLimit = limit
					s := newSession(t, b, trusted)
					require.NoError(t, s.Mail("a@example.org", &smtp.MailOptions{Size: announced}))
					require.NoError(t, s.Rcpt("x@remote.example", nil))
					require.NoError(t, s.Data(r))
					m := q.only(t)
					require.True(t, strings.Replace(mail, "x-mq-tag: t\r\n", "", 1) == withoutTrace(t, m), "the mail was changed")
					require.Equal(t, []string{"t"}, m.Tags)
					require.Equal(t, size > limit, fileOf(m) != nil)
					if f := fileOf(m); f != nil {
						require.Equal(t, m.Body.Size(), f.info.Size())
						require.Equal(t, os.FileMode(0o600), f.info.Mode().Perm())
						requireGone(t, f)
						requireEmptyDir(t, b.SpoolDir)
					}
				})
			}
		}
	}
}

func requireEmptyDir(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestQueueCanAdoptTheFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("adopting by /proc/self/fd is Linux's")
	}
	b, q := newBackend(t)
	b.MemoryLimit = 1
	dir := t.TempDir()
	adopted := filepath.Join(dir, "adopted")
	q.onPublish = func(_ context.Context, items []queue.Item) {
		require.NoError(t, linkFile(items[0].Message.Body.(onDisk).File(), adopted))
	}
	_, err := send(t, newSession(t, b, trusted), simpleMail, "x@remote.example", "y@remote.example")
	require.NoError(t, err)
	m := q.items(t)[0].Message
	want := bodyOf(t, m)
	requireGone(t, fileOf(m))
	got, err := os.ReadFile(adopted)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

// zeros is a mail of n bytes that exists nowhere.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.n)
	clear(p[:n])
	z.n -= n
	return n, nil
}

func TestLargeMailsStayOutOfMemory(t *testing.T) {
	b, _ := newBackend(t)
	e := &events{}
	b.Queue, b.Monitor = nowhere{}, e
	s := newSession(t, b, trusted)
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := sendFrom(t, s, io.MultiReader(strings.NewReader("A: b\r\n\r\n"), &zeros{size}), "x@remote.example")
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
	require.Greater(t, e.got[0].Bytes, int64(size))
}

func TestSpoolFaults(t *testing.T) {
	t.Run("missing directory", func(t *testing.T) {
		b, q := newBackend(t)
		b.MemoryLimit = 1
		b.SpoolDir = filepath.Join(b.SpoolDir, "missing")
		s := newSession(t, b, trusted)
		_, err := send(t, s, simpleMail, "x@remote.example")
		requireReply(t, err, 451, smtp.EnhancedCode{4, 3, 0}, "try again")
		require.ErrorContains(t, err, b.SpoolDir)
		require.Empty(t, q.published)

		b.MemoryLimit = 0
		_, err = send(t, s, simpleMail, "x@remote.example")
		require.NoError(t, err, "small mails need no spool")
	})
	t.Run("files do not outlive their mail", func(t *testing.T) {
		b, q := newBackend(t)
		b.MemoryLimit = 1
		s := newSession(t, b, trusted)
		before := openFiles(t)
		for range 10 {
			_, err := sendFrom(t, s, io.MultiReader(strings.NewReader(simpleMail), brokenReader{}), "x@remote.example")
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			q.err = queue.ErrFull
			_, err = send(t, s, simpleMail, "x@remote.example")
			requireReply(t, err, 452, smtp.EnhancedCode{4, 3, 1}, "storage")
			q.err = nil
			b.Queues.Discard = true
			_, err = send(t, s, simpleMail, "x@remote.example")
			require.NoError(t, err)
			b.Queues.Discard = false
			_, err = send(t, s, simpleMail, "x@remote.example")
			require.NoError(t, err)
		}
		require.Equal(t, before, openFiles(t))
	})
}

// requireGone checks that a spool file was closed once its mail was in the queue.
func requireGone(t testing.TB, f *spooled) {
	t.Helper()
	_, err := f.file.Stat()
	require.ErrorIs(t, err, os.ErrClosed)
}

// openFiles counts the file descriptors of this process.
func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("cannot count open files here")
	}
	return len(entries)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCleanSpool(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd [name]*")
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, name := range []string{"sluice-123.mail", "sluice-4.mail", "other.mail", "sluice-5.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, enqueue.CleanSpool(dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.NoError(t, enqueue.CleanSpool(filepath.Join(dir, "missing")))
}

// TestMailIsInMemoryOfItsSize guards what makes a waiting mail cost its size and no more.
func TestMailIsInMemoryOfItsSize(t *testing.T) {
	for _, announced := range []int64{0, 10_000, 200_000} {
		b, q := newBackend(t)
		s := newSession(t, b, trusted)
		require.NoError(t, s.Mail("a@example.org", &smtp.MailOptions{Size: announced}))
		require.NoError(t, s.Rcpt("x@remote.example", nil))
		mail := "A: b\r\n\r\n" + strings.Repeat("x", 9_992)
		require.NoError(t, s.Data(bytes.NewReader([]byte(mail))))
		body := q.only(t).Body.(queue.Bytes)
		require.Less(t, cap(body), len(body)+1024)
	}
}
