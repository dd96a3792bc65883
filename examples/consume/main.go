// Consume follows what becomes of mails: it prints the last result of each message that comes to a queue of an mtad
// that uses RabbitMQ, such as that of rabbitmq-results:
//
//	go run ./examples/consume amqp://guest:guest@localhost/ results
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

// message is what is looked at of one.
type message struct {
	Recipient string
	Campaign  int // our own
	Results   []struct {
		State, Result, Description string
		Code                       int
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: consume ADDRESS-OF-BROKER QUEUE")
	}
	conn, err := amqp.Dial(os.Args[1])
	check(err)
	defer conn.Close()
	ch, err := conn.Channel()
	check(err)
	check(ch.Qos(100, 0, false))
	deliveries, err := ch.Consume(os.Args[2], "", false, false, false, false, nil)
	check(err)
	for d := range deliveries {
		var m message
		if err := json.Unmarshal(d.Body, &m); err != nil || len(m.Results) == 0 {
			log.Printf("not a result: %v", err)
		} else {
			last := m.Results[len(m.Results)-1]
			fmt.Println(m.Campaign, m.Recipient, last.State, last.Result, last.Code, last.Description)
		}
		check(d.Ack(false)) // only now: what is not acknowledged comes again
	}
	log.Fatal("the broker is gone")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
