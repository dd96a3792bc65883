package spf_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/spf"
)

func Example() {
	checker := &spf.Checker{} // asks the system's resolver
	results, err := checker.Check(context.Background(), &checks.Mail{
		Client:   netip.MustParseAddr("192.0.2.1"),
		Hostname: "[192.0.2.1]",
		Envelope: "", // the null sender: the name of EHLO counts, and that is no domain
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %s\n", results[0].Reason, results[0].JSON)
	// Output: no domain to ask {"spf":"none","smtp.helo":"[192.0.2.1]"}
}
