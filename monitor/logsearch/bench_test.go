package logsearch_test

import (
	"bufio"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/logsearch"
)

var logSize = flag.Int("log-size", 32, "megabytes of text that the benchmarks of Scan read")

// BenchmarkScan reads four rotated files for what one line in 100,000 has, as a sender, and for what all lines have to
// be decoded for.
func BenchmarkScan(b *testing.B) {
	for _, form := range []string{"", ".gz"} {
		dir := b.TempDir()
		lines, size := writeLogs(b, dir, form, int64(*logSize)<<20)
		files := logsearch.Files{Send: filepath.Join(dir, "send.json")}
		for name, c := range map[string]struct {
			q    logsearch.Query
			want int
		}{
			"sender":     {logsearch.Query{Sender: "Rare@news.example.org"}, (lines + 99_999) / 100_000},
			"deliveries": {logsearch.Query{Outcome: logsearch.Delivered, Bare: true}, lines},
		} {
			b.Run("form="+form+"/"+name, func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					n := 0
					_, err := files.Scan(b.Context(), c.q, func(*logsearch.Entry) error { n++; return nil },
						func(p *logsearch.Problem) { b.Error(p) })
					require.NoError(b, err)
					require.Equal(b, c.want, n)
				}
			})
		}
	}
}

// writeLogs writes four files that a day's mail may have left, and returns the lines and bytes of all.
func writeLogs(b *testing.B, dir, form string, size int64) (lines int, written int64) {
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := 4; i > 0; i-- {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("send.json.%d%s", i, form)))
		require.NoError(b, err)
		var out io.WriteCloser = file
		if form != "" {
			out = gzip.NewWriter(file)
		}
		w := bufio.NewWriter(out)
		for end := written + size/4; written < end; lines++ {
			at = at.Add(20 * time.Millisecond)
			sender := fmt.Sprintf("bounce-%d", r.IntN(100_000))
			if lines%100_000 == 0 {
				sender = "rare"
			}
			n, err := fmt.Fprintf(w, `{"message-id":"%016x%08x","envelope":"%s@news.example.org",`+
				`"recipient":"user%d@domain%d.example","tags":["campaign-%d","list"],"received":"%s",`+
				`"connection":{"remote-ip":"10.1.%d.%d","local-ip":"10.0.0.1"},"size":%d,`+
				`"extracted":{"subject":"Your weekly news","from":"news@example.org","message-id":"<%x@example.org>"},`+
				`"results":[{"state":"message","result":"accepted","time":"%[7]s","mta":"mx%[12]d.domain%[5]d.example",`+
				`"from":"192.0.2.%[13]d","to":"198.51.100.%[9]d","code":250,"status":"2.0.0",`+
				`"description":"OK queued as %[11]x","tls":{"version":"TLSv1.3"}}],"final":true}`+"\n",
				r.Uint64(), r.Uint32(), sender, r.IntN(1_000_000), r.IntN(5000), r.IntN(40), at.Format(time.DateTime), r.IntN(4),
				r.IntN(250), r.IntN(100_000), r.Uint64(), r.IntN(3), r.IntN(20))
			require.NoError(b, err)
			written += int64(n)
		}
		require.NoError(b, w.Flush())
		if form != "" {
			require.NoError(b, out.Close())
			require.NoError(b, file.Close())
		}
	}
	return lines, written
}
