package memory_test

import (
	"context"
	"fmt"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// A mail is published for two recipients and delivered; its results go to another queue.
func Example() {
	q := memory.New()
	defer q.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	body := queue.Bytes("Subject: Hello\r\n\r\nHow are you?\r\n")
	err := q.Publish(ctx,
		queue.Item{Queue: "outbox", Message: &queue.Message{ID: "1", Recipient: "jo@example.com", Body: body}},
		queue.Item{Queue: "outbox", Message: &queue.Message{ID: "2", Recipient: "al@example.net", Body: body}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	left := 2
	err = q.Consume(ctx, "outbox", queue.ConsumeOptions{Prefetch: 1}, func(d *queue.Delivery) {
		m := d.Message
		fmt.Println("delivering", m.ID, "to", m.Recipient)
		m.Results = append(m.Results, queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250})
		m.Body = nil
		if err := d.Settle(ctx, queue.Item{Queue: "results", Message: m}); err != nil {
			fmt.Println(err)
		}
		if left--; left == 0 {
			cancel()
		}
	})
	fmt.Println(err)

	stats, _ := q.Queues(context.Background())
	for _, s := range stats {
		fmt.Println(s.Queue, s.Ready)
	}
	// Output:
	// delivering 1 to jo@example.com
	// delivering 2 to al@example.net
	// <nil>
	// results 2
}
