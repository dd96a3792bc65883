package storage

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/dir"
	"github.com/sluicemail/sluice/queue/bodystore/mongostore"
	"github.com/sluicemail/sluice/queue/bodystore/s3"
	"github.com/sluicemail/sluice/queue/bodystore/sqlstore"
	"github.com/sluicemail/sluice/queue/disk"
)

func TestMain(m *testing.M) { mtatest.Main(m, node.End) }

// bucket is an S3 server in this process, which can be made to refuse or to hang.
type bucket struct {
	*httptest.Server
	down, hangs atomic.Bool
	asked       atomic.Int64 // while it hung
}

func newBucket(t *testing.T) *bucket {
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("mails"))
	fake := gofakes3.New(backend, gofakes3.WithoutVersioning()).Server()
	b := &bucket{}
	over := make(chan struct{})
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case b.hangs.Load():
			b.asked.Add(1)
			select {
			case <-over:
			case <-r.Context().Done():
			}
		case b.down.Load():
			w.WriteHeader(http.StatusForbidden)
		default:
			fake.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(b.Close)
	t.Cleanup(func() { close(over) })
	return b
}

// address is what storage-address says of the bucket; its secret must never be seen.
func (b *bucket) address() string { return "s3://AKID:hunter2/+@eu-west-1/mails?endpoint=" + b.URL }

// open opens the store of an address as a client of it would.
func open(t *testing.T, address string) *bodystore.Store {
	t.Helper()
	var mux bodystore.Mux
	mux.Handle("dir", dir.OpenAddress)
	mux.Handle("sqlite", sqlstore.OpenAddress)
	mux.Handle("s3", s3.OpenAddress)
	mux.Handle("mongodb", mongostore.OpenAddress)
	s, err := mux.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func put(t *testing.T, s *bodystore.Store, key, text string) {
	t.Helper()
	require.NoError(t, s.Put(t.Context(), key, queue.Bytes(text), time.Now().Add(time.Hour)))
}

// keyed makes a message whose mail is in a store.
func keyed(recipient, key string) *queue.Message {
	return &queue.Message{ID: recipient, Envelope: "a@client.test", Recipient: recipient, Key: key}
}

// fill makes a queue directory with messages in its outbox, and the setting that names it.
func fill(t *testing.T, messages ...*queue.Message) mtatest.Settings {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queue")
	q, err := disk.Open(path, disk.Options{})
	require.NoError(t, err)
	for _, m := range messages {
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	}
	require.NoError(t, q.Close())
	return mtatest.Settings{"queue-address": "disk://" + path}
}

var published = mtatest.Settings{"rabbitmq-success": "success", "rabbitmq-failure": "failure",
	"rabbitmq-results": "results"}

// text is a mail of some size.
func text(subject string, size int) string {
	return "From: a@client.test\r\nSubject: " + subject + "\r\n\r\n" +
		strings.Repeat("0123456789abcdef0123456789abcdef0123456789\r\n", size/44+1)
}

// ends requires that a mail arrived that ends with text: a trace field may come before.
func ends(t *testing.T, got []byte, text string) {
	t.Helper()
	require.True(t, strings.HasSuffix(string(got), text), "the mail is not the one in the store: %.300q", got)
}

// TestDelivered delivers messages whose mails are in stores of several kinds, and publishes what became of them.
func TestDelivered(t *testing.T) {
	for name, address := range map[string]func(*testing.T) string{
		"dir":            func(t *testing.T) string { return "dir://" + t.TempDir() + "?depth=2" },
		"compressed dir": func(t *testing.T) string { return "directory://" + t.TempDir() + "?compression=gzip&depth=3" },
		"sqlite":         func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "mails.db") },
		"compressed rows": func(t *testing.T) string {
			return "sqlite://" + filepath.Join(t.TempDir(), "mails.db") + "?compression=gzip"
		},
		"s3": func(t *testing.T) string { return newBucket(t).address() },
		"mongodb": func(t *testing.T) string {
			return "mongodb://" + testserver.FerretDB(t) + "/mailerq/mime?compression=gzip"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := address(t)
			store := open(t, strings.Replace(address, "directory:", "dir:", 1))
			small, large := text("small", 100), text("large", 3<<20)
			put(t, store, "news/7", small)
			put(t, store, "../large", large)
			kept := keyed("kept@sink.test", "news/7")
			kept.KeepMIME = true
			edited := keyed("edited@sink.test", "news/7")
			edited.Headers = &queue.HeaderEdits{Prepend: []queue.Field{{Name: "X-Edited", Value: "yes"}}}
			k := mtatest.NewKeeper(t, &smtptest.Sink{})
			d := mtatest.Inside(t, fill(t, keyed("a@sink.test", "news/7"), keyed("b@sink.test", "../large"), kept, edited).
				With(published).With(k.Settings()).With(mtatest.Settings{"storage-address": address}))
			for _, m := range k.Await(t, 4) {
				switch m.Recipients[0] {
				case "b@sink.test":
					ends(t, m.Data, large)
				case "edited@sink.test":
					require.True(t, strings.HasPrefix(string(m.Data), "X-Edited: yes\r\n"))
					ends(t, m.Data, small)
				default:
					ends(t, m.Data, small)
				}
			}
			q := d.Stopped(t)
			require.Equal(t, map[string]int{"success": 4, "results": 4}, mtatest.Occupied(t, q))
			for _, m := range mtatest.Stored(t, q, "success", 4) {
				require.Len(t, m.Results, 1)
				require.NotEmpty(t, m.Key)
				require.Equal(t, m.Recipient == "kept@sink.test", m.Body != nil)
				require.Contains(t, string(m.Extracted), `"subject":`)
			}
			require.NotContains(t, d.Log.String(), "hunter2")
		})
	}
}

