package bodystore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
)

// TestMux hands what follows the scheme to the driver as it was typed, but for the compression.
func TestMux(t *testing.T) {
	var got string
	var mux bodystore.Mux
	mux.Handle("Kept", func(_ context.Context, scheme, rest string) (bodystore.Driver, error) {
		got = scheme + " " + rest
		if rest == "bad" {
			return nil, errors.New("it is bad")
		}
		return newKept(), nil
	})
	mux.Refuse("couchbase", "not supported")
	for address, want := range map[string]string{
		"kept://a/b":                             "kept a/b",
		"KEPT://u:p?x@h/b?a=1&b=%20":             "kept u:p?x@h/b?a=1&b=%20",
		"kept://u:p?compression=x@h/b":           "kept u:p?compression=x@h/b",
		"kept://a?compression=gzip":              "kept a gzip",
		"kept://a?b=1&compression=gzip&c=2":      "kept a?b=1&c=2 gzip",
		"kept://u:p?q@h/b?compression=gzip":      "kept u:p?q@h/b gzip",
		"kept://u@h/b?endpoint=http://h?x&y=1&z": "kept u@h/b?endpoint=http://h?x&y=1&z",
	} {
		s, err := mux.Open(t.Context(), address)
		require.NoError(t, err, address)
		if s.Gzip {
			got += " gzip"
		}
		require.Equal(t, want, got, address)
	}
	for address, want := range map[string]string{
		"":                               "has to begin with kept",
		"kept:/a":                        "has to begin with kept",
		"other://hunter2":                "has to begin with kept",
		"couchbase://u:hunter2@h":        "couchbase: not supported",
		"kept://hunter2?compression=zip": "compression is not understood",
		"kept://hunter2?compression":     "compression is not understood",
		"kept://hunter2?compression=%":   "parameter compression",
		"kept://a?compression=gzip&compression=gzip": "given twice",
		"kept://bad": "kept: it is bad",
	} {
		_, err := mux.Open(t.Context(), address)
		require.ErrorContains(t, err, want, address)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// breaking is a store whose connection breaks in the middle of a mail.
type breaking struct {
	*kept
	err error
}

func (b breaking) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.kept.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(r, 40), broken{b.err})), nil
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// TestBrokenConnection does not take a mail for damaged that could not be read to its end, compressed or not; one that
// does end early is damaged.
func TestBrokenConnection(t *testing.T) {
	for _, packed := range []bool{false, true} {
		for _, cause := range []error{io.ErrUnexpectedEOF, context.DeadlineExceeded, errors.New("connection reset")} {
			driver := newKept()
			s := &bodystore.Store{Driver: driver, Gzip: packed}
			require.NoError(t, s.Put(t.Context(), "a", queue.Bytes(strings.Repeat("some text, not too simple: 1234567890 ", 20)),
				time.Now().Add(time.Hour)))
			s.Driver = breaking{driver, cause}
			_, err := s.Get(t.Context(), "a")
			require.ErrorIs(t, err, cause)
			require.NotErrorIs(t, err, bodystore.ErrDamaged)
			require.ErrorIs(t, s.Err(), cause)
			_, err = s.Fetch(t.Context(), "a")
			var damage *queue.DamageError
			require.NotErrorAs(t, err, &damage)
			if packed {
				s.Driver = breaking{driver, io.EOF}
				_, err = s.Fetch(t.Context(), "a")
				require.ErrorAs(t, err, &damage)
				require.NoError(t, s.Err(), "the store itself works")
			}
		}
	}
}

// TestFetch says what went wrong in the words of package queue.
func TestFetch(t *testing.T) {
	s := &bodystore.Store{Driver: newKept()}
	require.NoError(t, s.Put(t.Context(), "a", queue.Bytes("mail"), time.Now().Add(time.Hour)))
	body, err := s.Fetch(t.Context(), "a")
	require.NoError(t, err)
	data, err := queue.ReadBody(body)
	require.NoError(t, err)
	require.True(t, bytes.Equal([]byte("mail"), data))
	require.NoError(t, body.(io.Closer).Close())
	_, err = s.Fetch(t.Context(), "b")
	require.ErrorIs(t, err, queue.ErrNotFound)
	var damage *queue.DamageError
	_, err = s.Fetch(t.Context(), strings.Repeat("k", bodystore.MaxKey+1))
	require.ErrorAs(t, err, &damage)
	require.NoError(t, s.Err())
}
