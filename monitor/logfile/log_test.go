package logfile

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, o Options) *Log {
	t.Helper()
	o.Logger = quiet
	l, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func send(l *Log, n int) {
	l.Observe(&monitor.Event{Kind: monitor.Delivered, Time: noon, Message: record{"n": fmt.Sprint(n)}})
}

func TestLines(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	l := open(t, Options{
		Send:     Target{File: path("send.log"), BinFile: path("send.bin")},
		Received: Target{File: path("received.log"), BinFile: path("received.bin")},
		Download: Target{File: path("download.log"), BinFile: path("download.bin")},
		WWW:      Target{File: path("www.log"), BinFile: path("www.bin")},
	})
	for _, kind := range []monitor.Kind{monitor.Delivered, monitor.Retried, monitor.Failed, monitor.NotTried,
		monitor.Picked, monitor.Attempted} {
		l.Observe(&monitor.Event{Kind: kind, Time: noon, Message: message, Result: result})
	}
	l.Observe(&monitor.Event{Kind: monitor.MessageReceived, Time: noon, Message: message})
	l.Observe(&monitor.Event{Kind: monitor.MessageReceived, Time: noon, Message: record{"recipient": "x@example.com"}})
	l.Observe(&monitor.Event{Kind: monitor.MessageReceived, Time: noon, Message: "no record"})
	l.Observe(&monitor.Event{Kind: monitor.Delivered, Time: noon})
	l.Download("https://example.com/\"a\nb", noon, 1500*time.Millisecond)
	l.Access(noon, netip.MustParseAddr("2001:db8::1"), "GET /\xff\n")
	require.False(t, l.Tap(monitor.Session{}).Watched())
	require.NoError(t, l.Flush(10*time.Second))

	line := `[2026-11-21 11:00:00] message:accepted 2 <a@example.org> <b@example.com> [192.0.2.1] [198.51.100.7] news,daily 250 2.0.0 OK\r\nqueued\x1b[31m as\x007` + "\n"
	require.Equal(t, strings.Repeat(line, 4), read(t, path("send.log")))
	require.Equal(t, "[2026-11-21 11:00:00] id-1 <a@example.org> <b@example.com> [203.0.113.9] [192.0.2.1]\n"+
		"[2026-11-21 11:00:00]<> <x@example.com> [] []\n", read(t, path("received.log")))
	require.Equal(t, `[2026-11-21 11:00:00] https://example.com/"a\nb 1.500`+"\n", read(t, path("download.log")))
	require.Equal(t, "[2026-11-21 11:00:00] [2001:db8::1] GET /\xff\\n\n", read(t, path("www.log")))
	require.JSONEq(t, `{"url":"https://example.com/\"a\nb","time":1.5,"date":"2026-11-21 11:00:00"}`,
		read(t, path("download.bin")))
	require.JSONEq(t, `{"ip":"2001:db8::1","request":"GET /�\n","date":"2026-11-21 11:00:00"}`, read(t, path("www.bin")))
	require.Equal(t, 4, strings.Count(read(t, path("send.bin")), "\n"))
	for text := range strings.Lines(read(t, path("received.bin"))) {
		require.True(t, json.Valid([]byte(text)), text)
	}
	info, err := os.Stat(path("send.log"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o027, "readable by its group at most: %s", info.Mode())
	require.Zero(t, l.Dropped())
	require.Len(t, l.Stats(), 8)
	require.EqualValues(t, 4, l.Stats()[0].Lines)
}

// spread is a record with line ends where JSON allows them.
type spread struct{ record }

func (spread) AppendRecord(dst []byte) []byte { return append(dst, "{\n\"a\":\r\n1}"...) }

func TestRecordsStayOnOneLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	l := open(t, Options{Send: Target{BinFile: file}})
	l.Observe(&monitor.Event{Kind: monitor.Failed, Message: spread{}})
	require.NoError(t, l.Close())
	require.Equal(t, "{ \"a\":  1,\"final\":true}\n", read(t, file))
}

func TestWhetherAnOutcomeIsFinal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	l := open(t, Options{Send: Target{BinFile: file}, Received: Target{BinFile: file}})
	for _, kind := range []monitor.Kind{monitor.Retried, monitor.Failed, monitor.NotTried, monitor.Delivered,
		monitor.MessageReceived} {
		l.Observe(&monitor.Event{Kind: kind, Message: record{"kind": fmt.Sprint(kind)}})
	}
	require.NoError(t, l.Close())
	var finals []string
	for line := range strings.Lines(read(t, file)) {
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &object))
		finals = append(finals, fmt.Sprint(object["final"]))
	}
	require.Equal(t, []string{"false", "true", "true", "true", "<nil>"}, finals)
}

