package settings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

// proxy stands between a client and a server, and fails when told to.
type proxy struct {
	listener net.Listener
	wait     sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool
	left     atomic.Int64 // bytes to the client until fault happens; negative: never
	cut      atomic.Bool  // what happens then: the connection is closed, or silent
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, open: map[net.Conn]bool{}}
	p.left.Store(-1)
	p.wait.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp4", target)
			if err != nil {
				client.Close()
				continue
			}
			p.keep(client, server)
			p.wait.Go(func() { _, _ = io.Copy(server, client); server.Close() })
			p.wait.Go(func() { p.answer(client, server) })
		}
	})
	t.Cleanup(p.close)
	return p
}

func (p *proxy) keep(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.open[c] = true
	}
}

// answer copies from the server until the fault.
func (p *proxy) answer(client, server net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := server.Read(buf)
		if err != nil {
			client.Close()
			return
		}
		if p.left.Load() >= 0 && p.left.Add(int64(-n)) <= 0 {
			p.left.Store(0)
			if p.cut.Load() {
				client.Close()
				server.Close()
			}
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			server.Close()
			return
		}
	}
}

// fail makes connections fail after some bytes, as cut says.
func (p *proxy) fail(after int64, cut bool) {
	p.cut.Store(cut)
	p.left.Store(after)
}

func (p *proxy) heal() { p.left.Store(-1) }

// close ends the server as its clients see it.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

// requireDown holds err against what a caller may expect of a database that is down, and looks for the password.
func requireDown(t *testing.T, err error, doing string) {
	t.Helper()
	var down *Error
	require.ErrorAs(t, err, &down)
	require.Contains(t, down.Error(), doing)
	for e := err; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e.Error()), testserver.DatabasePassword)
	}
}

// serverFaults lets a server fail at every stage.
func serverFaults(t *testing.T, address, server string) {
	p := newProxy(t, server)
	address = strings.Replace(address, server, p.listener.Addr().String(), 1)
	db := open(t, address)
	require.NotContains(t, db.String(), testserver.DatabasePassword)
	require.NoError(t, db.Tx(t.Context(), func(tx *Tx) error {
		for range 300 {
			if err := Insert(t.Context(), tx, &Route{Relay: strings.Repeat("x", 2000)}); err != nil {
				return err
			}
		}
		return nil
	}))

	p.fail(200_000, true)
	_, err := db.Load(t.Context())
	requireDown(t, err, "reading routes")
	p.heal()
	rows, err := db.Load(t.Context())
	require.NoError(t, err, "a new connection is made")
	require.Len(t, rows.Routes, 300)

	p.fail(200_000, false)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = db.Load(ctx)
	requireDown(t, err, "reading ")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = Open(ctx, address, Options{})
	requireDown(t, err, "connecting")
	_, err = Open(t.Context(), address, Options{DialTimeout: 100 * time.Millisecond})
	requireDown(t, err, "connecting")
	p.heal()

	wrong := strings.Replace(address, testserver.DatabasePassword, testserver.DatabasePassword+"2", 1)
	_, err = Open(t.Context(), wrong, Options{})
	requireDown(t, err, "connecting")
	unknown := address + "_that_is_not_there"
	_, err = Open(t.Context(), unknown, Options{})
	requireDown(t, err, "connecting")
	p.close()
	_, err = Open(t.Context(), address, Options{})
	requireDown(t, err, "connecting")
	_, err = db.Load(t.Context())
	requireDown(t, err, "settings database")
}

func TestSQLiteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "settings.db")
	db := open(t, "sqlite://"+path)
	require.NoError(t, Insert(t.Context(), db, &Local{}))
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestSQLiteInMemory(t *testing.T) {
	db := open(t, "sqlite://:memory:")
	require.NoError(t, Insert(t.Context(), db, &Local{Address: "a@example.com"}))
	raw(t, db, `INSERT INTO "tokens" ("hash") VALUES ('plain')`)
	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, rows.Locals, 1)
	require.Len(t, rows.Notices, 1)
	_, err = db.Repair(t.Context())
	require.NoError(t, err)
	require.NoFileExists(t, ":memory:")
}

func TestSQLiteCannotOpen(t *testing.T) {
	dir := t.TempDir()
	notDatabase := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(notDatabase, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	for path, want := range map[string]string{
		dir:                             "",
		notDatabase:                     "not a database",
		filepath.Join(notDatabase, "x"): "not a directory",
	} {
		_, err := Open(t.Context(), "sqlite://"+path, Options{})
		var down *Error
		require.ErrorAs(t, err, &down, path)
		require.ErrorContains(t, err, "settings database sqlite://"+path)
		require.ErrorContains(t, err, want)
	}
}

// TestSQLiteLocked reads and writes while another process is in the middle of a change.
func TestSQLiteLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.db")
	address := "sqlite://" + path
	db, err := Open(t.Context(), address, Options{LockWait: 100 * time.Millisecond})
	require.NoError(t, err)
	defer db.Close()
	patient := open(t, address)
	require.NoError(t, Insert(t.Context(), db, &Local{Address: "before"}))
	other, err := unchecked(t, address).sql.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = other.Exec("INSERT INTO locals (address) VALUES ('amid')")
	require.NoError(t, err)

	rows, err := db.Load(t.Context())
	require.NoError(t, err, "readers do not wait")
	require.Len(t, rows.Locals, 1)
	err = Insert(t.Context(), db, &Local{})
	require.ErrorContains(t, err, "database is locked")
	require.ErrorContains(t, err, "writing locals")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, Insert(ctx, patient, &Local{}), context.DeadlineExceeded)
	require.ErrorIs(t, patient.Tx(ctx, func(*Tx) error { return nil }), context.DeadlineExceeded)

	done := make(chan error, 1)
	go func() { done <- Insert(t.Context(), patient, &Local{Address: "after"}) }()
	require.NoError(t, other.Commit())
	require.NoError(t, <-done, "a writer waits for the other")
}

// TestSQLiteDamaged opens a file of which pages were overwritten.
func TestSQLiteDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.db")
	db, err := Open(t.Context(), "sqlite://"+path, Options{})
	require.NoError(t, err)
	require.NoError(t, db.Tx(t.Context(), func(tx *Tx) error {
		for range 500 {
			if err := Insert(t.Context(), tx, &Route{Relay: strings.Repeat("x", 500)}); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, db.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := len(text) / 2; i < len(text)*3/4; i++ {
		text[i] = 0xA5
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
	db, err = Open(t.Context(), "sqlite://"+path, Options{SkipValidation: true})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Load(t.Context())
	require.ErrorContains(t, err, "malformed")
	_, err = db.Repair(t.Context())
	require.ErrorContains(t, err, "damage")
}
