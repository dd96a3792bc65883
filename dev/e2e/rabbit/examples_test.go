package rabbit

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/dev/programs"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestExamples runs the programs that show how to publish and how to follow results.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, programs.Build(t.Context(), dir, nil, "examples/publish", "examples/consume"))
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, mtatest.Queues(address).With(k.Settings()))
	for _, to := range []string{"you@sink.test", "reject@sink.test"} {
		text, err := exec.Command(filepath.Join(dir, "publish"), address, to).CombinedOutput()
		require.NoError(t, err, "%s", text)
	}
	consume := exec.Command(filepath.Join(dir, "consume"), address, "results")
	out, err := consume.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, consume.Start())
	defer func() {
		_ = consume.Process.Kill()
		_ = consume.Wait()
	}()
	var got []string
	for lines := bufio.NewScanner(out); len(got) < 2 && lines.Scan(); {
		got = append(got, lines.Text())
	}
	require.Len(t, got, 2)
	for _, want := range []string{"42 you@sink.test message accepted 250", "42 reject@sink.test rcptto error 550"} {
		found := false
		for _, line := range got {
			found = found || len(line) >= len(want) && line[:len(want)] == want
		}
		require.True(t, found, "%q in %q", want, got)
	}
	require.Contains(t, string(k.Await(t, 1)[0].Data), "Subject: Hello\r\n")
	// A queue that is not there is an error, not a silence.
	text, err := exec.Command(filepath.Join(dir, "consume"), address, "nowhere").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(text), "nowhere")
	d.Terminate(t)
}
