package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

func TestEveryMailArrivesOnce(t *testing.T) {
	n := int64(100_000)
	if testing.Short() || raceDetector {
		n = 2000
	}
	k := newSink(t, &smtptest.Sink{Verify: true})
	d := start(t, k.settings())
	d.send(t, &smtptest.Source{Messages: n, Size: 1 << 10, Sessions: 20, Domains: smtptest.Domains(7, "sink.test")})
	k.onceEach(t, n)
	d.terminate(t)
	require.Equal(t, n, k.Stats().Arrived, "nothing may come while mtad stops")
	requireEmpty(t, d.queue)
}

func TestMailsOfEverySize(t *testing.T) {
	t.Parallel()
	k := newSink(t, &smtptest.Sink{Verify: true})
	d := start(t, k.settings())
	first := int64(1)
	for _, size := range []int{300, 4 << 10, 60 << 10, 250 << 10, 300 << 10, 3 << 20} {
		d.send(t, &smtptest.Source{Messages: 5, First: first, Size: size, Recipients: 3, Domains: smtptest.Domains(2, "sink.test")})
		first += 15
	}
	k.onceEach(t, first-1)
	d.terminate(t)
	requireEmpty(t, d.queue)
}
