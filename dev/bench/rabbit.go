package main

import (
	"errors"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/internal/smtptest"
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
	r, err := b.program(b.bin("mtad"), "--config-file", "/dev/null", "--smtp-ip", "127.0.0.1", "--smtp-port", in,
		"--smtp-range", "127.0.0.0/8",
		"--queue-address", "disk://"+filepath.Join(work, "queue"), "--www-port", "0", "--smtp-sink-address", "127.0.0.1",
		"--smtp-sink-port", out,
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

// bare does with nothing but the client library what mtad needs of a broker: as many persistent messages are published
// and confirmed by as many clients at a time, read, and acknowledged. With mail, they are published as the mails of a
// source arrive over SMTP, each confirmed before its 250: as fast as a broker can be beside a source and something that
// takes its mails, on the same cores.
func (b *bench) bare(work string, s scenario, mail bool) (f figures, err error) {
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
	run := func(n int) (figures, error) { return c.run(n, s.sessions) }
	if mail {
		run = func(n int) (figures, error) { return b.receive(c, n, s) }
	}
	if _, err := run(s.messages / 10); err != nil { // so that the broker has made its files
		return f, err
	}
	return run(s.messages)
}

// receive publishes n mails of a source.
func (b *bench) receive(c *bareClient, n int, s scenario) (f figures, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return f, err
	}
	// the reader notices what is missing
	sink := &smtptest.Sink{Received: func(m *smtptest.Received) { _ = c.publish(m.Data) }}
	go func() { _ = sink.Serve(l) }()
	defer sink.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.messages = n
	began := time.Now()
	read := make(chan error, 1)
	go func() { read <- c.read(n) }()
	if err := b.load(port, s, 1); err != nil {
		return f, err
	}
	f.accepted = float64(n) / time.Since(began).Seconds()
	err = <-read
	f.delivered = float64(n) / time.Since(began).Seconds()
	return f, err
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
				if c.publish(c.body) != nil {
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

// publish returns nil when the broker has the message.
func (c *bareClient) publish(body []byte) error {
	told, err := c.in.PublishWithDeferredConfirm("", "outbox", true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
	if err == nil && !told.Wait() {
		err = errors.New("the broker did not take a message")
	}
	return err
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
