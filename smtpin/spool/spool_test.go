package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/queue/once"
	"github.com/sluicemail/sluice/smtpin/enqueue"
	"github.com/sluicemail/sluice/smtpin/spool"
)

// house is a spool directory with its queue.
type house struct {
	*spool.Spool
	queue queue.Queue
	log   *safeBuffer
	stop  func()
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newHouse makes a spool that does not run yet.
func newHouse(t testing.TB, q queue.Queue, change func(*spool.Spool)) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{queue: q, log: &safeBuffer{}}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	h.Spool = &spool.Spool{
		Dir: filepath.Join(dir, "spool"), FailDir: filepath.Join(dir, "failed"), Hostname: "mx.test", Domain: "local.test",
		Backend: &enqueue.Backend{Queue: q, Logger: log, SpoolDir: dir, ServerID: 7}, Logger: log,
	}
	if change != nil {
		change(h.Spool)
	}
	return h
}

// start has it run.
func (h *house) start(t testing.TB) *house {
	t.Helper()
	book, err := once.Open(t.Context(), once.Options{Queue: h.queue, Marks: h.queue, Joint: true, Name: ".marks",
		Logger: h.Logger})
	require.NoError(t, err)
	h.Book = book
	require.NoError(t, h.Prepare())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		require.NoError(t, book.Close())
	})
	t.Cleanup(h.stop)
	return h
}

// put renames a file in, as careful programs do.
func (h *house) put(t testing.TB, file, text string) {
	t.Helper()
	hidden := filepath.Join(h.Dir, ".tmp-put")
	require.NoError(t, os.WriteFile(hidden, []byte(text), 0o600))
	require.NoError(t, os.Rename(hidden, filepath.Join(h.Dir, file)))
}

// await waits for n messages in the outbox and returns them, by recipient.
func (h *house) await(t testing.TB, n int) map[string]*queue.Message {
	t.Helper()
	var all []queue.Entry
	require.Eventually(t, func() bool {
		var err error
		all, _, err = h.queue.(queue.Inspector).List(t.Context(), queue.Filter{Queue: "outbox"}, "", 100_000)
		return err == nil && len(all) >= n
	}, 30*time.Second, 2*time.Millisecond, "messages: %v\n%s", &all, h.log)
	require.Len(t, all, n)
	got := map[string]*queue.Message{}
	for _, e := range all {
		m, err := h.queue.(queue.Inspector).Peek(t.Context(), e.ID)
		require.NoError(t, err)
		got[m.Recipient] = m
	}
	return got
}

// empty waits until nothing is in the directory.
func (h *house) empty(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool { return len(list(t, h.Dir)) == 0 }, 30*time.Second, 2*time.Millisecond)
}

func list(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func text(t testing.TB, m *queue.Message) string {
	t.Helper()
	b, err := queue.ReadBody(m.Body)
	require.NoError(t, err)
	return string(b)
}

func TestFileBecomesMail(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), nil).start(t)
	file := "Return-Path: <bounces@a.test>\nFrom: Ann <ann@a.test>\nTo: Bo <bo@b.test>, root\nCc: cy@c.test,\n bo@b.test\n" +
		"Bcc: di@d.test\nx-mq-tag: news\nSubject: hello\n\nline\n.\nrest\rmore\x00\n"
	h.put(t, "odd\nname \xff", file)
	got := h.await(t, 4)
	h.empty(t)
	for _, to := range []string{"bo@b.test", "root@local.test", "cy@c.test", "di@d.test"} {
		m := got[to]
		require.NotNil(t, m, to)
		require.Equal(t, "bounces@a.test", m.Envelope)
		require.Equal(t, []string{"news"}, m.Tags)
		require.Equal(t, "mx.test", m.Hostname)
		require.NotNil(t, m.Spool)
		require.Equal(t, "odd\nname \ufffd", m.Spool.File)
		require.Equal(t, h.Dir, m.Spool.Directory)
		require.EqualValues(t, len(file), m.Spool.Size)
		require.NotEmpty(t, m.Spool.User)
		require.Nil(t, m.Connection)
		require.True(t, strings.HasPrefix(m.ID, "7-"), m.ID)
		trace, mail, found := strings.Cut(text(t, m), "+0000\r\n")
		require.True(t, found)
		require.Contains(t, trace, "Received: by mx.test (from user "+m.Spool.User+")\r\n\tid 7-")
		require.Equal(t, "From: Ann <ann@a.test>\r\nTo: Bo <bo@b.test>, root\r\nCc: cy@c.test,\r\n bo@b.test\r\n"+
			"Subject: hello\r\n\r\nline\r\n.\r\nrest\r\nmore\r\n", mail)
	}
	require.Empty(t, list(t, h.FailDir))
	require.Zero(t, h.State().Failed)
}

