package bodystore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/dir"
)

var later = time.Now().Add(time.Hour)

func open(t *testing.T) *bodystore.Store {
	t.Helper()
	d, err := dir.Open(t.TempDir(), 1)
	require.NoError(t, err)
	return &bodystore.Store{Driver: d, SpoolDir: t.TempDir()}
}

func read(t *testing.T, m *bodystore.Mail) string {
	t.Helper()
	data, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	require.NoError(t, err)
	require.NoError(t, m.Close())
	return string(data)
}

// TestStore stores small and large mails, compressed and not, and reads them whatever the switch says then.
func TestStore(t *testing.T) {
	s := open(t)
	for _, packed := range []bool{false, true} {
		for _, size := range []int{0, 10, bodystore.MemoryLimit, bodystore.MemoryLimit + 1, 2 << 20} {
			key, text := fmt.Sprint(packed, size), strings.Repeat("x", size)
			s.Gzip = packed
			require.NoError(t, s.Put(t.Context(), key, queue.Bytes(text), later))
			s.Gzip = !packed
			m, err := s.Get(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, text, read(t, m))
			raw, err := s.Driver.Get(t.Context(), key)
			require.NoError(t, err)
			stored, err := io.Copy(io.Discard, raw)
			require.NoError(t, err)
			require.NoError(t, raw.Close())
			require.Equal(t, packed && size > 100, stored < int64(size))
		}
	}
	left, err := os.ReadDir(s.SpoolDir)
	require.NoError(t, err)
	require.Empty(t, left, "files of large mails have no names")
}

func TestWrongKeys(t *testing.T) {
	s := open(t)
	for _, key := range []string{"", strings.Repeat("k", bodystore.MaxKey+1)} {
		require.ErrorIs(t, s.Put(t.Context(), key, queue.Bytes("x"), later), bodystore.ErrKey)
		_, err := s.Get(t.Context(), key)
		require.ErrorIs(t, err, bodystore.ErrKey)
	}
}

// TestDamage tells a mail that is broken apart from one that is not there, and stops at one that unpacks to more than
// there may be.
func TestDamage(t *testing.T) {
	s := open(t)
	s.Gzip = true
	require.NoError(t, s.Put(t.Context(), "a", queue.Bytes(strings.Repeat("text ", 100)), later))
	raw, err := s.Driver.Get(t.Context(), "a")
	require.NoError(t, err)
	packed, err := io.ReadAll(raw)
	require.NoError(t, err)
	require.NoError(t, raw.Close())
	for name, data := range map[string][]byte{"cut": packed[:len(packed)-9], "no header": packed[:5],
		"flipped": flip(packed)} {
		require.NoError(t, s.Driver.Put(t.Context(), name, bytes.NewReader(data), int64(len(data)), later))
		_, err := s.Get(t.Context(), name)
		require.ErrorIs(t, err, bodystore.ErrDamaged, name)
	}
	_, err = s.Get(t.Context(), "nothing")
	require.ErrorIs(t, err, bodystore.ErrNotFound)
	require.NoError(t, s.Put(t.Context(), "bomb", queue.Bytes(strings.Repeat("x", 2<<20)), later))
	s.MaxSize = 1 << 20
	_, err = s.Get(t.Context(), "bomb")
	require.ErrorIs(t, err, bodystore.ErrDamaged)
}

func flip(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 0xff
	return data
}

// hanging is a store that does not answer.
type hanging struct{ bodystore.Driver }

func (hanging) Get(ctx context.Context, _ string) (io.ReadCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestHanging gives up in time, also when all places are taken.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &bodystore.Store{Driver: hanging{}, Parallel: 2, Timeout: 3 * time.Second}
		began := time.Now()
		ended := make(chan error)
		for range 5 {
			go func() {
				_, err := s.Get(t.Context(), "a")
				ended <- err
			}()
		}
		for range 5 {
			err := <-ended
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.False(t, errors.Is(err, bodystore.ErrNotFound))
		}
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
	})
}

func ExampleStore() {
	path, err := os.MkdirTemp("", "mails")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(path)
	driver, err := dir.Open(path, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := &bodystore.Store{Driver: driver, Gzip: true}
	ctx := context.Background()
	if err := store.Put(ctx, "news-7", queue.Bytes("Subject: News\r\n\r\nHello"),
		time.Now().Add(48*time.Hour)); err != nil {
		fmt.Println(err)
		return
	}
	mail, err := store.Get(ctx, "news-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mail.Close()
	fmt.Println(mail.Size(), "bytes")
	// Output: 22 bytes
}
