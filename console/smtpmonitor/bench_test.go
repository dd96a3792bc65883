package smtpmonitor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"sync"
	"testing"

	"github.com/sluicemail/sluice/console/smtpmonitor"
	"github.com/sluicemail/sluice/monitor"
)

// BenchmarkFlight measures what those who speak pay for a flight, as smtpin and smtpout offer it: asked whether anybody
// watches, given when somebody does. As many browsers as are named follow all sessions meanwhile, and what they get is
// encoded as it is for a socket.
func BenchmarkFlight(b *testing.B) {
	for _, sessions := range []int{1, 500} {
		for _, browsers := range []int{0, 1, 5} {
			b.Run(fmt.Sprintf("sessions=%d/browsers=%d", sessions, browsers),
				func(b *testing.B) { benchmarkFlight(b, browsers, sessions) })
		}
	}
}

func benchmarkFlight(b *testing.B, browsers, sessions int) {
	c := &smtpmonitor.Monitor{Live: new(monitor.Live)}
	taps := make([]monitor.Transcript, sessions)
	for i := range taps {
		taps[i] = c.Live.Tap(toGmail)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	for range browsers {
		all.Go(func() {
			_ = c.Follow(ctx, url.Values{}, func(piece any) error { _, err := json.Marshal(piece); return err })
		})
	}
	for browsers > 0 && followed(taps) < min(sessions, smtpmonitor.FollowedMost) {
		runtime.Gosched()
	}
	flight := []byte("MAIL FROM:<somebody@sender.test> SIZE=10240 BODY=8BITMIME\r\nRCPT TO:<somebody.else@gmail.test>\r\nDATA\r\n")
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if t := taps[n%sessions]; t.Watched() {
			t.Line(monitor.FromUs, flight)
		}
		n++
	}
	b.StopTimer()
	cancel()
	all.Wait()
}