func TestSenderAndEnvelope(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), nil).start(t)
	for to, file := range map[string]string{
		"a@x.test": "From: a1@a.test\nSender: a2@a.test\nTo: a@x.test\n\n",
		"b@x.test": "Sender: a2@a.test\nFrom: nobody\nTo: b@x.test\n\n",
		"c@x.test": "x-mq-envelope: a3@a.test\nFrom: a1@a.test\nTo: c@x.test\n\n",
		"d@x.test": "x-mq-envelope: <>\nTo: d@x.test\n\n",
		"e@x.test": `{"envelope":"a4@a.test","recipients":["e@x.test"],"dsn":{"notify":["NEVER"],"envid":"7"}}` +
			"\nFrom: a1@a.test\nTo: nobody at all\n\n",
		"f@x.test": `{"envelope":""}` + "\nFrom: a1@a.test\nResent-To: f@x.test\nTo: g@x.test\n\n",
		"h@x.test": `{"cli":{"command":"/usr/sbin/sendmail","arguments":["-t"]}}` + "\nFrom: a5@a.test\nTo: h@x.test\n\n",
		"i@x.test": "From: a6@a.test\nTo: i@x.test", // all header, not even its line ends
	} {
		h.put(t, to, file)
	}
	got := h.await(t, 8)
	for to, from := range map[string]string{"a@x.test": "a1@a.test", "b@x.test": "a2@a.test", "c@x.test": "a3@a.test",
		"d@x.test": "", "e@x.test": "a4@a.test", "f@x.test": "", "h@x.test": "a5@a.test", "i@x.test": "a6@a.test"} {
		require.Equal(t, from, got[to].Envelope, to)
	}
	require.Equal(t, &queue.DSN{Notify: []string{"NEVER"}, EnvID: "7"}, got["e@x.test"].DSN)
	cli := got["h@x.test"].CLI
	require.Equal(t, "/usr/sbin/sendmail", cli.Command)
	require.Equal(t, []string{"-t"}, cli.Arguments)
	require.NotEmpty(t, cli.User)
	require.Nil(t, got["h@x.test"].Spool)
}

