package disk_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// A message outlives the process that published it.
func Example() {
	dir, err := os.MkdirTemp("", "queue")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	q, err := disk.Open(dir, disk.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &queue.Message{Recipient: "jo@example.com", Body: queue.Bytes("Subject: hello\r\n\r\nHi.\r\n")}
	if err := q.Publish(ctx, queue.Item{Queue: "outbox", Message: m}); err != nil {
		log.Fatal(err)
	}
	_ = q.Close()

	q, err = disk.Open(dir, disk.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
		fmt.Println(d.Message.Recipient, d.Message.Body.Size())
		_ = d.Settle(ctx)
		cancel()
	})
	// Output: jo@example.com 23
}
