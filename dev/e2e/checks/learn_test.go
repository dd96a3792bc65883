package checks

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// learn runs mtad learn against a spamd and returns what it said and its exit code.
func learn(t testing.TB, port string, args ...string) (out, complaint string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mtad.conf")
	require.NoError(t, os.WriteFile(file, []byte("spamassassin-host: 127.0.0.1\nspamassassin-port: "+port+"\n"), 0o600))
	p := mtatest.Run(t, nil, append([]string{"learn", "--config-file", file}, args...)...)
	code = p.Exit(t, 30*time.Second)
	return p.Out.String(), p.Log.String(), code
}

func TestLearn(t *testing.T) {
	t.Parallel()
	_, port, _ := strings.Cut(testserver.Spamd(t), ":")
	dir := t.TempDir()
	box, one := filepath.Join(dir, "box"), filepath.Join(dir, "one")
	require.NoError(t,
		os.WriteFile(box, []byte("From a@b Mon\n"+strings.ReplaceAll(letter("a@sender.test", "a", "Buy this."), "\r\n", "\n")+
			"\nFrom a@b Tue\n"+
			strings.ReplaceAll(letter("a@sender.test", "b", "And that."), "\r\n", "\n")), 0o600))
	require.NoError(t, os.WriteFile(one, []byte(letter("a@sender.test", "c", "Hello Bob.")), 0o600))

	out, complaint, code := learn(t, port, "spam", box)
	require.Equal(t, "2 of 2 mails were news to SpamAssassin\n", out)
	require.Zero(t, code, complaint)
	out, _, code = learn(t, port, "spam", box, one, filepath.Join(dir, "none"))
	require.Equal(t, "1 of 3 mails were news to SpamAssassin\n", out)
	require.Equal(t, 66, code, "a file that cannot be read")
	out, _, _ = learn(t, port, "forget", "--user", "joe", one)
	require.Equal(t, "1 of 1 mails were news to SpamAssassin\n", out)

	t.Run("from standard input", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), mtatest.Program(), "learn", "--spamassassin-host", "127.0.0.1",
			"--spamassassin-port", port, "ham")
		cmd.Env = []string{"HOME=" + t.TempDir()}
		cmd.Stdin = bytes.NewReader([]byte(letter("a@sender.test", "d", "Hello Ann.")))
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, "1 of 1 mails were news to SpamAssassin\n", string(out))
	})
}

func TestLearnRefused(t *testing.T) {
	t.Parallel()
	one := filepath.Join(t.TempDir(), "one")
	require.NoError(t, os.WriteFile(one, []byte(letter("a@sender.test", "c", "Hello Bob.")), 0o600))
	_, unwilling, _ := strings.Cut(testserver.UnteachableSpamd(t), ":")
	_, complaint, code := learn(t, unwilling, "spam", one)
	require.Equal(t, 69, code)
	require.Contains(t, complaint, "start spamd with --allow-tell")
	_, complaint, code = learn(t, dead(t), "spam", one)
	require.Equal(t, 69, code)
	require.Contains(t, complaint, "connection refused")
	for _, args := range [][]string{{}, {"junk", one}, {"--user"}} {
		_, complaint, code = learn(t, "1", args...)
		require.Equal(t, 64, code, complaint)
	}
	out, _, code := learn(t, "1", "--help")
	require.Zero(t, code)
	require.Contains(t, out, "mtad learn [--config-file FILE]")
}