// TestLost fails messages whose mail is not there, or damaged, and no others.
func TestLost(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	address := "dir://" + path + "?compression=gzip"
	store := open(t, address)
	put(t, store, "damaged", text("damaged", 1000))
	require.NoError(t, filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			err = os.Truncate(name, 60)
		}
		return err
	}))
	put(t, store, "good", text("good", 1000))
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, fill(t, keyed("lost@sink.test", "nothing"), keyed("damaged@sink.test", "damaged"),
		keyed("good@sink.test", "good")).
		With(published).With(k.Settings()).With(mtatest.Settings{"storage-address": address}))
	ends(t, k.Await(t, 1)[0].Data, text("good", 1000))
	q := d.Stopped(t)
	require.Equal(t, map[string]int{"success": 1, "results": 3, "failure": 2}, mtatest.Occupied(t, q))
	for _, m := range mtatest.Stored(t, q, "failure", 2) {
		r := m.Results[0]
		want := map[string]string{"lost@sink.test": "storage/lost", "damaged@sink.test": "storage/invalid"}[m.Recipient]
		require.Equal(t, want, string(r.State)+"/"+string(r.Result))
		require.Contains(t, r.Description, m.Key)
	}
}

// TestAway has messages wait while the store refuses or hangs, delivers other mail meanwhile, and theirs when it is
// back.
func TestAway(t *testing.T) {
	for name, trouble := range map[string]func(*bucket) *atomic.Bool{
		"down":  func(b *bucket) *atomic.Bool { return &b.down },
		"hangs": func(b *bucket) *atomic.Bool { return &b.hangs },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucket(t)
			put(t, open(t, b.address()), "news", text("news", 100))
			state := trouble(b)
			state.Store(true)
			k := mtatest.NewKeeper(t, &smtptest.Sink{})
			d := mtatest.Inside(t, fill(t, keyed("a@sink.test", "news"),
				keyed("b@other.test", "news")).With(published).With(k.Settings()).
				With(mtatest.Settings{"storage-address": b.address(), "storage-timeout": "1", "storage-reschedule": "1",
					"storage-threads": "4"}))
			d.Submit(t, "a@client.test", "c@sink.test", mtatest.Letters)
			require.Equal(t, []string{"c@sink.test"}, k.Await(t, 1)[0].Recipients)
			require.True(t, d.WaitLog("fetching a mail from the message store failed"))
			state.Store(false)
			k.Await(t, 3)
			require.True(t, d.WaitLog("the message store answers again"))
			q := d.Stopped(t)
			require.Equal(t, map[string]int{"success": 3, "results": 3}, mtatest.Occupied(t, q))
			for _, m := range mtatest.Stored(t, q, "success", 3) {
				require.Len(t, m.Results, 1, "no attempt is counted for a store that is away")
			}
			require.NotContains(t, d.Log.String(), "hunter2")
		})
	}
}

