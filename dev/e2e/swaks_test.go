package e2e

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSwaks sends mail with a client that is not ours, in the clear and over TLS.
func TestSwaks(t *testing.T) {
	testserver.Need(t, "swaks")
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Certificate(t)))
	for i, options := range [][]string{nil, {"--tls"}, {"--pipeline"}} {
		args := append([]string{"--server", d.Addr, "--from", "a@client.test", "--to", "b@sink.test,c@sink.test",
			"--header", "Subject: from swaks", "--body", "Hello\n.\n..dots"}, options...)
		out, err := exec.CommandContext(t.Context(), testserver.Find("swaks"), args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		mtatest.Eventually(t, "both recipients get it", func() bool { return len(k.Recipients()) == 2*(i+1) })
		m := k.Received()[2*i]
		require.Contains(t, string(m.Data), "Subject: from swaks\r\n")
		require.Contains(t, string(m.Data), "Hello\r\n.\r\n..dots\r\n")
	}
}
