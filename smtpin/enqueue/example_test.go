package enqueue_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// A server that takes mail in for a queue is a Backend with that queue. Here its session is driven by hand instead of by a
// client.
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
