package maildir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/maildir"
	"github.com/sluicemail/sluice/queue"
)

const text = "Subject: hello\r\n\r\nHello\r\n"

// open opens a connection to a target below dir.
func open(t testing.TB, dir, target string) delivery.Connection {
	t.Helper()
	conn, err := new(maildir.Sender).Open(t.Context(),
		&delivery.Hop{Local: "maildir://" + dir + target, Hostname: "a/b:c"})
	require.NoError(t, err)
	return conn
}

// send delivers a mail and returns what came of it.
func send(t testing.TB, conn delivery.Connection, to string, body queue.Body) *delivery.Transaction {
	t.Helper()
	tx := &delivery.Transaction{Message: &queue.Message{Envelope: "ann@shop.test", Recipient: to}, Body: body}
	conn.Deliver(t.Context(), tx, nil)
	require.True(t, conn.Usable())
	require.False(t, tx.Unsent)
	require.Equal(t, tx.Result.Success(), tx.Delivered)
	require.False(t, tx.Result.Time.IsZero())
	require.Equal(t, fmt.Sprint(tx.Result.Code, " ", tx.Result.Status, " ", tx.Result.Description), tx.Text)
	return tx
}

// accepted delivers a mail that must arrive.
func accepted(t testing.TB, conn delivery.Connection, to string, body queue.Body) *delivery.Transaction {
	t.Helper()
	tx := send(t, conn, to, body)
	require.True(t, tx.Result.Success(), tx.Text)
	require.Equal(t, queue.StateMessage, tx.Result.State)
	return tx
}

// refused delivers a mail that must not.
func refused(t testing.TB, conn delivery.Connection, to string, reply string) *delivery.Transaction {
	t.Helper()
	tx := send(t, conn, to, queue.Bytes(text))
	require.Equal(t, queue.Error, tx.Result.Result)
	require.Contains(t, tx.Text, reply)
	require.NotContains(t, tx.Text, os.TempDir(), "senders read it")
	return tx
}

// mails returns the mails in new of a Maildir.
func mails(t testing.TB, dir string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(dir + "/new/*")
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, string(content))
		_, size, _ := strings.Cut(filepath.Base(file), ",S=")
		require.Equal(t, strconv.Itoa(len(content)), size)
	}
	left, err := filepath.Glob(dir + "/tmp/*")
	require.NoError(t, err)
	require.Empty(t, left, "what is left in tmp")
	return all
}

func TestDeliver(t *testing.T) {
	dir := t.TempDir()
	conn := open(t, dir, "/{domain}/{user}/.{detail}")
	tx := accepted(t, conn, "Jo@Example.org", queue.Bytes(text))
	require.Equal(t, dir+"/example.org/jo", tx.Result.To)
	require.Equal(t, 1, tx.Result.Messages)
	require.Equal(t, int64(len(text)), tx.Result.Sent.Data)
	accepted(t, conn, "jo+Lists@example.org", queue.Bytes(text))
	require.Equal(t, []string{"Return-Path: <ann@shop.test>\nDelivered-To: Jo@Example.org\nSubject: hello\n\nHello\n"},
		mails(t, dir+"/example.org/jo"))
	require.Len(t, mails(t, dir+"/example.org/jo/.Lists"), 1)
	require.FileExists(t, dir+"/example.org/jo/.Lists/maildirfolder")
	for _, name := range []string{"", "/new", "/cur", "/tmp"} {
		info, err := os.Stat(dir + "/example.org/jo" + name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700)|os.ModeDir, info.Mode())
	}
	files, _ := filepath.Glob(dir + "/example.org/jo/new/*")
	require.Equal(t, `a\057b\072c`, strings.TrimSuffix(filepath.Ext(files[0]),
		",S="+strconv.Itoa(len(mails(t, dir+"/example.org/jo")[0])))[1:])
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NoError(t, conn.Close())
}

