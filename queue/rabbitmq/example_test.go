package rabbitmq_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/rabbitmq"
)

func ExampleOpen() {
	ctx := context.Background()
	q, err := rabbitmq.Open(ctx, rabbitmq.Options{
		Addresses: []string{"amqps://mail:secret@rabbit1.example.com;rabbit2.example.com/mail"},
		QueueType: rabbitmq.Quorum,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()

	m := &queue.Message{Envelope: "me@example.org", Recipient: "jo@example.com",
		Body: queue.Bytes("Subject: Hello\r\n\r\n")}
	if err := q.Publish(ctx, queue.Item{Queue: "outbox", Message: m}); err != nil {
		log.Fatal(err)
	}
	err = q.Consume(ctx, "results", queue.ConsumeOptions{}, func(d *queue.Delivery) {
		fmt.Println(d.Message.Recipient, len(d.Message.Results))
		go d.Settle(ctx)
	})
	log.Print(err)
}
