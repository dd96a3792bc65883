package main

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/internal/testserver"
)

// broker starts RabbitMQ. Its CPU time is nobody's in the table.
func broker(dir string) (*testserver.RabbitMQServer, error) {
	if testserver.Find("rabbitmq-server") == "" {
		return nil, errors.New("RabbitMQ is not installed")
	}
	return testserver.StartRabbitMQ(dir, "")
}

// rabbit runs mtad with its queues on a broker.
func (b *bench) rabbit(work, in, out string) (*relay, error) {
	s, err := broker(work)
	if err != nil {
		return nil, err
	}
	r, err := b.program(b.bin("mtad"), "--config-file", "/dev/null", "--smtp-ip", "127.0.0.1", "--smtp-port", in, "--smtp-range", "127.0.0.0/8",
		"--queue-address", "disk://"+filepath.Join(work, "queue"), "--www-port", "0", "--smtp-sink-address", "127.0.0.1", "--smtp-sink-port", out,
		"--rabbitmq-address", "amqp://guest:guest@"+s.Address+"/")
	if err != nil {
		s.End()
		return nil, err
	}
	return &relay{pid: r.pid, stop: func() {
		r.stop()
		s.End()
	}}, nil
}

// bare does with nothing but the client library what mtad needs of a broker: as many persistent messages are published and
// confirmed by as many clients at a time, read, and acknowledged.
func (b *bench) bare(work string, s scenario) (f figures, err error) {
	server, err := broker(work)
	if err != nil {
		return f, err
	}
	defer server.End()
	size, err := humanize.ParseBytes(s.size)
	if err != nil {
		return f, err
	}
	c, err := dialBare("amqp://guest:guest@"+server.Address+"/", make([]byte, size))
	if err != nil {
		return f, err
	}
	defer c.conns[0].Close()
	defer c.conns[1].Close()
	if _, err := c.run(s.messages/10, s.sessions); err != nil { // so that the broker has made its files
		return f, err
	}
	return c.run(s.messages, s.sessions)
}

// bareClient publishes over one connection and reads over another.
type bareClient struct {
	conns      [2]*amqp.Connection
	in         *amqp.Channel
	deliveries <-chan amqp.Delivery
	body       []byte
}

func dialBare(address string, body []byte) (c *bareClient, err error) {
	c = &bareClient{body: body}
	for i := range c.conns {
		if c.conns[i], err = amqp.Dial(address); err != nil {
			return nil, err
		}
	}
	if c.in, err = c.conns[0].Channel(); err != nil {
		return nil, err
	}
	out, err := c.conns[1].Channel()
	if err != nil {
		return nil, err
	}
	if _, err = c.in.QueueDeclare("outbox", true, false, false, false, nil); err != nil {
		return nil, err
	}
	if err = c.in.Confirm(false); err != nil {
		return nil, err
	}
	if err = out.Qos(1000, 0, false); err != nil {
		return nil, err
	}
	c.deliveries, err = out.Consume("outbox", "", false, false, false, false, nil)
	return c, err
}

// run moves n messages.
func (c *bareClient) run(n, sessions int) (f figures, err error) {
	began := time.Now()
	read := make(chan error, 1)
	go func() { read <- c.read(n) }()
	var clients sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range sessions {
		clients.Go(func() {
			for left.Add(-1) >= 0 {
				told, err := c.in.PublishWithDeferredConfirm("", "outbox", true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: c.body})
				if err != nil || !told.Wait() {
					return // the reader will notice
				}
			}
		})
	}
	clients.Wait()
	f.accepted = float64(n) / time.Since(began).Seconds()
	err = <-read
	f.delivered = float64(n) / time.Since(began).Seconds()
	return f, err
}

func (c *bareClient) read(n int) error {
	for range n {
		select {
		case d, ok := <-c.deliveries:
			if !ok {
				return errors.New("the connection broke")
			}
			if err := d.Ack(false); err != nil {
				return err
			}
		case <-time.After(time.Minute):
			return errors.New("not everything arrived")
		}
	}
	return nil
}
