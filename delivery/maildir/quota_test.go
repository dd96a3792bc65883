package maildir_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

func read(t *testing.T, name string) string {
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(content)
}

// TestQuota counts the mails of all folders, with what was there before.
func TestQuota(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(dir+"/jo/.old/cur", 0o700))
	require.NoError(t, os.WriteFile(dir+"/jo/.old/cur/1.a:2,S", make([]byte, 300), 0o600))
	require.NoError(t, os.WriteFile(dir+"/jo/.old/cur/2.a,S=200:2,", nil, 0o600))
	require.NoError(t, os.WriteFile(dir+"/jo/.old/dovecot.index", make([]byte, 3000), 0o600))
	conn := open(t, dir, "/{user}/.{detail}?quota=1K")
	body := queue.Bytes(strings.Repeat("x", 100)) // 153 bytes with its fields, 155 for jo+a
	accepted(t, conn, "jo@x.test", body)
	accepted(t, conn, "jo+a@x.test", body)
	require.Equal(t, "1024S\n500 2\n153 1\n155 1\n", read(t, dir+"/jo/maildirsize"))
	require.NoFileExists(t, dir+"/jo/.a/maildirsize")
	accepted(t, conn, "jo@x.test", body)
	refused(t, conn, "jo@x.test", "452 4.2.2 the mailbox is full")
	require.Len(t, mails(t, dir+"/jo"), 2)
	accepted(t, open(t, dir, "/{user}?quota=2K"), "jo@x.test", body)
	require.Equal(t, "2048S\n961 5\n153 1\n", read(t, dir+"/jo/maildirsize"), "another quota")
}

// TestQuotaOfOthers obeys the file that a server has written, with limits of bytes and of mails.
func TestQuotaOfOthers(t *testing.T) {
	dir := t.TempDir()
	conn := open(t, dir, "/{user}")
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	file := dir + "/jo/maildirsize"
	require.NoFileExists(t, file)
	require.NoError(t, os.WriteFile(file, []byte("1000000S,3C\n100 1\n"), 0o600))
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	require.Equal(t, "1000000S,3C\n100 1\n75 1\n75 1\n", read(t, file))
	refused(t, conn, "jo@x.test", "452 4.2.2 the mailbox is full")
	require.Equal(t, "1000000S,3C\n225 3\n", read(t, file), "counted anew, and really full")
	mails(t, dir+"/jo") // nothing is left in tmp

	for _, nonsense := range []string{"", "\n", "S\n1 1\n", "xS\n1 1\n", "100000S\n", "100000S\nx\n", "100000S\n1 x\n",
		"100000S\n-5 1\n", "-1S\n1 1\n", "100000S\n" + strings.Repeat("1 1\n", 2000)} {
		require.NoError(t, os.WriteFile(file, []byte(nonsense), 0o600))
		accepted(t, conn, "jo@x.test", queue.Bytes(text))
	}
}

// TestQuotaAfterTidyingUp has a user make room with a program that does not tell.
func TestQuotaAfterTidyingUp(t *testing.T) {
	dir := t.TempDir()
	conn := open(t, dir, "/{user}?quota=100")
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	refused(t, conn, "jo@x.test", "452 4.2.2")
	require.NoError(t, os.RemoveAll(dir+"/jo/new"))
	require.NoError(t, os.Mkdir(dir+"/jo/new", 0o700))
	refused(t, conn, "jo@x.test", "452 4.2.2") // what was counted a moment ago counts
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(dir+"/jo/maildirsize", old, old))
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
}
