package checks_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/checks"
)

// local is a check of one's own: it says whether a mail comes from this machine.
type local struct{}

func (local) Name() string { return "local" }

func (local) Check(_ context.Context, mail *checks.Mail) ([]checks.Result, error) {
	verdict := checks.Fail
	if mail.Client.IsLoopback() {
		verdict = checks.Pass
	}
	return []checks.Result{{Check: "local", Verdict: verdict,
		JSON: checks.NewObject("local", string(verdict)).Text("client", mail.Client.String()).JSON()}}, nil
}

func Example() {
	runner := &checks.Runner{Checkers: []checks.Checker{local{}}, Timeout: 5 * time.Second}
	client := netip.MustParseAddr("127.0.0.1")
	mail := &checks.Mail{
		Client:   client,
		Envelope: "a@example.org",
		Body:     strings.NewReader("Subject: hello\r\n\r\nhello\r\n"),
		Earlier:  runner.CheckConnect(context.Background(), client),
	}
	for _, r := range runner.Check(context.Background(), mail) {
		fmt.Printf("%s\n", r.JSON)
	}
	// Output: {"local":"pass","client":"127.0.0.1"}
}
