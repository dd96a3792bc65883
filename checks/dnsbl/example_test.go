package dnsbl_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dnsbl"
)

func Example() {
	zen, err := dnsbl.ParseZone("zen.example.org=127.0.0.2/31,127.0.0.4")
	if err != nil {
		fmt.Println(err)
		return
	}
	checker := &dnsbl.Checker{Zones: []dnsbl.Zone{zen, {Name: "bl.example.net"}}}
	results, _ := checker.CheckConnect(context.Background(), netip.MustParseAddr("127.0.0.1"))
	for _, r := range results {
		if r.Verdict == checks.Fail {
			fmt.Println("refused:", r.Reason)
		}
		fmt.Printf("%s\n", r.JSON)
	}
	// Output: {"dnsbl":"none"}
}
