package report

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// mostHeap is what a mail may take while it is read, garbage included.
const mostHeap = 64 << 20

// heapPeak returns by how many bytes the heap grows at most while f runs, as far as a look each tenth of a millisecond
// tells.
func heapPeak(f func()) uint64 {
	objects := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before, top := objects(), uint64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	ticker := time.NewTicker(100 * time.Microsecond)
	defer ticker.Stop()
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				top = max(top, objects())
			}
		}
	}()
	f()
	close(done)
	<-ended
	top = max(top, objects())
	return top - min(top, before)
}

// requireHeap reads a mail within the memory that one may take.
func requireHeap(t *testing.T, mail []byte) (r *Report, err error) {
	t.Helper()
	peak := heapPeak(func() { r, err = parse(mail) })
	t.Logf("%d KiB of heap for a mail of %d KiB", peak>>10, len(mail)>>10)
	require.Less(t, peak, uint64(mostHeap), "bytes of heap")
	return r, err
}

// TestGiants shows that mails with too much of anything stay within the memory of one mail.
func TestGiants(t *testing.T) {
	const daemon = "From: mailer-daemon@x.example\r\nSubject: failure notice\r\n"
	const status = "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n"
	const million = 1 << 20
	repeat := strings.Repeat
	parts := func(part string, n int) string {
		return multipart("mixed", strings.Split(repeat(part+"|", n)+part, "|")...)
	}
	numbered := func(form string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, form, i)
		}
		return b.String()
	}
	trash := func() string {
		return attachment("a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart)
			for range 31 {
				_, _ = w.Write(bytes.Repeat([]byte("<record/> \n"), million/11))
			}
		}))
	}
	for name, mail := range map[string]func() string{
		"fields of the mail":      func() string { return repeat("a:\r\n", 10*million) + "\r\n" },
		"many fields of the mail": func() string { return daemon + repeat("a:\r\n", 200_000) + "\r\nhello" },
		"a field of the mail":     func() string { return "Subject: " + repeat("x", 50*million) + "\r\n\r\nhello" },
		"lines of a field":        func() string { return "Subject: " + repeat("x\r\n ", 10*million) + "\r\n\r\nhello" },
		"encoded words": func() string {
			return daemon + "From: " + repeat("=?utf-8?q?=e2?= ", 10_000) +
				"\r\n\r\nhello"
		},
		"fields of a status": func() string { return multipart("report", status+repeat("a:\r\n", 900_000)) },
		"names of fields":    func() string { return multipart("report", status+numbered("%x:\r\n", 500_000)) },
		"recipients of a status": func() string {
			return multipart("report", status+repeat("\r\nAction: failed\r\nA: b\r\nC: d\r\n", 9998))
		},
		"recipients of a complaint": func() string {
			return multipart("report", "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"+
				repeat("original-rcpt-to: a\r\n", 190_000))
		},
		"recipients of a bounce": func() string { return daemon + "\r\n" + repeat("<a@b.example>: 550 no\n", million) },
		"recipients in JSON": func() string {
			return "x-amz-sns-message-id: 1\r\n\r\n" + `{"notificationType":"Bounce","bounce":{"bouncedRecipients":[` +
				repeat("{},", 20_000) + "{}]}}"
		},
		"tags of HTML": func() string { return daemon + "Content-Type: text/html\r\n\r\n" + repeat("<p><br>&lt;", million) },
		"parts within parts": func() string {
			return daemon + "Content-Type: multipart/mixed; boundary=b0\r\n\r\n" +
				numbered("--b%[1]d\r\nContent-Type: multipart/mixed; boundary=b%[1]d\r\n\r\n", 100_000)
		},
		"parts beside parts": func() string { return daemon + parts("x: y\r\n\r\n", 100_000) },
		"a mail that comes back": func() string {
			return daemon + parts("Content-Type: message/rfc822\r\n\r\n"+repeat("a: b\r\n", 8*million), 0)
		},
		"many reports, all of trash": func() string { return parts(trash(), 9) },
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(mail())
			_, _ = requireHeap(t, data)
			header, _ := mailheader.Length(data[:min(len(data), maxTop)], 0)
			peak := heapPeak(func() { Recognise(data[:header], bytes.NewReader(data), int64(len(data))) })
			require.Less(t, peak, uint64(mostHeap), "bytes of heap")
		})
	}
}