func TestWhoNeedsWhatIsExtracted(t *testing.T) {
	for format, want := range map[string]bool{
		"": false, "{$email.recipient}": false, "{$email.extracted.subject}": true, "{if $email.extracted.from}x{/if}": true,
		"{$email}": true,
		"{if $attempt}{else}{$email.extracted.headers.x_a}{/if}": true, "{$result.extracted}": false,
		"{$email.extractedx}": false,
	} {
		o := Options{Send: Target{File: "x", Format: format}}
		require.Equal(t, want, o.NeedsExtracted(), format)
		o.Send.File = ""
		require.False(t, o.NeedsExtracted())
		o.Send.BinFile = "y"
		require.True(t, o.NeedsExtracted())
	}
	o := Options{Received: Target{File: "x", BinFile: "y", Format: "{$json.extracted.from}"}}
	require.False(t, o.NeedsExtracted(), "a received record is the message as it was queued")
}

func TestSameNameCombines(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "all.log")
	l := open(t, Options{
		Send:     Target{File: file, Format: "sent", BinFile: filepath.Join(dir, ".", "x", "..", "all.log")},
		Received: Target{File: file, Format: "received"},
	})
	require.Len(t, l.Stats(), 1)
	l.Observe(&monitor.Event{Kind: monitor.MessageReceived, Message: record{}})
	l.Observe(&monitor.Event{Kind: monitor.Delivered, Message: record{}})
	require.NoError(t, l.Close())
	require.Equal(t, "received\nsent\n{\"final\":true}\n", read(t, file))
}

func TestRotationLosesNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "send.log")
	l := open(t, Options{Send: Target{File: file, Format: "{$email.n}"}})
	const writers, each = 4, 5000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				send(l, w*each+i)
				if i%250 == 0 {
					_ = l.Flush(time.Second)
				}
			}
		})
	}
	rotations := 0
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			if os.Rename(file, fmt.Sprintf("%s.%d", file, rotations)) == nil {
				rotations++
			}
		}
	}
	send(l, writers*each)
	require.NoError(t, l.Close())
	require.Zero(t, l.Dropped())
	require.Positive(t, rotations)
	seen := map[string]bool{}
	files, err := filepath.Glob(file + "*")
	require.NoError(t, err)
	for _, name := range files {
		for line := range strings.Lines(read(t, name)) {
			require.False(t, seen[line], "%s twice", line)
			seen[line] = true
		}
	}
	require.Len(t, seen, writers*each+1)
}

func TestRemovedFileIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "send.log")
	l := open(t, Options{Send: Target{File: file, Format: "{$email.n}"}})
	send(l, 1)
	require.NoError(t, l.Flush(10*time.Second))
	require.NoError(t, os.Remove(file))
	send(l, 2)
	require.NoError(t, l.Flush(10*time.Second))
	require.Equal(t, "2\n", read(t, file))

	require.NoError(t, os.Remove(file))
	require.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, 10*time.Second, 10*time.Millisecond,
		"without anything to write, too")

	require.NoError(t, os.RemoveAll(dir))
	send(l, 3)
	require.Eventually(t, func() bool { return l.Stats()[0].Err != nil }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, os.Mkdir(dir, 0o755))
	l.Reopen()
	require.NoError(t, l.Flush(10*time.Second))
	require.Equal(t, "3\n", read(t, file))
	require.NoError(t, l.Stats()[0].Err)
	require.Zero(t, l.Dropped())
}

func TestReopen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "send.log")
	l := open(t, Options{Send: Target{File: file, Format: "{$email.n}"}})
	l.Reopen()
	send(l, 1)
	require.NoError(t, l.Close())
	require.Equal(t, "1\n", read(t, file))
	send(l, 2)
	require.EqualValues(t, 1, l.Dropped(), "closed")
	require.NoError(t, l.Close())
	l.Reopen()
}

