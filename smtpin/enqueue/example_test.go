package enqueue_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// A server that takes mail in for a queue is a Backend with that queue. Here its session is driven by hand instead of
// by a client.
func Example() {
	q := memory.New()
	defer q.Close()
	backend := &enqueue.Backend{
		Queue:  q,
		Queues: enqueue.Queues{Inbox: "inbox"},
	}
	server := &smtpin.Server{Backend: backend} // and server.Serve(listener)
	defer server.Close()

	session, err := backend.NewSession(context.Background(), smtpin.NewConn(smtpin.ConnInfo{Hostname: "client.example"}))
	if err != nil {
		panic(err)
	}
	_ = session.Mail("a@example.org", nil)
	_ = session.Rcpt("x@example.com", nil)
	fmt.Println(session.Data(strings.NewReader("Subject: hello\r\nX-MQ-Tag: greeting\r\n\r\nhello\r\n")))

	stats, _ := q.Queues(context.Background())
	fmt.Println(stats[0].Queue, stats[0].Ready)
	// Output:
	// <nil>
	// inbox 1
}

// Lists of local addresses and of who is not wanted are made from rows of any source, and given to a backend and its
// server as functions.
func ExampleLocals() {
	var locals enqueue.Locals
	for _, row := range [][2]string{{"exact", "info@example.com"}, {"fnmatch", "*@example.org"}, {"regex", "(broken"}} {
		if err := locals.Add(row[0], row[1]); err != nil {
			fmt.Println("skipped:", err)
		}
	}
	var blocked enqueue.Blocklist
	_ = blocked.Add("192.0.2.0/24", 550, "You know why")

	backend := &enqueue.Backend{Local: locals.Contains, BlockedSender: blocked.Sender}
	server := &smtpin.Server{Backend: backend, Blocked: blocked.Client}

	fmt.Println(backend.Local("Anybody@Example.ORG"), backend.Local("other@example.com"))
	fmt.Println(server.Blocked(netip.MustParseAddr("192.0.2.7")).Message)
	// Output:
	// skipped: pattern "(broken": error parsing regexp: missing closing ): `(broken`
	// true false
	// You know why
}
