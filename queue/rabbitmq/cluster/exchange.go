package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue/rabbitmq"
)

// Options say where the instances meet.
type Options struct {
	// Addresses, NoVerify and Name are those of rabbitmq.Options.
	Addresses []string
	NoVerify  bool
	Name      string
	// Exchange is shared by the instances. It is declared as a durable fanout exchange; one that exists may be of any
	// type that passes messages without a routing key on. Zero: "cluster".
	Exchange string
	// Interval is how often a member announces itself. Zero: three minutes.
	Interval time.Duration
	// File keeps the instances that were heard of over a restart; its directory must exist. Zero: they are forgotten.
	File string
	// Heard is called, in no particular goroutine, when another instance has addresses that were not known before. It
	// must not block. Nil: nobody cares.
	Heard func()
	// Logger is told when the broker is away and when it is back. Nil: slog.Default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Exchange == "" {
		o.Exchange = "cluster"
	}
	if o.Interval <= 0 {
		o.Interval = 3 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// meeting is a connection with a private queue.
type meeting struct {
	exchange string
	conn     *amqp.Connection
	ch       *amqp.Channel
	heard    <-chan amqp.Delivery
	closed   chan *amqp.Error
}

// meet connects, and hears everything that is said from then on.
func meet(ctx context.Context, o Options) (*meeting, error) {
	conn, err := rabbitmq.Dial(ctx, rabbitmq.Options{Addresses: o.Addresses, NoVerify: o.NoVerify, Name: o.Name},
		"cluster")
	if err != nil {
		return nil, err
	}
	m := &meeting{exchange: o.Exchange, conn: conn}
	if err := m.join(); err != nil {
		m.end()
		return nil, fmt.Errorf("exchange %q: %w", o.Exchange, err)
	}
	return m, nil
}

func (m *meeting) join() error {
	if err := m.declare(); err != nil {
		return err
	}
	var err error
	if m.ch, err = m.conn.Channel(); err != nil {
		return err
	}
	if err := m.ch.Confirm(false); err != nil {
		return err
	}
	m.closed = m.ch.NotifyClose(make(chan *amqp.Error, 1))
	q, err := m.ch.QueueDeclare("", false, true, true, false, amqp.Table{"x-expires": int32(time.Minute.Milliseconds())})
	if err != nil {
		return err
	}
	if err = m.ch.QueueBind(q.Name, "", m.exchange, false, nil); err != nil {
		return err
	}
	m.heard, err = m.ch.Consume(q.Name, "", true, true, false, false, nil)
	return err
}

// declare sees to it that there is an exchange. It uses a channel of its own, which the broker closes when there is one
// of another type.
func (m *meeting) declare() error {
	ch, err := m.conn.Channel()
	if err != nil {
		return err
	}
	defer ch.Close()
	err = ch.ExchangeDeclare(m.exchange, amqp.ExchangeFanout, true, false, false, false, nil)
	var reply *amqp.Error
	if errors.As(err, &reply) && reply.Code == amqp.PreconditionFailed {
		return nil
	}
	return err
}

// patience is how long the broker may take to confirm.
const patience = 10 * time.Second

// say returns when the broker has what is said.
func (m *meeting) say(what message) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	told, err := m.ch.PublishWithDeferredConfirm(m.exchange, "", false, false,
		amqp.Publishing{ContentType: "application/json", Body: what.text()})
	if err != nil {
		return err
	}
	taken, err := told.WaitContext(ctx)
	if err == nil && !taken {
		err = errors.New("the broker has not taken what was said")
	}
	return err
}

func (m *meeting) end() { _ = m.conn.CloseDeadline(time.Now().Add(2 * time.Second)) }

// List says hello and returns who answers within a while, sorted by host. ctx is for connecting.
func List(ctx context.Context, o Options, within time.Duration) ([]Instance, error) {
	m, err := meet(ctx, o.withDefaults())
	if err != nil {
		return nil, err
	}
	defer m.end()
	if err := m.say(message{Hello: true}); err != nil {
		return nil, err
	}
	found := make(map[string]Instance)
	end := time.After(within)
	for {
		select {
		case d, ok := <-m.heard:
			if !ok {
				return nil, errors.New("the connection broke")
			}
			if said, err := parse(d.Body); err == nil && said.Announce != nil {
				said.Announce.Seen = time.Now()
				found[said.Announce.ID] = *said.Announce
			}
		case <-end:
			return sorted(found), nil
		}
	}
}

// Notify tells all instances that the settings have changed, and returns when the broker has taken that.
func Notify(ctx context.Context, o Options) error {
	m, err := meet(ctx, o.withDefaults())
	if err != nil {
		return err
	}
	defer m.end()
	return m.say(message{Reload: true})
}

func sorted(found map[string]Instance) []Instance {
	list := make([]Instance, 0, len(found))
	for _, i := range found {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Instance) int {
		return strings.Compare(a.Host+"\x00"+a.ID, b.Host+"\x00"+b.ID)
	})
	return list
}
