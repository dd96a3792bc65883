package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

func TestEveryMailArrivesOnce(t *testing.T) {
	n := int64(100_000)
	if testing.Short() || mtatest.RaceDetector {
		n = 2000
	}
	k := mtatest.NewSink(t, &smtptest.Sink{Verify: true})
	d := mtatest.Inside(t, k.Settings())
	d.Send(t, &smtptest.Source{Messages: n, Size: 1 << 10, Sessions: 20, Domains: smtptest.Domains(7, "sink.test")})
	k.OnceEach(t, n)
	d.Terminate(t)
	require.Equal(t, n, k.Stats().Arrived, "nothing may come while mtad stops")
	mtatest.RequireEmpty(t, d.Queue)
}

func TestMailsOfEverySize(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{Verify: true})
	d := mtatest.Inside(t, k.Settings())
	first := int64(1)
	for _, size := range []int{300, 4 << 10, 60 << 10, 250 << 10, 300 << 10, 3 << 20} {
		d.Send(t, &smtptest.Source{Messages: 5, First: first, Size: size, Recipients: 3,
			Domains: smtptest.Domains(2, "sink.test")})
		first += 15
	}
	k.OnceEach(t, first-1)
	d.Terminate(t)
	mtatest.RequireEmpty(t, d.Queue)
}
