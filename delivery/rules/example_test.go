package rules_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
)

func ExampleCompile() {
	set, problems := rules.Compile(rules.Config{
		Pauses: []rules.Pause{{ID: 12, Target: "*.example", Tag: "newsletter", Cluster: true}},
		RewriteRules: []rules.RewriteRule{{ID: 3, Name: "receipts first",
			Conditions: []rules.Condition{{ID: 1, Property: "subject", Type: "substr", Value: "receipt"}},
			Actions:    []rules.Action{{ID: 1, Type: "set", Property: "/priority", Value: "9"}}}},
		Redirects: []rules.Redirect{{ID: 5, LocalIP: "192.0.2.1", NewIP: "192.0.2.one"}},
	})
	for _, p := range problems {
		fmt.Println(p)
	}

	m := &queue.Message{Recipient: "jane@mail.example", Body: queue.Bytes("Subject: Your receipt\r\n\r\n"),
		Tags: []string{"newsletter"}}
	decision := set.Rewrite(m, time.Now())
	fmt.Println(decision.Rule, m.Priority)

	pause, ok := set.Paused(&delivery.Selection{Source: netip.MustParseAddr("192.0.2.1"), Domain: m.Domain(),
		Tags: m.Tags}, time.Now())
	fmt.Println(pause.Rule, ok)
	// Output:
	// delegates 5: newip "192.0.2.one": expected an IP address
	// rewrite rule 3 (receipts first) 9
	// pause 12 true
}

func ExampleTryReply() {
	fmt.Println(rules.TryReply("regex", `^4\d\d .*greylist`, 451, "4.7.1 Greylisted, try again later"))
	// Output: true <nil>
}
