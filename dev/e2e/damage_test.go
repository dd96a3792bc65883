package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestDamagedQueue damages the files of the queue while mtad is down. It starts nevertheless, names the damage,
// delivers what is intact as it was, and reports the mails that are lost as failures.
func TestDamagedQueue(t *testing.T) {
	for _, c := range []struct {
		name       string
		checkpoint bool
	}{{"with its checkpoint", true}, {"without a checkpoint", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			down := mtatest.Settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": mtatest.FreePort(t)}
			log, logging := mtatest.SendLog(t)
			d := mtatest.Start(t, down.With(logging).With(mtatest.Settings{"rabbitmq-failure": "failure",
				"retry-interval": "1"}))
			const small, large = 400, 10 // mails; the large ones go to two recipients
			d.Send(t, &smtptest.Source{Messages: small, Size: 8 << 10, Domains: smtptest.Domains(3, "sink.test")})
			d.Send(t, &smtptest.Source{Messages: large, Size: 700 << 10, First: small + 1, Recipients: 2})
			d.Terminate(t)

			flips := damage(t, d.Queue, large)
			if !c.checkpoint {
				require.NoError(t, os.Remove(filepath.Join(d.Queue, "checkpoint")))
			}
			l := mtatest.NewLedger()
			k := mtatest.NewSink(t, l.Sink())
			d = mtatest.Start(t, d.Settings.With(k.Settings()))
			require.Contains(t, d.Log.String(), "damaged")

			failed := map[int64]bool{}
			before, since := 0, time.Now()
			mtatest.Eventually(t, "every mail arrives or fails, but for a few", func() bool {
				for _, a := range mtatest.Attempts(t, log) {
					if a.Last().Pair() == "storage/lost" {
						failed[mtatest.NumberOf(a.Recipient)] = true
					}
				}
				_, done, _ := l.Counts()
				if done += len(failed); done != before {
					before, since = done, time.Now()
				}
				return done == small+2*large || done >= small+2*large-flips && time.Since(since) > 2*time.Second
			})
			d.Terminate(t)
			_, arrived, again := l.Counts()
			t.Logf("%d arrived, %d failed, %d flips", arrived, len(failed), flips)
			require.Zero(t, again)
			require.Zero(t, k.Stats().Damaged, "damaged mails were delivered")
			require.GreaterOrEqual(t, len(failed), 4, "two large mails are gone, each with two recipients")
			q := mtatest.OpenQueue(t, d.Queue)
			require.Zero(t, mtatest.Waiting(t, q)["outbox"])
			for _, m := range mtatest.Stored(t, q, "failure", len(failed)) {
				require.True(t, failed[mtatest.NumberOf(m.Recipient)])
			}
		})
	}
}

// damage truncates one large mail, removes another, and changes bytes of the log. It returns how many it changed.
func damage(t *testing.T, dir string, large int) (flips int) {
	t.Helper()
	mails, err := filepath.Glob(filepath.Join(dir, "mails", "*"))
	require.NoError(t, err)
	require.Len(t, mails, large)
	require.NoError(t, os.Truncate(mails[2], 100_000))
	require.NoError(t, os.Remove(mails[5]))

	segments, err := filepath.Glob(filepath.Join(dir, "segments", "*"))
	require.NoError(t, err)
	slices.Sort(segments)
	for _, name := range segments {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		end := len(data)
		for end > 0 && data[end-1] == 0 {
			end--
		}
		if end < 1<<20 {
			continue // little or nothing in use
		}
		for range 6 {
			data[8192+rand.IntN(end-8192)] ^= 0x10
			flips++
		}
		require.NoError(t, os.WriteFile(name, data, 0o600))
	}
	require.NotZero(t, flips)
	return flips
}
