package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
)

// TestCompile puts sense and nonsense side by side: the sense is in force, the nonsense is named.
func TestCompile(t *testing.T) {
	s := Compile(&settings.Rows{
		Locals: []settings.Local{
			{ID: 1, Address: "info@example.com", Type: settings.Exact, Enabled: true},
			{ID: 2, Address: "*@local.test", Type: settings.Wildcard, Enabled: true},
			{ID: 3, Address: "(", Type: settings.Regex, Enabled: true},
			{ID: 4, Address: "off@example.com", Type: settings.Exact},
			{ID: 5, Address: "x@y.z", Type: "fuzzy", Enabled: true},
		},
		Blocklist: []settings.Block{
			{ID: 1, Value: "192.0.2.0/24", Enabled: true},
			{ID: 2, Value: "spam.test", Code: 550, Description: "No thanks", Enabled: true},
			{ID: 3, Value: "not a thing at all/9", Enabled: true},
			{ID: 4, Value: "192.0.2.300", Code: 200, Enabled: true},
			{ID: 5, Value: "198.51.100.1"},
		},
		Suppressions: []settings.Suppression{
			{ID: 1, Value: "gone@example.net", Type: "address", Code: 550, Enabled: true},
			{ID: 2, Value: "off.test", Type: "domain"},
			{ID: 3, Value: "nonsense", Type: "address", Enabled: true},
		},
		MTANames: []settings.MTAName{
			{ID: 1, LocalIP: "203.0.113.1", Name: "out1.example.com"},
			{ID: 2, LocalIP: "::ffff:203.0.113.2", Name: "out2.example.com"},
			{ID: 3, LocalIP: "mail", Name: "x"},
			{ID: 4, LocalIP: "203.0.113.4", Name: "two words\r\n"},
		},
		Broken: []settings.Broken{{Table: "routes", ID: 9, Reason: "port is text"}},
	})
	require.True(t, s.Locals.Contains("INFO@example.com"))
	require.True(t, s.Locals.Contains("anybody@local.test"))
	require.False(t, s.Locals.Contains("off@example.com"), "a row that is not enabled")
	require.NotNil(t, s.Blocklist.Client(netip.MustParseAddr("192.0.2.77")))
	require.Nil(t, s.Blocklist.Client(netip.MustParseAddr("198.51.100.1")), "a row that is not enabled")
	reply := s.Blocklist.Sender("me@spam.test")
	require.NotNil(t, reply)
	require.Equal(t, 550, reply.Code)
	require.Contains(t, reply.Message, "No thanks")
	_, listed := s.Suppressions.Find("gone@example.net")
	require.True(t, listed)
	_, listed = s.Suppressions.Find("x@off.test")
	require.False(t, listed, "a row that is not enabled")
	require.Equal(t, "out1.example.com", s.Name(netip.MustParseAddr("::ffff:203.0.113.1")))
	require.Equal(t, "out2.example.com", s.Name(netip.MustParseAddr("203.0.113.2")))

	var broken []string
	for _, b := range s.Broken {
		broken = append(broken, fmt.Sprint(b.Table, b.ID))
		require.NotEmpty(t, b.Reason)
	}
	require.ElementsMatch(t, []string{"routes9", "locals3", "locals5", "blocklist3", "blocklist4", "suppressions3",
		"mtanames3", "mtanames4"}, broken)
}

// world is a database that can be switched off.
type world struct {
	path string
	mu   sync.Mutex
	down error
	n    int // openings
}

func (w *world) open(ctx context.Context) (*settings.DB, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	if w.down != nil {
		return nil, w.down
	}
	return settings.Open(ctx, "sqlite://"+w.path, settings.Options{})
}

func (w *world) openings() int { w.mu.Lock(); defer w.mu.Unlock(); return w.n }

func (w *world) set(err error) { w.mu.Lock(); w.down = err; w.mu.Unlock() }

func insert(t *testing.T, path string, address string) {
	t.Helper()
	db, err := settings.Open(t.Context(), "sqlite://"+path, settings.Options{})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, settings.Insert(t.Context(), db,
		&settings.Local{Address: address, Type: settings.Exact, Enabled: true}))
}

