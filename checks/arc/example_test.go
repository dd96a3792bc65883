package arc_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/arc"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// A mail that is in memory is checked with the system's resolver.
func ExampleChecker() {
	raw := []byte("From: ann@example.org\r\nSubject: hello\r\n\r\nHi.\r\n")
	length, _ := mailheader.Length(raw, 0)

	results, err := new(arc.Checker).Check(context.Background(),
		&checks.Mail{Header: raw[:length], Body: bytes.NewReader(raw)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(results[0].Verdict, string(results[0].JSON))
	// Output: none {"arc":"none"}
}
