package webhook

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/dev/programs"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestResults has each kind of result posted.
func TestResults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t,
		k.Settings().With(s.settings()).With(mtatest.Settings{"webhook-filter": "envelope results/*/mta",
			"webhook-retries": "true", "retry-interval": "1", "max-attempts": "2"}))
	d.Submit(t, "a@client.test", "fine@sink.test", "Subject: Hello\r\nx-mq-tags: news\r\n\r\nx\r\n")
	all := s.await(1)
	require.True(t, all[0].Final)
	require.True(t, strings.HasSuffix(all[0].ID, "/1"), all[0].ID)
	m := all[0].Message
	require.Equal(t, "fine@sink.test", m.Recipient)
	require.Empty(t, m.Envelope, "the filter names it")
	require.Equal(t, "message/accepted", m.Last().Pair())
	require.Empty(t, m.Last().MTA)
	d.Submit(t, "a@client.test", "reject@sink.test", "Subject: x\r\n\r\nx\r\n")
	all = s.await(2)
	require.Equal(t, 550, all[1].Message.Last().Code)
	d.Submit(t, "a@client.test", "defer@sink.test", "Subject: x\r\n\r\nx\r\n")
	mtatest.Eventually(t, "it is given up", func() bool { return s.finals() == 3 })
	all = s.await(4)
	require.False(t, all[2].Final)
	require.Len(t, all[2].Message.Results, 1)
	s.inOrder()
	d.Terminate(t)
	require.NotContains(t, d.Log.String(), "t0ken")
	mtatest.RequireEmpty(t, d.Queue)
}

// TestKilledUnderLoad kills mtad again and again, while the web server refuses some of the requests: every result
// that was settled is posted, in the order of attempts.
func TestKilledUnderLoad(t *testing.T) {
	rounds := int64(4)
	if testing.Short() || mtatest.RaceDetector {
		rounds = 2
	}
	s := newServer(t)
	s.refuse = func(n int) int {
		if n%8 == 0 {
			return []int{500, 502, 429, 301}[n/8%4]
		}
		return 0
	}
	k := mtatest.NewSink(t, &smtptest.Sink{Rules: []smtptest.Rule{
		{Stage: smtptest.Rcpt, Share: 0.1, Action: smtptest.Refusal(smtptest.Rcpt, true)},
		{Stage: smtptest.Rcpt, Share: 0.2, Action: smtptest.Refusal(smtptest.Rcpt, false)}}})
	d := mtatest.Start(t, k.Settings().With(s.settings()).With(mtatest.Settings{"rabbitmq-results": "results",
		"retry-interval": "1", "webhook-retries": "true"}))
	l := mtatest.NewLedger()
	for round := range rounds {
		stop := l.Pour(t, d, &smtptest.Source{Sessions: 10, First: 1 + round*1_000_000, Size: 2 << 10, Rate: 3000,
			Domains: smtptest.Domains(5, "sink.test")})
		some, _, _ := l.Counts()
		mtatest.Eventually(t, "mails are taken", func() bool { taken, _, _ := l.Counts(); return taken > some+200 })
		<-time.After(time.Duration(rand.Int64N(int64(900 * time.Millisecond)))) // the moment is what is tried here
		d.Kill()
		stop()
		d = d.Again(t)
	}
	accepted, _, _ := l.Counts()
	mtatest.Eventually(t, "all mail has its result", func() bool { return s.finals() >= accepted })
	d.Terminate(t)
	settled := map[string]bool{} // ids of final results
	q := mtatest.OpenQueue(t, d.Queue)
	for _, m := range mtatest.Stored(t, q, "results", mtatest.Waiting(t, q)["results"]) {
		settled[fmt.Sprintf("%s/%d", m.ID, len(m.Results))] = true
	}
	require.NoError(t, q.Close())
	require.GreaterOrEqual(t, len(settled), accepted)
	d.Again(t) // what was in the journal when it ended
	missing := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for id := range settled {
			if s.times[id] == 0 {
				n++
			}
		}
		return n
	}
	mtatest.Eventually(t, "every result is posted", func() bool { return missing() == 0 })
	s.inOrder()
	s.mu.Lock()
	defer s.mu.Unlock()
	again := 0
	for _, n := range s.times {
		again += n - 1
	}
	t.Logf("%d mails, %d results, of which %d came again", len(settled), len(s.order), again)
}

