package dmarc_test

import (
	"context"
	"fmt"
	"net"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dmarc"
)

// world is a DNS with one record.
type world struct{}

func (world) LookupTXT(_ context.Context, name string) ([]string, error) {
	if name == "_dmarc.example.org" {
		return []string{"v=DMARC1; p=reject"}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (world) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (world) LookupIPAddr(_ context.Context, name string) ([]net.IPAddr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// A runner fills in what SPF and DKIM have found; here it is written down.
func ExampleChecker() {
	mail := &checks.Mail{
		Header: []byte("From: Ann <ann@example.org>\r\n\r\n"),
		Earlier: []checks.Result{
			{Check: "spf", Verdict: checks.Pass, Properties: []checks.Property{{Name: "smtp.mailfrom",
				Value: "eve@example.com"}}},
			{Check: "dkim", Verdict: checks.None},
		},
	}
	results, err := (&dmarc.Checker{Resolver: world{}}).Check(context.Background(), mail)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(results[0].Verdict, results[0].Reason)
	fmt.Println(results[0].Detail.(checks.DMARC).Disposition)
	// Output:
	// fail not aligned: spf passed for example.com
	// reject
}
