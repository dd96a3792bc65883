package mailboxes

import (
	"context"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/smtpin"
)

// taker takes every mail and keeps none.
type taker struct{ mails *atomic.Int64 }

func (taker) Mail(string, *smtp.MailOptions) error { return nil }
func (taker) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (taker) Reset()                               {}
func (taker) Logout() error                        { return nil }
func (t taker) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	t.mails.Add(1)
	return err
}

// serveTaker serves one protocol on a port of its own, which it returns.
func serveTaker(b *testing.B, lmtp bool) (address string, mails *atomic.Int64) {
	mails = new(atomic.Int64)
	server := &smtpin.Server{Backend: smtpin.BackendFunc(func(context.Context, *smtpin.Conn) (smtp.Session, error) {
		return taker{mails}, nil
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	go func() { _ = server.ServeListener(listener, &smtpin.Listener{LMTP: lmtp}) }()
	b.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String(), mails
}

// BenchmarkLMTP sends mails of 10 KiB through an mtad to the same server over SMTP and over LMTP, in turn, and reports
// the rates, in the median, and the one as a part of the other.
func BenchmarkLMTP(b *testing.B) {
	overSMTP, tookSMTP := serveTaker(b, false)
	overLMTP, tookLMTP := serveTaker(b, true)
	d := mtatest.Start(b, routes(b, "smtp.sink.test:"+overSMTP, "lmtp.sink.test:lmtp://"+overLMTP))
	next := int64(1)
	send := func(domain string, took *atomic.Int64) float64 {
		const mails = 4000
		before, began := took.Load(), time.Now()
		d.Send(b, &smtptest.Source{Messages: mails, First: next, Size: 10 << 10, Sessions: 20, Domains: []string{domain}})
		mtatest.Eventually(b, "all arrive", func() bool { return took.Load() >= before+mails })
		next += mails
		return mails / time.Since(began).Seconds()
	}
	var smtps, lmtps []float64
	for b.Loop() {
		smtps = append(smtps, send("smtp.sink.test", tookSMTP))
		lmtps = append(lmtps, send("lmtp.sink.test", tookLMTP))
	}
	slices.Sort(smtps)
	slices.Sort(lmtps)
	one, other := smtps[len(smtps)/2], lmtps[len(lmtps)/2]
	b.ReportMetric(one, "SMTP-mails/s")
	b.ReportMetric(other, "LMTP-mails/s")
	b.ReportMetric(other/one, "LMTP/SMTP")
}
