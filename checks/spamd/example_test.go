package spamd_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/spamd"
)

func Example() {
	checker := &spamd.Checker{Service: checks.Service{Address: "localhost:783", Timeout: 20 * time.Second}}
	mail := &checks.Mail{Body: strings.NewReader("Subject: hello\r\n\r\nhello\r\n")}
	results, err := checker.Check(context.Background(), mail)
	if err != nil {
		fmt.Println("for the log:", err)
	}
	for _, r := range results {
		if score, ok := r.Detail.(spamd.Score); ok {
			fmt.Println(score.Spam, score.Score, "of", score.Threshold, score.Symbols)
		}
	}
}