// files counts the mails in a directory.
func files(t *testing.T, path string) (n int) {
	require.NoError(t, filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// TestPolicies puts mails into the store as storage-policy says, and delivers them from there.
func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		policy          string
		first, repeated bool // in the store when it came in, and after the first attempt
	}{{"none", false, false}, {"in", true, true}, {"out", false, true}, {"all", true, true}} {
		t.Run(c.policy, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			letter := text("hello", 200_000)
			set := mtatest.Settings{"storage-address": "dir://" + path + "?depth=1", "storage-policy": c.policy,
				"retry-interval": "1"}

			d := mtatest.Inside(t, mtatest.Nowhere.With(set))
			client := d.Talk(t)
			client.Command("EHLO client.test", 250)
			client.Command("MAIL FROM:<a@client.test>", 250)
			for i := range 3 {
				client.Command(fmt.Sprintf("RCPT TO:<r%d@sink.test>", i), 250)
			}
			client.Command("DATA", 354)
			client.Raw(letter)
			client.Command(".", 250)
			if c.first {
				require.Equal(t, 1, files(t, path), "a mail to three is stored once")
			}
			if c.repeated {
				mtatest.Eventually(t, "the mail is stored after the first attempt", func() bool { return files(t, path) > 0 })
			}
			d.Terminate(t)
			if !c.repeated {
				require.Zero(t, files(t, path))
			}

			k := mtatest.NewKeeper(t, &smtptest.Sink{})
			d = mtatest.Inside(t, d.Settings.With(k.Settings()))
			for _, m := range k.Await(t, 3) {
				ends(t, m.Data, letter)
			}
			q := d.Stopped(t)
			require.Zero(t, mtatest.Occupied(t, q)["outbox"])
		})
	}
}

// TestIntakeWaits refuses mail for the time being while it cannot be put into the store, and takes it again afterwards.
func TestIntakeWaits(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.down.Store(true)
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.Settings{"storage-address": b.address(), "storage-policy": "in",
		"storage-timeout": "1"}))
	client := d.Talk(t)
	client.Command("EHLO client.test", 250)
	client.Mail("a@client.test", "b@sink.test", mtatest.Letters, 451)
	b.down.Store(false)
	b.hangs.Store(true)
	client.Mail("a@client.test", "b@sink.test", mtatest.Letters, 451)
	b.hangs.Store(false)
	client.Mail("a@client.test", "b@sink.test", mtatest.Letters, 250)
	q := d.Stopped(t)
	m := mtatest.Stored(t, q, "inbox", 1)[0]
	require.Nil(t, m.Body)
	mail, err := open(t, b.address()).Get(context.Background(), m.Key)
	require.NoError(t, err)
	require.NoError(t, mail.Close())
	require.NotContains(t, d.Log.String(), "hunter2")
}

// TestAddresses refuses to start with addresses that it does not understand, and says why without a secret.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"mongodb://u:hunter2@h1;h2/rs/db/c?tls=perhaps": "mongodb",
		"couchbase://u:hunter2@h/b":                     "couchbase:// is not supported",
		"dir:///tmp/mails?deep=2":                       `parameter "deep" is unknown: expected depth`,
		"dir:///tmp/mails?compression=zip":              "expected gzip",
		"dir:///tmp/mails?depth=9":                      "expected a number from 1 to 8",
		"s3://AK:hunter2@r/mails?stile=x":               `parameter "stile" is unknown: expected endpoint, style`,
		"mysql://u:hunter2@h/n?tlss=true":               `unknown parameter "tlss"`,
		"sqlite://:memory:":                             "would be lost with the program",
		"postgresql://u:hunter2@h/n?sslmode=no":         "the driver does not take it",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			d := mtatest.Launch(t, mtatest.Settings{"smtp-ip": "127.0.0.1", "smtp-port": mtatest.FreePort(t), "www-port": "0",
				"queue-address": "disk://" + filepath.Join(t.TempDir(), "queue"), "storage-address": address})
			require.Equal(t, 78, d.Exit(t, 20*time.Second))
			require.Contains(t, strings.ReplaceAll(d.Log.String(), `\`, ""), want)
			require.NotContains(t, d.Log.String(), "hunter2")
		})
	}
}