// Line ends become those of the system, wherever the mail lies and pieces of it end; what is no line end stays.
func TestDeliverLineEnds(t *testing.T) {
	big := strings.Repeat("x", 64<<10-50) + strings.Repeat("\r\n.\r\r\n\n\ry", 20000) + "\r"
	for _, body := range []string{"", "a", "\r\n", "a\rb\r\r\nc\n\r", big} {
		want := strings.ReplaceAll(body, "\r\n", "\n")
		dir := t.TempDir()
		conn := open(t, dir, "/{user}")
		accepted(t, conn, "a@example.org", queue.Bytes(body))
		accepted(t, conn, "b@example.org", bytes.NewReader([]byte(body)))
		for _, user := range []string{"a", "b"} {
			_, got, _ := strings.Cut(mails(t, dir+"/"+user)[0], "@example.org\n")
			require.Equal(t, want, got)
		}
	}
}

func TestDeliverToMany(t *testing.T) {
	dir := t.TempDir()
	sender := new(maildir.Sender)
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			conn, err := sender.Open(t.Context(), &delivery.Hop{Local: "maildir://" + dir + "/{user}"})
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 20 {
				tx := &delivery.Transaction{Message: &queue.Message{Recipient: fmt.Sprintf("u%d@x.test", i%3)},
					Body: queue.Bytes(fmt.Sprintf("Subject: %d.%d\r\n\r\n", c, i))}
				conn.Deliver(t.Context(), tx, nil)
				if !tx.Delivered {
					t.Error(tx.Text)
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, user := range []string{"u0", "u1", "u2"} {
		for _, content := range mails(t, dir+"/"+user) {
			m, err := mail.ReadMessage(strings.NewReader(content))
			require.NoError(t, err)
			require.Equal(t, "<>", m.Header.Get("Return-Path"))
			seen[m.Header.Get("Subject")] = true
		}
	}
	require.Len(t, seen, 160)
}

func TestDeliverWithSharedPermissions(t *testing.T) {
	dir := t.TempDir()
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	conn := open(t, dir, "/{user}?mode=660")
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	info, err := os.Stat(dir + "/jo/new")
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|os.ModeSetgid|0o770, info.Mode())
	files, _ := filepath.Glob(dir + "/jo/new/*")
	info, err = os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode())
}

func TestDeliverToKnownUsersOnly(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(dir+"/jo", 0o700))
	conn := open(t, dir, "/{user}/.{detail}?create=no")
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	accepted(t, conn, "jo+x@x.test", queue.Bytes(text))
	refused(t, conn, "ann@x.test", "550 5.1.1 there is no mailbox of this name here")
	refused(t, conn, "ann+x@x.test", "550 5.1.1")
	require.NoDirExists(t, dir+"/ann")
}

func TestHeaderCannotBeInjected(t *testing.T) {
	dir := t.TempDir()
	conn := open(t, dir, "/all")
	tx := &delivery.Transaction{Message: &queue.Message{Envelope: "a@x.test>\nSubject: evil\nX: <",
		Recipient: "jo@x.test"},
		Body: queue.Bytes(text)}
	conn.Deliver(t.Context(), tx, nil)
	require.Equal(t, 553, tx.Result.Code)
	require.NoDirExists(t, dir+"/all")
}

func TestBaseThatIsMissing(t *testing.T) {
	dir := t.TempDir()
	base := dir + "/mounted"
	_, err := new(maildir.Sender).Open(t.Context(), &delivery.Hop{Local: "maildir://" + base + "/{user}"})
	var failure *delivery.Failure
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Temporary)
	require.Equal(t, queue.StateConnect, failure.Result.State)
	require.Contains(t, failure.Result.Description, base)
	require.NoError(t, os.Mkdir(base, 0o700))
	conn := open(t, base, "/{user}")
	require.NoError(t, os.Remove(base))
	refused(t, conn, "jo@x.test", "451 4.3.5 the directory of the mailboxes is not there")
	require.NoDirExists(t, base)
	_, err = new(maildir.Sender).Open(t.Context(), &delivery.Hop{Local: "maildir://x"})
	require.ErrorAs(t, err, &failure)
}

