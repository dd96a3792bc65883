package delivery_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// relayAll sends everything to one relay.
type relayAll struct{ host string }

func (r relayAll) Cached(string) (*delivery.Route, error, bool) {
	return &delivery.Route{Site: r.host, Hosts: []delivery.Host{{Name: r.host}}, Relay: true}, nil, true
}

func (r relayAll) Route(_ context.Context, domain string) (*delivery.Route, error) {
	route, err, _ := r.Cached(domain)
	return route, err
}

func (r relayAll) Addresses(context.Context, delivery.Host) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.25")}, nil
}

// printer is a Sender that prints mail instead of sending it.
type printer struct{}

func (printer) Open(_ context.Context, hop *delivery.Hop) (delivery.Connection, error) {
	return &page{hop: hop}, nil
}

type page struct{ hop *delivery.Hop }

func (p *page) Deliver(_ context.Context, tx, _ *delivery.Transaction) {
	fmt.Printf("%s to %s: %s\n", tx.Message.Recipient, p.hop.Host, tx.Body.(interface{ Bytes() []byte }).Bytes())
	tx.Result = queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250}
}

func (p *page) Usable() bool                  { return true }
func (p *page) Idle(ctx context.Context) bool { <-ctx.Done(); return true }
func (p *page) Close() error                  { return nil }

// An engine needs a queue to read from, somebody who knows the way, and somebody who goes it. Its results are messages
// as well.
func Example() {
	ctx := context.Background()
	q := memory.New()
	defer q.Close()
	_ = q.Publish(ctx, queue.Item{Queue: "outbox",
		Message: &queue.Message{Recipient: "you@example.com", Body: queue.Bytes("hello")}})

	engine := &delivery.Engine{Queue: q, Router: relayAll{"relay.example.net"}, Sender: printer{},
		Names: delivery.QueueNames{Results: "results"}}
	go engine.Run(ctx)

	results, stop := context.WithCancel(ctx)
	_ = q.Consume(results, "results", queue.ConsumeOptions{}, func(d *queue.Delivery) {
		r := d.Message.Results[0]
		fmt.Println(r.State, r.Result, r.Code)
		_ = d.Settle(ctx)
		stop()
	})
	_ = engine.Shutdown(ctx)
	// Output:
	// you@example.com to relay.example.net: hello
	// message accepted 250
}
