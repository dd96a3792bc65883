package clamd_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/clamd"
)

func Example() {
	checker := &clamd.Checker{Service: checks.Service{Address: "unix:///run/clamav/clamd.ctl"}}
	mail := &checks.Mail{Body: strings.NewReader("Subject: hello\r\n\r\nhello\r\n")}
	results, err := checker.Check(context.Background(), mail)
	if err != nil {
		fmt.Println("for the log:", err)
	}
	switch results[0].Verdict {
	case checks.Pass:
		fmt.Println("take it")
	case checks.Fail:
		fmt.Println("554 5.7.1 it carries", results[0].Reason)
	default: // fail closed
		fmt.Println("451 4.7.1 not scanned, try again later")
	}
}
