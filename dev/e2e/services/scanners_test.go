package services

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestScannerThatDied kills scanners, and looks after the first mail that they should have scanned: a minute before
// anybody probes them again.
func TestScannerThatDied(t *testing.T) {
	for _, of := range []struct {
		name, check string
		start       func(t *testing.T) (*testserver.Process, mtatest.Settings)
	}{
		{"ClamAV", "virus", func(t *testing.T) (*testserver.Process, mtatest.Settings) {
			clamd := testserver.Clamd(t)
			return clamd.Process, mtatest.Settings{"clamav-address": "unix://" + clamd.Unix}
		}},
		{"SpamAssassin", "spam", func(t *testing.T) (*testserver.Process, mtatest.Settings) {
			address, spamd := testserver.MortalSpamd(t)
			host, port, err := net.SplitHostPort(address)
			require.NoError(t, err)
			return spamd, mtatest.Settings{"spamassassin-host": host, "spamassassin-port": port}
		}},
	} {
		t.Run(of.name, func(t *testing.T) {
			scanner, set := of.start(t)
			w := newWorld(t, set, mtatest.Settings{"smtp-check": of.check, "virus-fail": "open"})
			require.True(t, w.WaitLog(`msg="scanner works" check=`+of.check))
			require.True(t, w.services()[of.name].Up)
			w.Submit(t, "a@client.test", "b@sink.test", mtatest.Letters)
			scanner.Kill()
			w.Submit(t, "a@client.test", "b@sink.test", mtatest.Letters)
			s := w.services()[of.name]
			require.False(t, s.Up)
			require.Contains(t, s.Detail, "connect")
			require.True(t, w.WaitLog(`msg="scanner is down" check=`+of.check))
		})
	}
}

// TestDefinitionsAreShown has ClamAV's files listed with what it says about itself.
func TestDefinitionsAreShown(t *testing.T) {
	clamd := testserver.Clamd(t)
	w := newWorld(t, mtatest.Settings{"smtp-check": "virus", "clamav-address": "unix://" + clamd.Unix,
		"clamav-database": clamd.Definitions, "virus-fail": "open"})
	require.True(t, w.WaitLog(`msg="scanner works" check=virus`))
	s := w.services()["ClamAV"]
	require.True(t, s.Up)
	require.Contains(t, s.Detail, "ClamAV 1.", "what clamd says")
	require.Contains(t, s.Detail, "test.ndb (2 signatures, of 20")
	require.Contains(t, s.Detail, "freshclam does not run as a service")

	clamd.Process.Kill()
	w.Submit(t, "a@client.test", "b@sink.test", mtatest.Letters)
	s = w.services()["ClamAV"]
	require.False(t, s.Up)
	require.Contains(t, s.Detail, "test.ndb (2 signatures", "the files are still there")
}
