package smtpout_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// Two mails over one connection; the second one's envelope goes out with the first one's content.
func Example() {
	sender := &smtpout.Sender{ClearFallback: true}
	hop := &delivery.Hop{
		Target:   netip.MustParseAddrPort("192.0.2.25:25"),
		Host:     "mx.example.org",
		Hostname: "client.example.com",
	}
	ctx := context.Background()
	conn, err := sender.Open(ctx, hop)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	first := &delivery.Transaction{
		Message: &queue.Message{Envelope: "me@example.com", Recipient: "you@example.org"},
		Body:    queue.Bytes("Subject: hello\r\n\r\nHello\r\n"),
	}
	second := &delivery.Transaction{
		Message: &queue.Message{Envelope: "me@example.com", Recipient: "them@example.org"},
		Body:    first.Body,
	}
	conn.Deliver(ctx, first, second)
	conn.Deliver(ctx, second, nil)
	fmt.Println(first.Result.Success(), second.Result.Description)
}
