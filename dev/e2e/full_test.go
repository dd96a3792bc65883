package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestDiskFull fills the disk of the queue. Clients are then told 452 4.3.1, for small and for large mails; what is
// queued is delivered; and once that has made room, mail is taken again without a restart.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 100<<20)
	l := mtatest.NewLedger()
	gate := make(chan struct{})
	receiver := l.Sink()
	note := receiver.Received
	receiver.Received = func(m *smtptest.Received) {
		<-gate
		note(m)
	}
	k := mtatest.NewSink(t, receiver)
	opened := false
	open := func() {
		if !opened {
			opened = true
			close(gate)
		}
	}
	defer open() // or the sink would not end
	www := mtatest.FreePort(t)
	d := mtatest.Start(t, k.Settings().With(mtatest.Settings{"queue-address": "disk://" + filepath.Join(disk, "queue"),
		"www-ip": "127.0.0.1", "www-port": www, "www-password": "secret"}))
	ready := func(want int) {
		t.Helper()
		mtatest.Eventually(t, fmt.Sprint("/readyz says ", want), func() bool {
			answer, err := http.Get("http://127.0.0.1:" + www + "/readyz")
			require.NoError(t, err)
			answer.Body.Close()
			return answer.StatusCode == want
		})
	}
	ready(200)

	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	next := int64(0)
	try := func(size int) (int, string) {
		next++
		code, text := transaction(c, fmt.Sprintf("s%d@sink.test", next), size)
		if code == 250 {
			l.Accept([]int64{next})
		}
		return code, text
	}
	fill := func(size int) {
		for code := 250; code == 250; {
			var text string
			if code, text = try(size); code != 250 {
				require.Equal(t, 452, code, text)
				require.Contains(t, text, "4.3.1")
			}
			require.Less(t, next, int64(1000), "the disk does not get full")
		}
	}
	fill(100 << 10)
	accepted, arrived, _ := l.Counts()
	require.Greater(t, accepted, 300, "mails that fit onto the disk")
	require.Zero(t, arrived)
	ready(503)
	fill(2 << 20) // too large to be held in memory
	fill(1 << 20) // into what is left

	open()
	l.Settled(t)
	ready(200)
	mtatest.Eventually(t, "mail is taken again", func() bool {
		code, _ := try(100 << 10)
		return code == 250
	})
	for range 20 {
		code, text := try(300 << 10)
		require.Equal(t, 250, code, text)
	}
	l.Settled(t)
	d.Terminate(t)
	_, _, again := l.Counts()
	require.Zero(t, again)
	mtatest.RequireEmpty(t, d.Queue)
}

// transaction sends a mail of about the given size over an open session and returns the last reply.
func transaction(c *mtatest.Client, to string, size int) (code int, text string) {
	c.T.Helper()
	c.Say("MAIL FROM:<a@client.test>", "RCPT TO:<"+to+">", "DATA")
	for _, want := range []int{250, 250, 354} {
		if code, text = c.Reply(); code != want {
			c.Say("RSET")
			for {
				if code, _ := c.Reply(); code == 250 {
					return 0, text
				}
			}
		}
	}
	line := strings.Repeat("All work and no play makes a dull mail. ", 2)[:76] + "\r\n"
	c.Raw("Subject: fill\r\n\r\n" + strings.Repeat(line, size/len(line)) + ".\r\n")
	return c.Reply()
}

// smallDisk mounts a file system of the given size until the test ends.
func smallDisk(t testing.TB, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("cannot mount a small file system, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	require.DirExists(t, dir)
	_, err := os.ReadDir(dir)
	require.NoError(t, err)
	return dir
}