// TestUnusable has files that can never be a mail moved away, with the reason.
func TestUnusable(t *testing.T) {
	t.Parallel()
	const head = "From: a@a.test\nTo: b@b.test\n"
	h := newHouse(t, memory.New(), func(s *spool.Spool) { s.MaxSize = 400_000 }).start(t)
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte(head+"\n"), 0o600))
	files := map[string]string{
		"no-recipients":          "names no recipients; expected addresses in To, Cc or Bcc",
		"no-sender":              "names no sender; expected an address in x-mq-envelope, Return-Path, From or Sender",
		"words":                  `"Bob Smith" is no mail address`,
		"headless":               "its first line is no field",
		"headless-long":          "its first line is no field",
		"not-json":               "its first line is no envelope in JSON",
		"unknown":                `unknown field "recipient"`,
		"half":                   "there is no mail behind its first line",
		"bad-sender":             `no mail address: "a b@c"`,
		"bad-rcpt":               `"@" is no mail address`,
		"property":               "Header x-mq-maxattempts: expected a whole number",
		"large":                  "it has 400001 bytes; expected 400000 at most",
		"header":                 "its header is larger than",
		"empty":                  "it is empty",
		"link":                   "it is a symbolic link",
		"dangling":               "it is a symbolic link",
		"fifo":                   "it is a fifo",
		"socket":                 "it is a socket",
		"hard":                   "it has another name elsewhere (2 hard links)",
		strings.Repeat("n", 255): "names no recipients",
	}
	for file, text := range map[string]string{
		"no-recipients":          "From: a@a.test\nTo: undisclosed:;\n\n",
		"no-sender":              "From: nobody\nTo: b@b.test\n\n",
		"words":                  "From: a@a.test\nTo: Bob Smith\n\n",
		"headless":               "just text\n",
		"headless-long":          strings.Repeat("text ", 10_000),
		"not-json":               "{\"envelope\": 7}\n" + head + "\n",
		"unknown":                "{\"recipient\": [\"b@b.test\"]}\n" + head + "\n",
		"half":                   "{\"envelope\": \"a@a.test\"",
		"bad-sender":             "{\"envelope\": \"a b@c\"}\n" + head + "\n",
		"bad-rcpt":               "{\"recipients\": [\"@\"]}\n" + head + "\n",
		"property":               head + "x-mq-maxattempts: many\n\n",
		"large":                  head + "\n" + strings.Repeat("x", 400_001-len(head)-1),
		"header":                 head + strings.Repeat("X: y\n", 60_000),
		"empty":                  "",
		strings.Repeat("n", 255): "From: a@a.test\n\n",
	} {
		h.put(t, file, text)
	}
	at := func(file string) string { return filepath.Join(h.Dir, file) }
	require.NoError(t, os.Symlink(outside, at("link")))
	require.NoError(t, os.Symlink("nowhere", at("dangling")))
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o600))
	require.NoError(t, os.Link(outside, at("hard")))
	require.NoError(t, os.Mkdir(at("directory"), 0o700))
	require.NoError(t, os.WriteFile(at("directory/mail"), []byte(head+"\n"), 0o600))
	require.NoError(t, os.WriteFile(at(".hidden"), []byte(head+"\n"), 0o600))
	socket(t, at("socket"))
	require.Eventually(t, func() bool { return len(list(t, h.Dir)) == 2 }, 30*time.Second, 5*time.Millisecond, "%s", h.log)
	for file, want := range files {
		kept := filepath.Join(h.FailDir, file[:min(len(file), 244)])
		reason, err := os.ReadFile(kept + ".reason")
		require.NoError(t, err, file)
		require.Contains(t, string(reason), want, file)
		require.Contains(t, string(reason), filepath.Join(h.Dir, file[:min(len(file), 20)]))
		_, err = os.Lstat(kept)
		require.NoError(t, err, file)
	}
	require.Len(t, list(t, h.FailDir), 2*len(files))
	h.await(t, 0)
	require.Equal(t, len(files), h.State().Failed)
	require.FileExists(t, outside)

	// A name that is taken there.
	h.put(t, "no-sender", "To: b@b.test\n\nanother")
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(h.FailDir, "no-sender.1")); return err == nil },
		30*time.Second, 5*time.Millisecond)
	require.FileExists(t, filepath.Join(h.FailDir, "no-sender.1.reason"))
}

func socket(t testing.TB, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	wd, err := os.Getwd()
	require.NoError(t, err)
	relative, err := filepath.Rel(wd, path) // names of sockets are short
	require.NoError(t, err)
	if len(path) < len(relative) {
		relative = path
	}
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: relative}))
}

func TestWithoutFailDirectory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), func(s *spool.Spool) { s.FailDir = "" }).start(t)
	h.put(t, "bad", "From: a@a.test\n\n")
	require.Eventually(t, func() bool { return h.State().Settled == 1 }, 30*time.Second, 5*time.Millisecond)
	h.put(t, "good", "From: a@a.test\nTo: b@b.test\n\n")
	h.await(t, 1)
	require.Eventually(t, func() bool { return len(list(t, h.Dir)) == 1 }, 30*time.Second, 2*time.Millisecond)
	require.Equal(t, []string{"bad"}, list(t, h.Dir))
	require.Equal(t, 1, strings.Count(h.log.String(), "it stays where it is"))
	require.Eventually(t, func() bool { return h.State().Waiting == 0 }, 30*time.Second, 2*time.Millisecond)
	h.put(t, "bad", "From: a@a.test\nTo: c@b.test\n\n") // mended
	h.await(t, 2)
	h.empty(t)
}