func TestBodyThatCannotBeRead(t *testing.T) {
	for want, err := range map[string]error{
		"451 4.3.0 the mail cannot be read: gone": errors.New("gone"),
		"554 5.3.0 the mail cannot be read":       &queue.DamageError{Reason: "bad"},
		"451 4.3.0 the mail cannot be read":       nil,
	} {
		conn := open(t, t.TempDir(), "/{user}")
		tx := send(t, conn, "jo@x.test", failing{err})
		require.Equal(t, queue.StateStorage, tx.Result.State)
		require.True(t, strings.HasPrefix(tx.Text, want), tx.Text)
		require.Equal(t, tx.Result.Code >= 500, tx.Result.Result == queue.Lost)
		require.Empty(t, mails(t, filepath.Dir(tx.Result.To)+"/jo"))
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
func (failing) Size() int64                         { return 100 }

// TestDirectoriesInTheWay has what should be directories be something else.
func TestDirectoriesInTheWay(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/jo", nil, 0o600))
	refused(t, open(t, dir, "/{user}"), "jo@x.test", "451 4.3.5 what should be a directory of the mailbox is none")
	require.NoError(t, os.MkdirAll(dir+"/ann/tmp", 0o700))
	refused(t, open(t, dir, "/{user}"), "ann@x.test", "451 4.3.0 the mailbox cannot be written: no such file or directory")
	require.NoError(t, os.Mkdir(dir+"/ann/new", 0o700))
	accepted(t, open(t, dir, "/{user}"), "ann@x.test", queue.Bytes(text))
	require.Len(t, mails(t, dir+"/ann"), 1)
}

func TestTmpIsTidiedUp(t *testing.T) {
	dir := t.TempDir()
	conn := open(t, dir, "/{user}")
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	old, young := dir+"/jo/tmp/old", dir+"/jo/tmp/young"
	for name, age := range map[string]time.Duration{old: 37 * time.Hour, young: 35 * time.Hour} {
		require.NoError(t, os.WriteFile(name, nil, 0o600))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(name, at, at))
	}
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	require.FileExists(t, old, "once a day is enough")
	accepted(t, open(t, dir, "/{user}"), "jo@x.test", queue.Bytes(text))
	require.NoFileExists(t, old)
	require.FileExists(t, young)
}

func TestIdleEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.True(t, open(t, t.TempDir(), "/{user}").Idle(ctx))
}

// BenchmarkDeliver delivers mails of 10 KiB over connections at the same time, each mail durable when it counts.
func BenchmarkDeliver(b *testing.B) {
	body := queue.Bytes(strings.Repeat(strings.Repeat("x", 62)+"\r\n", 160))
	for _, connections := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(connections), func(b *testing.B) {
			dir, err := os.MkdirTemp(".", "bench") // /tmp may be in memory
			require.NoError(b, err)
			defer os.RemoveAll(dir)
			dir, err = filepath.Abs(dir)
			require.NoError(b, err)
			sender := new(maildir.Sender)
			var all sync.WaitGroup
			next := make(chan int)
			for range connections {
				conn, err := sender.Open(b.Context(), &delivery.Hop{Local: "maildir://" + dir + "/{user}", Hostname: "mta.test"})
				require.NoError(b, err)
				all.Go(func() {
					for i := range next {
						tx := &delivery.Transaction{Message: &queue.Message{Recipient: fmt.Sprintf("u%d@x.test", i%50)}, Body: body}
						if conn.Deliver(b.Context(), tx, nil); !tx.Delivered {
							b.Error(tx.Text)
						}
					}
				})
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				next <- i
			}
			close(next)
			all.Wait()
		})
	}
}
