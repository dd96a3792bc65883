package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestDiskFull fills the disk of the queue. Clients are then told 452 4.3.1, for small and for large mails; what is queued
// is delivered; and once that has made room, mail is taken again without a restart.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 100<<20)
	l := newLedger()
	gate := make(chan struct{})
	receiver := l.sink()
	note := receiver.Received
	receiver.Received = func(m *smtptest.Received) {
		<-gate
		note(m)
	}
	k := newSink(t, receiver)
	opened := false
	open := func() {
		if !opened {
			opened = true
			close(gate)
		}
	}
	defer open() // or the sink would not end
	d := start(t, k.settings().with(settings{"queue-address": "disk://" + filepath.Join(disk, "queue")}))

	c := d.talk(t)
	c.command("EHLO client.test", 250)
	next := int64(0)
	try := func(size int) (int, string) {
		next++
		code, text := c.transaction(fmt.Sprintf("s%d@sink.test", next), size)
		if code == 250 {
			l.accept([]int64{next})
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
	accepted, arrived, _ := l.counts()
	require.Greater(t, accepted, 300, "mails that fit onto the disk")
	require.Zero(t, arrived)
	fill(2 << 20) // too large to be held in memory
	code, _ := try(1 << 20)
	require.Equal(t, 452, code)

	open()
	l.settled(t)
	eventually(t, "mail is taken again", func() bool {
		code, _ := try(100 << 10)
		return code == 250
	})
	for range 20 {
		code, text := try(300 << 10)
		require.Equal(t, 250, code, text)
	}
	l.settled(t)
	d.terminate(t)
	_, _, again := l.counts()
	require.Zero(t, again)
	requireEmpty(t, d.queue)
}

// transaction sends a mail of about the given size over an open session and returns the last reply.
func (c *client) transaction(to string, size int) (code int, text string) {
	c.t.Helper()
	c.say("MAIL FROM:<a@client.test>", "RCPT TO:<"+to+">", "DATA")
	for _, want := range []int{250, 250, 354} {
		if code, text = c.reply(); code != want {
			c.say("RSET")
			for {
				if code, _ := c.reply(); code == 250 {
					return 0, text
				}
			}
		}
	}
	line := strings.Repeat("All work and no play makes a dull mail. ", 2)[:76] + "\r\n"
	c.raw("Subject: fill\r\n\r\n" + strings.Repeat(line, size/len(line)) + ".\r\n")
	return c.reply()
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
