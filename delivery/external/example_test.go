package external_test

import (
	"fmt"
	"net/netip"

	"github.com/sluicemail/sluice/delivery/external"
	"github.com/sluicemail/sluice/delivery/smtpout"
)

// A table is compiled from the settings; a sender dials through it.
func Example() {
	table, problems := external.Compile([]external.Row{
		{ID: 1, PublicIP: "203.0.113.5", LocalIP: "10.0.0.5"},
		{ID: 2, PublicIP: "203.0.113.6", ConnectIP: "10.0.0.9", ConnectPort: 1080, Protocol: "socks"},
		{ID: 3, PublicIP: "203.0.113.7", Protocol: "carrier pigeon"},
	})
	dialer := &external.Dialer{Table: func() *external.Table { return table }}
	sender := &smtpout.Sender{Dial: dialer.Dial}
	_ = sender

	fmt.Println(problems[0])
	fmt.Println(table.Sources())
	mta, _ := table.Find(netip.MustParseAddr("203.0.113.6"))
	fmt.Println(mta.Protocol, mta.Connect)
	// Output:
	// externalmtas 3: protocol "carrier pigeon": expected nat, socks or http
	// [203.0.113.5 203.0.113.6]
	// socks 10.0.0.9:1080
}
