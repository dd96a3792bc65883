package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/dir"
)

// TestHowLong tells by a moved clock how long answers are kept, with a TTL of an hour.
func TestHowLong(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	date := noon.Format(http.TimeFormat)
	for _, c := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{}, time.Hour},
		{http.Header{"Cache-Control": {"max-age=60"}}, time.Minute},
		{http.Header{"Cache-Control": {"Public, MAX-AGE=60"}}, time.Minute},
		{http.Header{"Cache-Control": {"max-age=99999999"}}, time.Hour},
		{http.Header{"Cache-Control": {"max-age=60", "s-maxage=120"}}, 2 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=60"}, "Age": {"20"}}, 40 * time.Second},
		{http.Header{"Cache-Control": {"max-age=nonsense"}}, time.Hour},
		{http.Header{"Cache-Control": {"max-age=0"}}, 0},
		{http.Header{"Cache-Control": {"max-age=60, no-store"}}, 0},
		{http.Header{"Cache-Control": {"no-cache"}}, 0},
		{http.Header{"Cache-Control": {"private, max-age=60"}}, 0},
		{http.Header{"Expires": {noon.Add(5 * time.Minute).Format(http.TimeFormat)}, "Date": {date}}, 5 * time.Minute},
		{http.Header{"Expires": {noon.Add(5 * time.Hour).Format(http.TimeFormat)}, "Date": {date}}, time.Hour},
		{http.Header{"Expires": {noon.Add(-time.Hour).Format(http.TimeFormat)}, "Date": {date}}, 0},
		{http.Header{"Expires": {"0"}}, 0},
		{http.Header{"Expires": {"0"}, "Cache-Control": {"max-age=60"}}, time.Minute},
	} {
		for _, withStore := range []bool{false, true} {
			t.Run(fmt.Sprint(c.header, withStore), func(t *testing.T) {
				var asked atomic.Int32
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					asked.Add(1)
					w.Header()["Date"] = nil
					for name, values := range c.header {
						w.Header()[name] = values
					}
				})
				now := noon
				cl := client(t, func(cl *fetch.Client, _ *fetch.Terms) {
					cl.Now = func() time.Time { return now }
					if withStore {
						cl.Store, cl.Memory = store(t, t.TempDir()), 1
					}
				})
				ask := func(want int32) {
					t.Helper()
					_, err := cl.Fetch(t.Context(), s.URL)
					require.NoError(t, err)
					require.Equal(t, want, asked.Load())
				}
				ask(1)
				if c.want > 0 {
					now = noon.Add(c.want - time.Second)
					ask(1)
				}
				now = noon.Add(c.want)
				ask(2)
			})
		}
	}
}

func store(t *testing.T, path string) *bodystore.Store {
	d, err := dir.Open(path, 1)
	require.NoError(t, err)
	return &bodystore.Store{Driver: d, Gzip: true}
}

// TestStoreIsShared has a program that begins anew find what another one downloaded.
func TestStoreIsShared(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "image/png")
		w.Write(bytes.Repeat([]byte("x"), 300<<10)) // more than a store keeps in memory
	})
	path := t.TempDir()
	var files []*fetch.File
	for range 3 {
		c := client(t, func(c *fetch.Client, _ *fetch.Terms) { c.Store = store(t, path) })
		f, err := c.Fetch(t.Context(), s.URL+"/a.png")
		require.NoError(t, err)
		files = append(files, f)
	}
	require.EqualValues(t, 1, asked.Load())
	require.Equal(t, files[0], files[2])
	require.Equal(t, "a.png", files[2].Name)
	require.Equal(t, "image/png", files[2].Type)

	// A TTL that was made shorter holds for what was stored before.
	c := client(t, func(c *fetch.Client, terms *fetch.Terms) { c.Store, terms.TTL = store(t, path), time.Minute })
	_, err := c.Fetch(t.Context(), s.URL+"/a.png")
	require.NoError(t, err)
	require.EqualValues(t, 2, asked.Load())
}

// TestDamagedStore cuts, empties and overwrites what is stored: it is downloaded again, and well afterwards.
func TestDamagedStore(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut":         func(b []byte) []byte { return b[:len(b)-3] },
		"empty":       func([]byte) []byte { return nil },
		"overwritten": func(b []byte) []byte { b[len(b)-1]++; return b },
		"other":       func([]byte) []byte { return []byte("Subject: a mail\r\n\r\n") },
		"json":        func([]byte) []byte { return []byte("[]\nx") },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				fmt.Fprint(w, "the content")
			})
			path := t.TempDir()
			fresh := func() {
				d, err := dir.Open(path, 1)
				require.NoError(t, err)
				c := client(t, func(c *fetch.Client, _ *fetch.Terms) { c.Store = &bodystore.Store{Driver: d} })
				f, err := c.Fetch(t.Context(), s.URL)
				require.NoError(t, err)
				require.Equal(t, "the content", string(f.Data))
			}
			fresh()
			require.NoError(t, filepath.Walk(path, func(file string, info os.FileInfo, err error) error {
				if err != nil || info.IsDir() {
					return err
				}
				content, err := os.ReadFile(file)
				require.NoError(t, err)
				defer os.Chtimes(file, time.Time{}, info.ModTime())
				return os.WriteFile(file, damage(content), 0o600)
			}))
			fresh()
			require.EqualValues(t, 2, asked.Load())
			fresh()
			require.EqualValues(t, 2, asked.Load())
		})
	}
}

// TestStoreThatFails is full, away, or loses its directory: downloads go on, and it is complained about once.
func TestStoreThatFails(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x") })
	var log bytes.Buffer
	c := client(t, func(c *fetch.Client, _ *fetch.Terms) {
		c.Store, c.Logger = broken{}, slog.New(slog.NewTextHandler(&log, nil))
	})
	for i := range 5 {
		f, err := c.Fetch(t.Context(), fmt.Sprintf("%s/%d", s.URL, i))
		require.NoError(t, err)
		require.Equal(t, "x", string(f.Data))
	}
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("cache of downloads")), log.String())
}

type broken struct{}

func (broken) Put(context.Context, string, queue.Body, time.Time) error { return bodystore.ErrFull }

func (broken) Fetch(context.Context, string) (queue.Body, error) { return nil, errors.New("away") }

// TestFailuresAreRemembered asks a dead host once for many mails, and again a while later.
func TestFailuresAreRemembered(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	now := time.Now()
	c := client(t, func(c *fetch.Client, _ *fetch.Terms) { c.Now = func() time.Time { return now } })
	for range 100 {
		_, err := c.Fetch(t.Context(), s.URL)
		failed(t, err, true, "503")
	}
	require.EqualValues(t, 1, asked.Load())
	now = now.Add(time.Minute)
	_, err := c.Fetch(t.Context(), s.URL)
	failed(t, err, true, "503")
	require.EqualValues(t, 2, asked.Load())
}

// TestMemoryIsBounded downloads more than there is memory for: what was used last is kept.
func TestMemoryIsBounded(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Write(make([]byte, 10<<10))
	})
	c := client(t, func(c *fetch.Client, _ *fetch.Terms) { c.Memory = 100 << 10 })
	ask := func(i int) {
		_, err := c.Fetch(t.Context(), fmt.Sprintf("%s/%d", s.URL, i))
		require.NoError(t, err)
	}
	for i := range 30 {
		ask(i)
		ask(0) // used all the time
	}
	require.EqualValues(t, 30, asked.Load())
	ask(29)
	require.EqualValues(t, 30, asked.Load())
	ask(1)
	require.EqualValues(t, 31, asked.Load())
}
