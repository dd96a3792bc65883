package rabbitmq

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// patience is how long something may take that has to happen.
const patience = 40 * time.Second

func mail(id string) *queue.Message {
	return &queue.Message{ID: id, Envelope: "a@example.org", Recipient: "b@example.com", Body: queue.Bytes("Subject: " + id + "\r\n\r\nHello\r\n")}
}

func publish(t testing.TB, q queue.Queue, name string, messages ...*queue.Message) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: name, Message: m}))
	}
}

// reader is a consumer whose deliveries wait to be taken.
type reader struct {
	t     testing.TB
	ch    chan *queue.Delivery
	ended chan struct{}
	err   error
	stop  func()
}

func consume(t testing.TB, q queue.Queue, name string, prefetch int) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{t: t, ch: make(chan *queue.Delivery, 10_000), ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = q.Consume(ctx, name, queue.ConsumeOptions{Prefetch: prefetch}, func(d *queue.Delivery) { r.ch <- d })
	}()
	r.stop = func() {
		cancel()
		<-r.ended
	}
	t.Cleanup(r.stop)
	return r
}

func (r *reader) next() *queue.Delivery {
	r.t.Helper()
	select {
	case d := <-r.ch:
		return d
	case <-r.ended:
		require.NoError(r.t, r.err, "Consume ended")
	case <-time.After(patience):
		require.Fail(r.t, "no message came")
	}
	return nil
}

func (r *reader) take(n int) []*queue.Delivery {
	r.t.Helper()
	list := make([]*queue.Delivery, n)
	for i := range list {
		list[i] = r.next()
	}
	return list
}

// none demands that nothing comes for a while.
func (r *reader) none() {
	r.t.Helper()
	select {
	case d := <-r.ch:
		require.Failf(r.t, "a message came that must not", "%s %v", d.Message.ID, d.Err)
	case <-time.After(300 * time.Millisecond):
	}
}

// stranger is a connection of somebody else to the broker.
func stranger(t testing.TB, address string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	return ch
}

// waiting returns how many messages are ready in a queue.
func waiting(t testing.TB, ch *amqp.Channel, name string) int {
	t.Helper()
	q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
	require.NoError(t, err)
	return q.Messages
}

// notes is a logger whose lines can be counted.
type notes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(p)
}

func (n *notes) lines() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Split(strings.TrimSpace(n.buf.String()), "\n")
}

func (n *notes) logger() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }

// proxy stands between a queue and the broker.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns []net.Conn
	deaf  bool // what clients say is thrown away
	after int  // bytes from clients until the next cut; zero: none
}

func newProxy(t testing.TB, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, target: target}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			all.Go(func() { io.Copy(client, server); client.Close() })
			all.Go(func() { p.forward(server, client); server.Close() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		all.Wait()
	})
	return p
}

func (p *proxy) forward(server, client net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		deaf, cut := p.deaf, false
		if p.after > 0 {
			if p.after -= n; p.after <= 0 {
				n, p.after, cut = n/2, 0, true
			}
		}
		p.mu.Unlock()
		if !deaf {
			server.Write(buf[:n])
		}
		if cut {
			p.cut()
		}
	}
}

func (p *proxy) setDeaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// through is the address of the broker by way of the proxy.
func (p *proxy) through(address string) string {
	return strings.Replace(address, p.target, p.listener.Addr().String(), 1)
}

func ids(prefix string, n int) []*queue.Message {
	list := make([]*queue.Message, n)
	for i := range list {
		list[i] = mail(fmt.Sprintf("%s-%04d", prefix, i))
	}
	return list
}

func items(name string, messages []*queue.Message) []queue.Item {
	list := make([]queue.Item, len(messages))
	for i, m := range messages {
		list[i] = queue.Item{Queue: name, Message: m}
	}
	return list
}
