package enqueue_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// nowhere is a queue that forgets.
type nowhere struct{ queue.Queue }

func (nowhere) Publish(context.Context, ...queue.Item) error { return nil }

// chunked gives a mail as the server does: in pieces of its buffer's size, through WriteTo.
type chunked struct {
	mail []byte
	size int
}

func (c *chunked) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (c *chunked) WriteTo(w io.Writer) (total int64, err error) {
	for rest := c.mail; len(rest) > 0; {
		n, err := w.Write(rest[:min(len(rest), c.size)])
		total += int64(n)
		if err != nil {
			return total, err
		}
		rest = rest[n:]
	}
	return total, nil
}

func usualHeader(extra string) string {
	return strings.Repeat("Received: from a.example (a.example [192.0.2.1])\r\n\tby b.example with ESMTPS id 1234567890\r\n\tfor <x@remote.example>; Sat, 21 Nov 2026 09:16:39 +0000\r\n", 4) +
		"From: A Sender <a@example.org>\r\nTo: x@remote.example\r\nSubject: a usual mail\r\nDate: Sat, 21 Nov 2026 09:16:39 +0000\r\n" +
		"Message-ID: <1234@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" + extra + "\r\n"
}

// BenchmarkSession takes mails of 10 KiB from MAIL to the reply.
func BenchmarkSession(b *testing.B) {
	for _, bm := range []struct {
		name, extra string
		announced   bool
		rcpts       int
	}{
		{"announced", "", true, 1},
		{"unannounced", "", false, 1},
		{"properties", "x-mq-tag: one\r\nx-mq-pool: fast\r\nx-mq-customer: 123\r\n", true, 1},
		{"recipients=100", "", true, 100},
	} {
		b.Run(bm.name, func(b *testing.B) {
			mail := usualHeader(bm.extra)
			mail += strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345678901\r\n",
				200)[:10<<10-len(mail)]
			backend := &enqueue.Backend{Queue: nowhere{}}
			s := newSession(b, backend, trusted)
			opts := &smtpin.MailOptions{}
			if bm.announced {
				opts.Size = int64(len(mail))
			}
			ctx := context.Background()
			r := &chunked{[]byte(mail), 4096}
			b.SetBytes(int64(len(mail)))
			b.ReportAllocs()
			for b.Loop() {
				err := s.MailContext(ctx, "a@example.org", opts)
				for range bm.rcpts {
					err = s.RcptContext(ctx, "x@remote.example", nil)
				}
				if err == nil {
					_, err = s.DataReply(ctx, r)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllocations guards what a mail costs beside its body; the reply and its text, the message, the item, the id and
// the body's value are among them.
func TestAllocations(t *testing.T) {
	backend := &enqueue.Backend{Queue: nowhere{}}
	s := newSession(t, backend, trusted)
	ctx := context.Background()
	r := &chunked{[]byte(usualHeader("")), 4096}
	opts := &smtpin.MailOptions{MailOptions: smtp.MailOptions{Size: int64(len(r.mail))}}
	allocs := testing.AllocsPerRun(200, func() {
		_ = s.MailContext(ctx, "a@example.org", opts)
		_ = s.RcptContext(ctx, "x@remote.example", nil)
		_, err := s.DataReply(ctx, r)
		require.NoError(t, err)
	})
	require.LessOrEqual(t, allocs, 10.0)
}
