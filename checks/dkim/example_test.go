package dkim_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// A mail that is in memory is checked with the system's resolver.
func ExampleChecker() {
	raw := []byte("From: ann@example.org\r\nSubject: hello\r\n\r\nHi.\r\n")
	length, _ := mailheader.Length(raw, 0)

	checker := &dkim.Checker{MaxSignatures: 5}
	results, err := checker.Check(context.Background(), &checks.Mail{Header: raw[:length], Body: bytes.NewReader(raw)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Verdict, string(r.JSON))
	}
	// Output: none {"dkim":"none"}
}
