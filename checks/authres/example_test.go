package authres_test

import (
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/authres"
)

// A server takes out what was forged in its name and writes what it found itself on top.
func Example() {
	mail := []byte("Authentication-Results: mx.example.org; dmarc=pass\r\nFrom: eve@example.com\r\n\r\nHi.\r\n")
	found := authres.Header{ID: "mx.example.org", Results: []checks.Result{{
		Check: "dmarc", Verdict: checks.Fail,
		Properties: []checks.Property{{Name: "header.from", Value: "example.com"}},
	}}}
	mail = append(found.Append(nil), authres.Remove(mail, "mx.example.org")...)
	fmt.Print(strings.ReplaceAll(string(mail), "\r", ""))
	// Output:
	// Authentication-Results: mx.example.org;
	// 	dmarc=fail header.from=example.com
	// From: eve@example.com
	//
	// Hi.
}

func ExampleParse() {
	h,
		err := authres.Parse(`mx.example.org; dkim=pass (2048-bit key) header.d=example.com; spf=none smtp.helo=a.example.com`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range h.Results {
		fmt.Println(h.ID, r.Check, r.Verdict, r.Properties)
	}
	// Output:
	// mx.example.org dkim pass [{header.d example.com}]
	// mx.example.org spf none [{smtp.helo a.example.com}]
}