// TestWriters has files that are written while everybody watches.
func TestWriters(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), nil).start(t)
	slow, err := os.Create(filepath.Join(h.Dir, "slow"))
	require.NoError(t, err)
	_, err = slow.WriteString("From: a@a.test\nTo: slow@b.test\n\nbegun")
	require.NoError(t, err)
	// As a crash of the watcher would have it: the file was found, and not touched for long.
	long := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(slow.Name(), long, long))
	h.put(t, "quick", "From: a@a.test\nTo: quick@b.test\n\n")
	h.await(t, 1)
	require.Eventually(t, func() bool { return h.State().Waiting == 1 }, 30*time.Second, 5*time.Millisecond)
	_, err = slow.WriteString(", done\n")
	require.NoError(t, err)
	require.NoError(t, slow.Close())
	require.Contains(t, text(t, h.await(t, 2)["slow@b.test"]), "begun, done\r\n")
	h.empty(t)
}

func TestDelay(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), func(s *spool.Spool) { s.Delay = 3 * time.Second }).start(t)
	begin := time.Now()
	h.put(t, "mail", "From: a@a.test\nTo: b@b.test\n\n")
	h.await(t, 1)
	require.GreaterOrEqual(t, time.Since(begin), 3*time.Second)
}

// TestFoundAtStart has files lie there before anybody watches, and the directory go and come back.
func TestFoundAtStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), nil)
	require.NoError(t, os.MkdirAll(h.Dir, 0o700))
	for i := range 100 {
		h.put(t, fmt.Sprint("mail", i), fmt.Sprintf("From: a@a.test\nTo: b%d@b.test\n\n", i))
	}
	h.start(t)
	h.await(t, 100)
	h.empty(t)
	require.NoError(t, os.Rename(h.Dir, h.Dir+".old"))
	require.Eventually(t, func() bool { return h.State().Err != nil }, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, os.Mkdir(h.Dir, 0o700))
	h.put(t, "later", "From: a@a.test\nTo: later@b.test\n\n")
	require.NotNil(t, h.await(t, 101)["later@b.test"])
	require.Equal(t, 1, strings.Count(h.log.String(), "cannot be read\""), "%s", h.log)
	require.Equal(t, 1, strings.Count(h.log.String(), "can be read again"), "%s", h.log)
	require.NoError(t, h.State().Err)
}

// TestKeep leaves files, and queues each once, also when it is started again.
func TestKeep(t *testing.T) {
	t.Parallel()
	q := memory.New()
	keep := func(s *spool.Spool) { s.Keep = true }
	h := newHouse(t, q, keep).start(t)
	h.put(t, "mail", "From: a@a.test\nTo: b@b.test\n\n")
	h.put(t, "other", "From: a@a.test\nTo: c@b.test\n\n")
	first := h.await(t, 2)
	require.Eventually(t, func() bool { return h.State().Settled == 2 }, 30*time.Second, 5*time.Millisecond)
	h.stop()
	require.NoError(t, os.Chmod(filepath.Join(h.Dir, "mail"), 0o640))
	require.NoError(t, os.Remove(filepath.Join(h.Dir, "other")))

	h.start(t)
	require.Eventually(t, func() bool { return h.State().Settled == 1 && len(h.Book.Keys()) == 1 }, 30*time.Second,
		5*time.Millisecond)
	h.await(t, 2)
	h.put(t, "mail", "From: a@a.test\nTo: d@b.test\n\n") // another one
	got := h.await(t, 3)
	require.Equal(t, first["b@b.test"].ID, got["b@b.test"].ID)
	require.FileExists(t, filepath.Join(h.Dir, "mail"))
}

// shaky refuses mail for a while.
type shaky struct {
	*memory.Queue
	mu   sync.Mutex
	fail error
	n    int
}

func (s *shaky) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *shaky) Publish(ctx context.Context, items ...queue.Item) error {
	s.mu.Lock()
	err := s.fail
	s.n++
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Queue.Publish(ctx, items...)
}

