package mailboxes

import (
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

// routes writes a file for smtp-routes.
func routes(t testing.TB, lines ...string) mtatest.Settings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "routes")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return mtatest.Settings{"smtp-routes": file}
}

// overIMAP returns the mails in a folder of a user; nil when there is no such folder.
func overIMAP(t testing.TB, d testserver.DovecotServer, user, folder string) (mails []string) {
	t.Helper()
	c, err := imapclient.DialInsecure(d.IMAP, nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Login(user+"@example.test", "secret-"+user).Wait())
	selected, err := c.Select(folder, nil).Wait()
	if err != nil || selected.NumMessages == 0 {
		return nil
	}
	all := imap.SeqSet{}
	all.AddRange(1, 0)
	found, err := c.Fetch(all, &imap.FetchOptions{RFC822Size: true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	require.NoError(t, err)
	for _, m := range found {
		require.Len(t, m.BodySection, 1)
		require.EqualValues(t, m.RFC822Size, len(m.BodySection[0].Bytes))
		mails = append(mails, string(m.BodySection[0].Bytes))
	}
	require.NoError(t, c.Logout().Wait())
	return mails
}

// awaitIMAP waits until a folder of a user has n mails.
func awaitIMAP(t testing.TB, d testserver.DovecotServer, user, folder string, n int) (mails []string) {
	t.Helper()
	mtatest.Eventually(t, fmt.Sprintf("%s has %d mails in %s", user, n, folder), func() bool {
		mails = overIMAP(t, d, user, folder)
		return len(mails) >= n
	})
	require.Len(t, mails, n)
	return mails
}

// overPOP3 fetches the mails of a user's inbox and removes them (RFC 1939).
func overPOP3(t testing.TB, d testserver.DovecotServer, user string) (mails []string) {
	t.Helper()
	c, err := textproto.Dial("tcp", d.POP3)
	require.NoError(t, err)
	defer c.Close()
	read := func() string {
		line, err := c.ReadLine()
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(line, "+OK"), line)
		return line
	}
	say := func(format string, args ...any) string {
		require.NoError(t, c.PrintfLine(format, args...))
		return read()
	}
	read()
	say("USER %s@example.test", user)
	say("PASS secret-%s", user)
	var n, size int
	_, err = fmt.Sscanf(say("STAT"), "+OK %d %d", &n, &size)
	require.NoError(t, err)
	for i := range n {
		say("RETR %d", i+1)
		lines, err := c.ReadDotLines()
		require.NoError(t, err)
		mails = append(mails, strings.Join(lines, "\r\n")+"\r\n")
		say("DELE %d", i+1)
	}
	say("QUIT")
	return mails
}
