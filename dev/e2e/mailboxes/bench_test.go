package mailboxes

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// BenchmarkMaildirs takes in mails of 10 KiB and delivers them into fifty Maildirs, both durably. The time is that of a
// mail, from the first one that comes in to the last one that is delivered.
func BenchmarkMaildirs(b *testing.B) {
	dir := b.TempDir()
	d := mtatest.Inside(b, routes(b, ".sink.test:maildir://"+dir+"/{domain}"))
	b.ResetTimer()
	for range b.N {
		d.Send(b, &smtptest.Source{Sessions: 32, Messages: mailsOfRun, Size: 10 << 10,
			Domains: smtptest.Domains(50, "sink.test")})
		mtatest.Eventually(b, "all are delivered", func() bool { return count(b, dir) >= mailsOfRun })
		b.StopTimer()
		for i := range 50 {
			require.NoError(b, os.RemoveAll(fmt.Sprintf("%s/d%d.sink.test", dir, i+1)))
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(mailsOfRun*b.N)/b.Elapsed().Seconds(), "mails/s")
}

const mailsOfRun = 20_000

// count returns how many mails are in new of the Maildirs in a directory.
func count(b *testing.B, dir string) (n int64) {
	boxes, err := os.ReadDir(dir)
	require.NoError(b, err)
	for _, box := range boxes {
		mails, _ := os.ReadDir(dir + "/" + box.Name() + "/new")
		n += int64(len(mails))
	}
	return n
}