func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	dir := t.TempDir()
	file, target := filepath.Join(dir, "send.log"), filepath.Join(dir, "roomy.log")
	require.NoError(t, os.Symlink("/dev/full", file))
	l := open(t, Options{Send: Target{File: file, Format: "{$email.n}"}, Buffer: 2000})
	const lines = 5000
	for i := range lines {
		send(l, i)
	}
	require.Error(t, l.Flush(50*time.Millisecond))
	require.ErrorIs(t, l.Stats()[0].Err, syscall.ENOSPC)
	lost := l.Dropped()
	require.Greater(t, lost, int64(lines/2))
	require.Less(t, lost, int64(lines))

	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Symlink(target, file))
	require.NoError(t, l.Flush(10*time.Second))
	send(l, lines)
	require.NoError(t, l.Flush(10*time.Second))
	text := read(t, target)
	require.EqualValues(t, lines+1-lost, strings.Count(text, "\n"), "what was not dropped is there")
	require.True(t, strings.HasPrefix(text, "0\n1\n2\n"))
	require.True(t, strings.HasSuffix(text, "\n5000\n"))
	require.Equal(t, lost, l.Dropped())
	require.NoError(t, l.Stats()[0].Err)
}

func TestCloseOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	l := open(t, Options{Send: Target{File: "/dev/full", Format: "x"}})
	send(l, 1)
	send(l, 2)
	require.NoError(t, l.Close())
	require.EqualValues(t, 2, l.Dropped())
	require.Zero(t, l.Stats()[0].Lines)
}

func TestPipeThatNobodyReads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	l := open(t, Options{Send: Target{File: file, Format: "{$email.n}"}, Buffer: 100_000})
	const lines = 100_000
	for i := range lines {
		send(l, i)
	}
	require.Positive(t, l.Dropped())
	require.Error(t, l.Stats()[0].Err)

	// Someone begins to read: whole lines come, in order, all that was not dropped.
	got := make(chan int, 1)
	go func() {
		n, last := 0, -1
		r, err := os.Open(file)
		if err != nil {
			got <- -1
			return
		}
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); n++ {
			var i int
			if _, err := fmt.Sscanf(s.Text(), "%d", &i); err != nil || i <= last {
				n = -lines
			}
			last = i
		}
		got <- n
	}()
	require.Eventually(t, func() bool { return l.Flush(0) == nil }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, l.Close())
	select {
	case n := <-got:
		require.EqualValues(t, lines-l.Dropped(), n)
	case <-time.After(10 * time.Second):
		t.Fatal("the pipe was not closed")
	}
}

func TestPipeWhoseReaderSleeps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	r, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer r.Close()
	l := open(t, Options{Send: Target{File: file, Format: strings.Repeat("x", 1000)}, Buffer: 1 << 20})
	for i := range 2000 {
		send(l, i)
	}
	require.Positive(t, l.Dropped(), "the pipe holds 64 KiB, the buffer 1 MiB, the lines 2 MB")
	begun := time.Now()
	require.NoError(t, l.Close())
	require.Less(t, time.Since(begun), closeTime+time.Second)
	s := l.Stats()[0]
	require.EqualValues(t, 2000, s.Lines+s.Dropped, "each line is accounted for")
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(Options{Send: Target{File: filepath.Join(dir, "none", "x.log")}})
	require.ErrorContains(t, err, "send log: ")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(Options{Send: Target{File: filepath.Join(dir, "ok.log")}, WWW: Target{BinFile: dir}})
	require.ErrorContains(t, err, "www log: ")
	_, err = Open(Options{Received: Target{Format: "{$date"}})
	require.ErrorContains(t, err, "received-log-format: column 1")
	l, err := Open(Options{})
	require.NoError(t, err)
	send(l, 1)
	l.Download("x", noon, 0)
	require.NoError(t, l.Close())
}

func TestJSONStrings(t *testing.T) {
	for _, text := range []string{"", "plain", "quote\" back\\slash", "\x00\x1f\x7f\n", "é…\U0001F600"} {
		var back string
		require.NoError(t, json.Unmarshal(appendJSON(nil, text), &back), "%q", text)
		require.Equal(t, text, back)
	}
}

// light is a record that allocates nothing.
type light struct{}

func (light) Property(string) (string, bool) { return "some@example.com", true }
func (light) AppendRecord(dst []byte) []byte { return append(dst, lightJSON...) }

var lightJSON = []byte(`{"envelope":"some@example.com","recipient":"` + strings.Repeat("x", 400) + `"}`)

func BenchmarkObserve(b *testing.B) {
	dir := b.TempDir()
	l, err := Open(Options{Send: Target{File: filepath.Join(dir, "text"), BinFile: filepath.Join(dir, "bin")},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(b, err)
	e := &monitor.Event{Kind: monitor.Delivered, Time: time.Now(), Message: light{}, Result: light{}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Observe(e)
		}
	})
	b.StopTimer()
	require.NoError(b, l.Close())
	b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
}
