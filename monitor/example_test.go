package monitor_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/monitor"
)

func ExampleLive() {
	live := &monitor.Live{Now: func() time.Time { return time.Unix(1_800_000_001, 0) }}
	for range 3 {
		live.Observe(&monitor.Event{Kind: monitor.Delivered, Time: time.Unix(1_800_000_000, 0), Domain: "example.com",
			Bytes: 2048})
	}
	for _, row := range live.Domains() {
		fmt.Println(row.Name, row.Sum.Delivered, row.Sum.BytesOut)
	}
	// Output: example.com 3 6144
}

func ExampleLive_Watch() {
	live := new(monitor.Live)
	watcher, err := live.Watch(monitor.SessionFilter{Outgoing: true, Domain: "example.com"}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer watcher.Close()

	// What an SMTP client does:
	tap := live.Tap(monitor.Session{Remote: netip.MustParseAddrPort("192.0.2.7:25"), Domain: "example.com"})
	defer tap.Close()
	if tap.Watched() {
		tap.Line(monitor.FromUs, []byte("EHLO mail.example.org\r\n"))
	}

	flight, _ := watcher.Next(context.Background())
	fmt.Printf("%s %s", flight.Session.Remote, flight.Data)
	// Output: 192.0.2.7:25 EHLO mail.example.org
}