func TestQueueThatTakesNothing(t *testing.T) {
	t.Parallel()
	q := &shaky{Queue: memory.New(), fail: queue.ErrFull}
	h := newHouse(t, q, nil).start(t)
	for i := range 50 {
		h.put(t, fmt.Sprint("mail", i), fmt.Sprintf("From: a@a.test\nTo: b%d@b.test\n\n", i))
	}
	require.Eventually(t, func() bool {
		return h.State().Waiting == 50 && strings.Contains(h.log.String(), "files in the spool directory wait")
	},
		30*time.Second, 5*time.Millisecond)
	q.set(nil)
	h.await(t, 50)
	h.empty(t)
	require.Less(t, q.n, 50+3*10+1, "no more tries than files may be open")
}

// TestSameName has files follow each other under one name, quicker than they are taken.
func TestSameName(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), nil).start(t)
	seen := 0
	for i := range 200 {
		if _, err := os.Lstat(filepath.Join(h.Dir, "mail")); err == nil {
			continue // replacing it would be the writer's loss
		}
		h.put(t, "mail", fmt.Sprintf("From: a@a.test\nTo: b%d@b.test\n\n", i))
		seen++
	}
	h.await(t, seen)
	h.empty(t)
}

func TestPutAside(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), nil)
	require.NoError(t, os.MkdirAll(h.Dir, 0o700))
	h.put(t, ".mtad-gone-1", "From: a@a.test\nTo: stranger@b.test\n\n") // not that inode: it was never queued
	h.put(t, "queued", "From: a@a.test\nTo: queued@b.test\n\n")
	var st syscall.Stat_t
	require.NoError(t, syscall.Stat(filepath.Join(h.Dir, "queued"), &st))
	require.NoError(t, os.Rename(filepath.Join(h.Dir, "queued"), filepath.Join(h.Dir, fmt.Sprint(".mtad-gone-", st.Ino))))
	h.start(t)
	require.NotNil(t, h.await(t, 1)["stranger@b.test"])
	h.empty(t)
}

func TestDrop(t *testing.T) {
	t.Parallel()
	h := newHouse(t, memory.New(), nil).start(t)
	d, err := spool.NewDrop(h.Dir, &spool.Envelope{Recipients: []string{"b@b.test"}})
	require.NoError(t, err)
	_, err = d.WriteString("From: a@a.test\n\n" + strings.Repeat("x", 300_000))
	require.NoError(t, err)
	_, err = d.Commit()
	require.NoError(t, err)
	m := h.await(t, 1)["b@b.test"]
	require.Greater(t, m.Body.Size(), int64(300_000))
	h.empty(t)
	d, err = spool.NewDrop(h.Dir, &spool.Envelope{})
	require.NoError(t, err)
	d.Abort()
	require.Empty(t, list(t, h.Dir))
	_, err = spool.NewDrop(filepath.Join(h.Dir, "missing"), &spool.Envelope{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// BenchmarkSpool takes in small files from a directory into the embedded queue.
func BenchmarkSpool(b *testing.B) {
	for _, set := range []struct{ open, threads int }{{10, 1}, {100, 2}} {
		b.Run(fmt.Sprintf("open=%d,threads=%d", set.open, set.threads), func(b *testing.B) {
			q, err := disk.Open(filepath.Join(b.TempDir(), "queue"), disk.Options{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(b, err)
			defer q.Close()
			h := newHouse(b, q, func(s *spool.Spool) { s.OpenFiles, s.Threads = set.open, set.threads })
			require.NoError(b, os.MkdirAll(h.Dir, 0o700))
			mail := "From: a@a.test\nTo: b@b.test\nSubject: hello\n\n" + strings.Repeat("some text of a line\n", 250)
			for i := range b.N {
				require.NoError(b, os.WriteFile(filepath.Join(h.Dir, fmt.Sprint("mail", i)), []byte(mail), 0o600))
			}
			b.ResetTimer()
			begin := time.Now()
			h.start(b)
			for h.State().Waiting > 0 || len(list(b, h.Dir)) > 0 {
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "files/s")
			h.stop()
		})
	}
}
