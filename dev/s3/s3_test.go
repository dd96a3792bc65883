package s3_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/bodystoretest"
	"github.com/sluicemail/sluice/queue/bodystore/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is an S3 server in this process, with a bucket named mails, that counts listings.
type server struct {
	*httptest.Server
	lists atomic.Int64
}

func newServer(t *testing.T) *server {
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("mails"))
	fake := gofakes3.New(backend, gofakes3.WithoutVersioning()).Server()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("list-type") {
			s.lists.Add(1)
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) options() s3.Options {
	return s3.Options{Access: "AKID", Secret: "hunter2/+secret", Bucket: "mails", Endpoint: s.URL}
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	d, err := s3.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestContract(t *testing.T) {
	bodystoretest.Run(t, func(t *testing.T) func() bodystore.Driver {
		s := newServer(t)
		rest := "AKID:hunter2/+secret@eu-west-1/mails/some/prefix?style=path&endpoint=" + s.URL
		return func() bodystore.Driver {
			d, err := s3.OpenAddress(t.Context(), "s3", rest)
			require.NoError(t, err)
			return d
		}
	})
}

// TestSweepBounded lists a page, however many mails wait for their time, and sweeps mails in pages.
func TestSweepBounded(t *testing.T) {
	s := newServer(t)
	d := open(t, s.options())
	now := time.Now()
	put := func(key string, at time.Time) {
		require.NoError(t, d.Put(t.Context(), key, strings.NewReader("mail"), 4, at))
	}
	for i := range 1050 {
		put(fmt.Sprint("later", i), now.Add(time.Hour+time.Duration(i)*time.Second))
	}
	put("old", now.Add(-time.Hour))
	before := s.lists.Load()
	n, err := d.Sweep(t.Context(), now)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.LessOrEqual(t, s.lists.Load()-before, int64(2))
	n, err = d.Sweep(t.Context(), now.Add(2*time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1050, n, "also those of further pages")
}

// TestAway says what is wrong without a word of the secret, and that nobody knows whether the mail is there.
func TestAway(t *testing.T) {
	s := newServer(t)
	o := s.options()
	noBucket := o
	noBucket.Bucket = "nothing-here"
	away := o
	away.Endpoint = "http://127.0.0.1:1"
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
	}))
	t.Cleanup(denied.Close)
	no := o
	no.Endpoint = denied.URL
	for name, o := range map[string]s3.Options{"no bucket": noBucket, "away": away, "denied": no} {
		t.Run(name, func(t *testing.T) {
			d := open(t, o)
			_, err := d.Get(t.Context(), "a")
			for what, err := range map[string]error{"get": err,
				"put": d.Put(t.Context(), "a", strings.NewReader("x"), 1, time.Now())} {
				require.Error(t, err, what)
				require.NotErrorIs(t, err, bodystore.ErrNotFound, what)
				require.ErrorContains(t, err, "s3 bucket "+o.Bucket, what)
				require.NotContains(t, err.Error(), "hunter2", what)
			}
		})
	}
}

// TestHanging gives up with its context.
func TestHanging(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	o := s3.Options{Access: "a", Secret: "hunter2", Bucket: "mails", Endpoint: s.URL}
	d := open(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := d.Get(ctx, "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, bodystore.ErrNotFound)
	require.Less(t, time.Since(began), 5*time.Second)
}

// TestFull knows what a server says that has no space left.
func TestFull(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusInsufficientStorage)
		fmt.Fprint(w, "<Error><Code>XMinioStorageFull</Code><Message>full</Message></Error>")
	}))
	t.Cleanup(s.Close)
	d := open(t, s3.Options{Access: "a", Secret: "hunter2", Bucket: "mails", Endpoint: s.URL})
	require.ErrorIs(t, d.Put(t.Context(), "a", strings.NewReader("x"), 1, time.Now()), bodystore.ErrFull)
}

func TestParseAddress(t *testing.T) {
	for rest, want := range map[string]s3.Options{
		"AK:se/c+r:et@eu-west-1/mails": {Access: "AK", Secret: "se/c+r:et", Region: "eu-west-1",
			Bucket: "mails"},
		"AK:a%40b%3Fc@r/mails/p/q/": {Access: "AK", Secret: "a@b?c", Region: "r",
			Bucket: "mails", Prefix: "p/q/"},
		"AK:a?b@r/mails?endpoint=http://127.0.0.1:9000": {Access: "AK", Secret: "a?b", Region: "r",
			Bucket: "mails", Endpoint: "http://127.0.0.1:9000"},
		"AK:sss@r/mails?style=virtual&endpoint=https%3A%2F%2Fh%2F": {Access: "AK", Secret: "sss", Region: "r",
			Bucket: "mails", Endpoint: "https://h/", VirtualStyle: true},
	} {
		got, err := s3.ParseAddress(rest)
		require.NoError(t, err, rest)
		require.Equal(t, want, got, rest)
		require.NotContains(t, got.String(), got.Secret)
	}
	for rest, want := range map[string]string{
		"":                            "got no @",
		"hunter2":                     "got no @",
		"hunter2@r/mails":             "no secret key",
		":hunter2@r/mails":            "no access key",
		"AK:hunter2@/mails":           "region",
		"AK:hunter2@r":                "bucket",
		"AK:hunter2@r/m$ils":          "bucket",
		"AK:hunter2@r/mails?stile=a":  `parameter "stile" is unknown: expected endpoint, style`,
		"AK:hunter2@r/mails?style=no": "expected path or virtual",
	} {
		_, err := s3.ParseAddress(rest)
		require.ErrorContains(t, err, want, rest)
		require.NotContains(t, err.Error(), "hunter2")
	}
	for _, endpoint := range []string{"127.0.0.1:9000", "ftp://h", "http://u:hunter2@h", "http://h/path", "http://",
		"http://h?x=1"} {
		_, err := s3.Open(s3.Options{Access: "a", Secret: "b", Bucket: "mails", Endpoint: endpoint})
		require.ErrorContains(t, err, "endpoint", endpoint)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("AK:se/c+r:et@eu-west-1/mails/p?endpoint=http://h:1&style=path")
	f.Fuzz(func(t *testing.T, rest string) {
		o, err := s3.ParseAddress(rest)
		if err == nil {
			require.NotEmpty(t, o.Bucket)
			if s, err := s3.Open(o); err == nil {
				require.NoError(t, s.Close())
			}
		}
	})
}