// TestDatabaseDown starts with and without a cache while the database is away, loses it later, and finds it again.
func TestDatabaseDown(t *testing.T) {
	dir := t.TempDir()
	w := &world{path: filepath.Join(dir, "settings.db")}
	cache := filepath.Join(dir, "settings.cache")
	var log bytes.Buffer
	keeper := func() *Keeper {
		return &Keeper{Open: w.open, Cache: cache, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	}
	insert(t, w.path, "a@example.com")

	k := keeper()
	require.NoError(t, k.Start(t.Context()))
	require.True(t, k.Current().Locals.Contains("a@example.com"))
	require.NoError(t, k.State().Err)
	insert(t, w.path, "b@example.com")
	require.False(t, k.Current().Locals.Contains("b@example.com"), "before the reload")
	require.NoError(t, k.Reload(t.Context()))
	require.True(t, k.Current().Locals.Contains("b@example.com"))

	away := errors.New("connection refused")
	w.set(away)
	k = keeper()
	require.NoError(t, k.Start(t.Context()), "a database that is down stops nothing")
	require.True(t, k.Current().Locals.Contains("b@example.com"), "from the cache")
	require.True(t, k.Current().FromCache)
	require.ErrorIs(t, k.State().Err, away)
	require.ErrorIs(t, k.Reload(t.Context()), away)
	require.True(t, k.Current().Locals.Contains("b@example.com"), "a failed reload changes nothing")

	w.set(nil)
	require.NoError(t, k.Reload(t.Context()))
	require.False(t, k.Current().FromCache)
	require.Contains(t, log.String(), "is back")

	w.set(away)
	k = &Keeper{Open: w.open, Logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, k.Start(t.Context()))
	require.False(t, k.Current().Locals.Contains("b@example.com"), "no cache, no rows")
}

// TestWrongConfiguration is not taken for a database that is down.
func TestWrongConfiguration(t *testing.T) {
	for _, err := range []error{&settings.AddressError{Reason: "x"}, &settings.SchemaError{Database: "x", Foreign: true}} {
		k := &Keeper{Open: func(context.Context) (*settings.DB, error) { return nil, err },
			Logger: slog.New(slog.DiscardHandler)}
		require.ErrorIs(t, k.Start(t.Context()), err)
	}
}

// TestRun reloads by time, sooner while the database is down.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		n := 0
		k := &Keeper{TTL: time.Hour, Logger: slog.New(slog.DiscardHandler),
			Open: func(context.Context) (*settings.DB, error) { n++; return nil, down }}
		require.NoError(t, k.Start(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
		defer cancel()
		k.Run(ctx)
		require.Equal(t, 1+6, n, "every ten seconds while it is down")
	})
}

// TestOnChange tells of each snapshot, and readers beside a reload see one or the other.
func TestOnChange(t *testing.T) {
	w := &world{path: filepath.Join(t.TempDir(), "settings.db")}
	insert(t, w.path, "a@example.com")
	k := &Keeper{Open: w.open, IPs: []settings.IP{{IP: "192.0.2.1", Hostname: "here"}},
		Logger: slog.New(slog.DiscardHandler)}
	var seen []*Snapshot
	k.OnChange(func(s *Snapshot) { seen = append(seen, s) })
	require.NoError(t, k.Start(t.Context()))
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 1000 {
				if !k.Current().Locals.Contains("a@example.com") {
					t.Error("a reader saw no locals")
				}
			}
		})
	}
	for range 5 {
		require.NoError(t, k.Reload(t.Context()))
	}
	readers.Wait()
	require.Len(t, seen, 7)
	require.Same(t, seen[6], k.Current())
	require.Equal(t, "192.0.2.1", k.Current().Rows.IPs[0].IP, "the host's addresses were written")
}

// BenchmarkLocals looks up one of 100,000 local addresses.
func BenchmarkLocals(b *testing.B) {
	rows := &settings.Rows{}
	for i := range 100_000 {
		rows.Locals = append(rows.Locals, settings.Local{ID: int64(i), Address: fmt.Sprintf("user%d@example.com", i),
			Type: settings.Exact, Enabled: true})
	}
	s := Compile(rows)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if !s.Locals.Contains(rows.Locals[i%100_000].Address) {
			b.Fatal("not found")
		}
	}
}
