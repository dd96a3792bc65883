package webhook

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// BenchmarkCost sends mails of 10 KiB through two mtads in turn, one of which posts its results, and reports the CPU of
// each for a mail, and by how much the hook's is more, in the median of the rounds. Run it with -benchtime 25x or so:
// each round is a few thousand mails.
func BenchmarkCost(b *testing.B) {
	const mails = 4000
	s := newServer(b)
	k := mtatest.NewSink(b, &smtptest.Sink{})
	bare := mtatest.Start(b, k.Settings())
	hooked := mtatest.Start(b, k.Settings().With(s.settings()).With(mtatest.Settings{"webhook-delay": "1"}))
	next := int64(1)
	send := func(d *mtatest.Daemon) time.Duration {
		before, arrived, told := cpu(b, d), k.Stats().Messages, s.count()
		d.Send(b, &smtptest.Source{Messages: mails, First: next, Size: 10 << 10, Sessions: 20,
			Domains: []string{"sink.test"}})
		next += mails
		mtatest.Eventually(b, "all arrive", func() bool { return k.Stats().Messages >= arrived+mails })
		if d == hooked {
			mtatest.Eventually(b, "all are told of", func() bool { return s.count() >= told+mails })
		}
		return (cpu(b, d) - before) / mails
	}
	for range 2 { // until segments are used again
		send(bare)
		send(hooked)
	}
	var without, with, more []float64
	for b.Loop() {
		var one, other time.Duration
		if len(more)%2 == 0 { // what else the machine does comes and goes
			one, other = send(bare), send(hooked)
		} else {
			other, one = send(hooked), send(bare)
		}
		without, with = append(without, one.Seconds()*1e6), append(with, other.Seconds()*1e6)
		more = append(more, 100*(float64(other)/float64(one)-1))
	}
	b.ReportMetric(median(without), "µs/mail")
	b.ReportMetric(median(with), "µs/mail-with-hook")
	b.ReportMetric(median(more), "%more")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// cpu returns the processor time that the threads of mtad have taken.
func cpu(t testing.TB, d *mtatest.Daemon) (sum time.Duration) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", d.Cmd.Process.Pid))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("no schedstat here")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has just ended
		}
		var ran time.Duration
		_, err = fmt.Sscan(string(text), &ran)
		require.NoError(t, err)
		sum += ran
	}
	return sum
}
