package checks

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
)

// BenchmarkIntake has twenty clients hand in signed mails of 10 KiB, each of which is stored durably before its reply,
// and tells the processor time that mtad alone takes for one. The DNS answers come from the cache.
func BenchmarkIntake(b *testing.B) {
	k := key(b)
	mail := k.sign(b, letter("ann@sender.test", "plain",
		strings.Repeat("A line of text, as long as lines of mails are.\r\n", 200)), "dkimsign")
	zones := names(b, k)
	for _, bm := range []struct{ name, check, results string }{
		{"none", "", ""},
		{"spf,dkim,dmarc", "spf,dkim,dmarc", ""},
		{"spf,dkim,dmarc,arc,dnsbl with header", "spf,dkim,dmarc,arc,dnsbl", "local,nonlocal"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			d := mtatest.Start(b, mtatest.Kept.With(clients).With(zones).With(mtatest.Settings{
				"smtp-check": bm.check, "smtp-auth-results": bm.results, "dnsbl-zones": "bl.test",
			}))
			const sessions = 20
			var left atomic.Int64
			var all sync.WaitGroup
			ready := make([]*mtatest.Client, sessions)
			for i := range ready {
				ready[i] = d.Proxied(b, good)
				ready[i].Greeted()
			}
			left.Store(int64(b.N))
			before := processorTime(b, d)
			b.ResetTimer()
			for _, c := range ready {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						if err := hand(c, mail); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
			b.ReportMetric((processorTime(b, d)-before)*1e6/float64(b.N), "cpu-µs/mail")
		})
	}
}

// hand hands a mail in.
func hand(c *mtatest.Client, mail string) error {
	if _, err := c.Conn.Write([]byte("MAIL FROM:<ann@sender.test>\r\nRCPT TO:<x@sink.test>\r\nDATA\r\n")); err != nil {
		return err
	}
	for _, want := range []int{250, 250, 354, 250} {
		if code, text, err := c.Read(); err != nil || code != want {
			return fmt.Errorf("%d %s %w", code, text, err)
		}
		if want == 354 {
			if _, err := c.Conn.Write([]byte(mail + ".\r\n")); err != nil {
				return err
			}
		}
	}
	return nil
}

// processorTime returns the seconds of processor time that mtad has used.
func processorTime(b *testing.B, d *mtatest.Daemon) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.Cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks float64
	for _, f := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.ParseFloat(f, 64)
		require.NoError(b, err)
		ticks += n
	}
	return ticks / 100
}
