package prometheus

import (
	"testing"
	"time"

	"github.com/sluicemail/sluice/monitor"
)

// BenchmarkMessage is what the events of a message cost that is taken in and delivered.
func BenchmarkMessage(b *testing.B) {
	m := &Metrics{}
	now := time.Now()
	events := []monitor.Event{
		{Kind: monitor.MessageReceived, Domain: "example.com", Bytes: 10000,
			Stages: monitor.Stages{Read: 1, Check: time.Millisecond, Store: 3 * time.Millisecond}},
		{Kind: monitor.Picked, Domain: "example.com", Bytes: 10000},
		{Kind: monitor.Attempted, Time: now, Since: now.Add(-time.Second), Domain: "example.com"},
		{Kind: monitor.Delivered, Time: now, Since: now.Add(-time.Second), Domain: "example.com", Code: 250, Bytes: 10000,
			TLS:    monitor.TLS{Protocol: "TLSv1.3"},
			Stages: monitor.Stages{Envelope: 20 * time.Millisecond, Mail: 40 * time.Millisecond}},
		{Kind: monitor.Left, Domain: "example.com"},
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			for i := range events {
				m.Observe(&events[i])
			}
		}
	})
}
