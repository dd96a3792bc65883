// Package bodystoretest examines a driver of bodystore against its contract.
package bodystoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue/bodystore"
)

// Run examines a driver. open opens the store of one test, the same one each time it is called.
func Run(t *testing.T, open func(t *testing.T) func() bodystore.Driver) {
	for name, test := range map[string]func(*testing.T, func() bodystore.Driver){
		"RoundTrip": roundTrip, "NotFound": notFound, "Replace": replace, "Expire": expire, "NeverSooner": neverSooner,
		"Reopen": reopen,
		"Keys":   keys, "Parallel": parallel, "BrokenInput": brokenInput, "Cancelled": cancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func mail(size int) []byte {
	data := make([]byte, size)
	r := rand.New(rand.NewPCG(uint64(size), 1))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func put(t *testing.T, d bodystore.Driver, key string, data []byte, expires time.Time) {
	t.Helper()
	require.NoError(t, d.Put(t.Context(), key, bytes.NewReader(data), int64(len(data)), expires))
}

func get(t *testing.T, d bodystore.Driver, key string) []byte {
	t.Helper()
	r, err := d.Get(t.Context(), key)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return data
}

func missing(t *testing.T, d bodystore.Driver, key string) {
	t.Helper()
	_, err := d.Get(t.Context(), key)
	require.ErrorIs(t, err, bodystore.ErrNotFound, "of a key that is not there")
}

func closing(t *testing.T, d bodystore.Driver) bodystore.Driver {
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

var later = time.Now().Add(time.Hour)

func roundTrip(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	for _, size := range []int{0, 1, 4096, 1<<20 - 1, 1 << 20, 1<<20 + 1, 5 << 20} {
		key := fmt.Sprint("size-", size)
		put(t, d, key, mail(size), later)
		require.True(t, bytes.Equal(mail(size), get(t, d, key)), "what is read is what was stored, all %d bytes", size)
	}
}

func notFound(t *testing.T, open func() bodystore.Driver) { missing(t, closing(t, open()), "nothing") }

func replace(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	put(t, d, "a", mail(3<<20), later)
	put(t, d, "a", []byte("short"), later)
	require.Equal(t, "short", string(get(t, d, "a")), "nothing of the former mail is left")
}

func expire(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	now := time.Now().Truncate(time.Second)
	put(t, d, "old", []byte("old"), now.Add(-time.Minute))
	put(t, d, "new", []byte("new"), now.Add(time.Minute))
	put(t, d, "large", mail(2<<20), now.Add(-time.Minute))
	n, err := d.Sweep(t.Context(), now)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	missing(t, d, "old")
	missing(t, d, "large")
	require.Equal(t, "new", string(get(t, d, "new")))
	n, err = d.Sweep(t.Context(), now)
	require.NoError(t, err)
	require.Zero(t, n)
}

func neverSooner(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	now := time.Now().Truncate(time.Second)
	put(t, d, "a", []byte("for long"), now.Add(time.Hour))
	put(t, d, "a", []byte("for short"), now.Add(-time.Hour))
	put(t, d, "b", []byte("for short"), now.Add(-time.Hour))
	put(t, d, "b", []byte("for long"), now.Add(time.Hour))
	n, err := d.Sweep(t.Context(), now)
	require.NoError(t, err)
	require.Zero(t, n, "a mail stays until the latest time that was asked for")
	require.Equal(t, "for short", string(get(t, d, "a")))
	require.Equal(t, "for long", string(get(t, d, "b")))
}

func reopen(t *testing.T, open func() bodystore.Driver) {
	d := open()
	put(t, d, "a", []byte("kept"), later)
	require.NoError(t, d.Close())
	require.Equal(t, "kept", string(get(t, closing(t, open()), "a")))
}

func keys(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	all := []string{"../../../etc/passwd", "/", ".", "..", "a/b", "a", "A", "ä", "a\u0308", "%2e",
		"'; DROP TABLE mails; --", " ", "a ", "\\", "new-1",
		"*", "?", strings.Repeat("k", bodystore.MaxKey), strings.Repeat("k", bodystore.MaxKey-1) + "l", "line\r\nend",
		"nul\x00", "\xff\xfe"}
	for _, key := range all {
		put(t, d, key, []byte("mail of "+key), later)
	}
	for _, key := range all {
		require.Equal(t, "mail of "+key, string(get(t, d, key)), "%q is a key of its own", key)
	}
}

func parallel(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	var all sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 16 {
		all.Go(func() {
			key, data := fmt.Sprint("k", i%4), mail(100_000+i%4)
			for range 4 {
				err := d.Put(t.Context(), key, bytes.NewReader(data), int64(len(data)), later)
				if err == nil {
					err = same(t.Context(), d, key, data)
				}
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

// same reads a mail and compares it.
func same(ctx context.Context, d bodystore.Driver, key string, want []byte) error {
	r, err := d.Get(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s: a mail was seen in parts", key)
	}
	return err
}

func brokenInput(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	broken := errors.New("the disk is broken")
	put(t, d, "there", []byte("before"), later)
	for _, key := range []string{"there", "new"} {
		err := d.Put(t.Context(), key, io.MultiReader(bytes.NewReader(mail(2<<20)), failing{broken}), 3<<20, later)
		require.ErrorIs(t, err, broken, "the error of what is to be stored is passed on")
		err = d.Put(t.Context(), key, strings.NewReader("too short"), 100, later)
		require.Error(t, err, "a mail that is shorter than it was said to be is not stored")
	}
	require.Equal(t, "before", string(get(t, d, "there")), "what failed left what was there")
	missing(t, d, "new")
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func cancelled(t *testing.T, open func() bodystore.Driver) {
	d := closing(t, open())
	put(t, d, "there", []byte("x"), later)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, d.Put(ctx, "a", strings.NewReader("x"), 1, later))
	_, err := d.Get(ctx, "there")
	require.Error(t, err)
	require.NotErrorIs(t, err, bodystore.ErrNotFound, "a store that was not asked does not say that there is nothing")
	_, err = d.Sweep(ctx, later.Add(time.Hour))
	require.Error(t, err)
	missing(t, d, "a")
}