// TestAway has no web server at first, and then one that shows a certificate that nobody knows: mail is delivered all
// the same, and is told of when there is one.
func TestAway(t *testing.T) {
	t.Parallel()
	port := testserver.FreePort(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	set := mtatest.Settings{"webhook-url": fmt.Sprintf("https://127.0.0.1:%d/?token=t0ken", port),
		"webhook-secret": secret,
		"webhook-delay":  "0"}
	d := mtatest.Start(t, k.Settings().With(set))
	d.Submit(t, "a@client.test", "one@sink.test", "Subject: x\r\n\r\nx\r\n")
	k.Await(t, 1)
	require.True(t, d.WaitLog("the web hook does not take results"))
	require.Contains(t, d.Log.String(), "connection refused")
	d.Terminate(t)

	s := newServer(t)
	untrusted := httptest.NewTLSServer(s)
	t.Cleanup(untrusted.Close)
	d.Settings["webhook-url"] = untrusted.URL
	d = d.Again(t)
	require.True(t, d.WaitLog("certificate"), "it is not believed")
	d.Submit(t, "a@client.test", "two@sink.test", "Subject: x\r\n\r\nx\r\n")
	k.Await(t, 2)
	d.Terminate(t)
	require.Zero(t, s.count())
	require.NotContains(t, d.Log.String(), "t0ken")

	d.Settings["webhook-url"] = s.URL
	d = d.Again(t)
	all := s.await(2)
	require.Equal(t, "one@sink.test", all[0].Message.Recipient)
	require.Equal(t, "two@sink.test", all[1].Message.Recipient)
	d.Terminate(t)
}

// TestHangs has a web server that takes requests and never answers: mail flows meanwhile, and mtad ends in time.
func TestHangs(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hanging }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(hanging) })
	l := mtatest.NewLedger()
	k := mtatest.NewSink(t, l.Sink())
	d := mtatest.Start(t, k.Settings().With(mtatest.Settings{"webhook-url": s.URL, "webhook-delay": "0"}))
	stop := l.Pour(t, d, &smtptest.Source{Sessions: 10, Messages: 5000, First: 1, Size: 1 << 10,
		Domains: []string{"sink.test"}})
	mtatest.Eventually(t, "all mail is taken", func() bool { taken, _, _ := l.Counts(); return taken == 5000 })
	stop()
	l.Settled(t)
	began := time.Now()
	d.Terminate(t)
	require.Less(t, time.Since(began), 15*time.Second)
}

// TestJournalOnAFullDisk has the journal on a disk without room: mail is delivered, its results wait in the queue, also
// while mtad is killed, and are told of when there is room.
func TestJournalOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small file system, which takes root: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) }()
	s := newServer(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Start(t, k.Settings().With(s.settings()).With(mtatest.Settings{"webhook-journal": filepath.Join(disk, "hook")}))
	d.Submit(t, "a@client.test", "one@sink.test", "Subject: x\r\n\r\nx\r\n")
	s.await(1)
	filler := filepath.Join(disk, "filler")
	require.Error(t, os.WriteFile(filler, make([]byte, 2<<20), 0o600))

	big := strings.Repeat("x", 3000)
	for n := range 20 {
		d.Submit(t, "a@client.test", fmt.Sprintf("s%d@sink.test", n), "Subject: x\r\nx-mq-tags: "+big+"\r\n\r\nx\r\n")
	}
	k.Await(t, 21)
	require.True(t, d.WaitLog("the journal of the web hook cannot be written"))
	require.Contains(t, d.Log.String(), "no space left on device")
	d.Kill()
	d = d.Again(t)
	require.True(t, d.WaitLog("the journal of the web hook cannot be written"))
	require.NoError(t, os.Remove(filler))
	s.await(21)
	d.Terminate(t)
	mtatest.RequireEmpty(t, d.Queue)
}

// TestReload changes the secret and the filter while results are posted.
func TestReload(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(s.settings()).With(mtatest.Settings{"webhook-filter": "envelope"}))
	d.Submit(t, "a@client.test", "one@sink.test", "Subject: x\r\n\r\nx\r\n")
	require.Empty(t, s.await(1)[0].Message.Envelope)
	d.Rewrite(t, mtatest.Settings{"webhook-filter": "recipient"})
	d.Reload(t)
	d.Submit(t, "a@client.test", "two@sink.test", "Subject: x\r\n\r\nx\r\n")
	two := s.await(2)[1].Message
	require.Empty(t, two.Recipient)
	require.Equal(t, "a@client.test", two.Envelope)
	d.Terminate(t)
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]mtatest.Settings{
		"expected a name between the slashes": {"webhook-filter": "a//b"},
		"leaves nothing":                      {"webhook-whitelist": "true"},
		"a queue of its own":                  {"webhook-queue": "results", "rabbitmq-results": "results"},
		"starts with http://":                 {"webhook-url": "ftp://x/"},
		"webhook-journal":                     {"webhook-journal": "/dev/null/x"},
	} {
		d := mtatest.Launch(t, mtatest.Settings{"webhook-url": "http://127.0.0.1:1/?k=t0ken", "smtp-port": "0",
			"www-port":         "0",
			"queue-address":    "disk://" + t.TempDir(),
			"database-address": "sqlite://" + filepath.Join(t.TempDir(), "s.db")}.With(set))
		require.Equal(t, 78, d.Exit(t, mtatest.Patience), "%v: %s", set, d.Log.String())
		require.Contains(t, d.Log.String(), want)
		require.NotContains(t, d.Log.String(), "t0ken")
	}
}

// TestExample runs the program that shows how to receive.
func TestExample(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, programs.Build(t.Context(), dir, nil, "examples/webhook"))
	address := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	receiver := exec.Command(filepath.Join(dir, "webhook"), "--listen", address, "--secret", secret)
	out, err := receiver.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, receiver.Start())
	defer func() {
		_ = receiver.Process.Kill()
		_ = receiver.Wait()
	}()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"webhook-url": "http://" + address,
		"webhook-secret": secret}))
	d.Submit(t, "a@client.test", "you@sink.test", "Subject: x\r\n\r\nx\r\n")
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), "/1 you@sink.test message accepted 250")
	forged, err := http.Post("http://"+address, "application/json", strings.NewReader("[]"))
	require.NoError(t, err)
	require.NoError(t, forged.Body.Close())
	require.Equal(t, http.StatusBadRequest, forged.StatusCode)
	d.Terminate(t)
}
