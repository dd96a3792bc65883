// Publish injects a mail into the outbox of an mtad that uses RabbitMQ, as any program can that publishes JSON:
//
//	go run ./examples/publish amqp://guest:guest@localhost/ you@example.com
//
// The broker confirms that it has the message before the program ends.
package main

import (
	"encoding/json"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: publish ADDRESS-OF-BROKER RECIPIENT")
	}
	conn, err := amqp.Dial(os.Args[1])
	check(err)
	defer conn.Close()
	ch, err := conn.Channel()
	check(err)
	check(ch.Confirm(false))

	body, err := json.Marshal(map[string]any{
		"envelope":  "me@example.org",
		"recipient": os.Args[2],
		"mime":      "From: me@example.org\r\nTo: " + os.Args[2] + "\r\nSubject: Hello\r\n\r\nHello!\r\n",
		"campaign":  42, // properties that mtad does not know come back with the results
	})
	check(err)
	confirmation, err := ch.PublishWithDeferredConfirm("", "outbox", true, false, amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body})
	check(err)
	if !confirmation.Wait() {
		log.Fatal("the broker did not take the message")
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
