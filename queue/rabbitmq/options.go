package rabbitmq

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Options say where the broker is and how to use it. Only Addresses is required; the zero value of every other field is
// a good choice.
type Options struct {
	// Addresses are amqp:// or amqps:// URLs of one broker or cluster: user, password, host, port and virtual host.
	// They are tried in turn, the one that worked last first. One string may hold several URLs with commas between
	// them, and one URL several hosts with semicolons between them. None means DefaultAddress.
	Addresses []string
	// NoVerify accepts any certificate of the broker. Zero: it must be valid for the host.
	NoVerify bool
	// TLS is what amqps:// connections begin from: certificate authorities, a certificate of our own. Nil: the system's
	// authorities. The parameters cacertfile, certfile, keyfile and server_name_indication of a URL are added to it.
	TLS *tls.Config

	// Exchange is published through with the name of the queue as the routing key. It is declared as a durable direct
	// exchange, and the queues are bound to it, unless NoDeclare is set; one that exists may be of any type. Empty: the
	// default exchange, which knows every queue by its name. Delayed and parked mail never goes through Exchange.
	Exchange string
	// NoDeclare says that all queues exist already, whatever their arguments. Zero: they are declared when they are
	// first used. The queues for delayed and parked mail are always declared.
	NoDeclare bool
	// NotDurable declares queues that are gone when the broker restarts. Zero: durable ones.
	NotDurable bool
	// NotPersistent publishes messages that are gone when the broker restarts. Zero: persistent ones.
	NotPersistent bool
	// Lazy declares queues that keep their messages on disk. Not for quorum queues, which always do.
	Lazy bool
	// QueueType is Classic or Quorum. Zero: Classic.
	QueueType QueueType
	// MaxPriority is the x-max-priority of the queues declared, 1 to 255. Zero: priorities have no effect.
	MaxPriority int

	// Consumers and Publishers are how many connections there are of each kind. Zero: one.
	Consumers, Publishers int
	// QoS is the Prefetch of consumers that name none, 65535 at most. Zero: queue.DefaultPrefetch.
	QoS int
	// MinQoS is the prefetch with which a consumer begins, and to which it goes back when large mails take more than
	// half of Budget. Zero: 100.
	MinQoS int
	// FlushQoS is how many messages that were unparked may wait in memory for a consumer to have room. Zero: 1000.
	FlushQoS int
	// Throttle is how many messages a publisher may have sent without their being confirmed yet. Zero: 100.
	Throttle int
	// Encoding is "gzip" to compress what is published. Zero: as it is. Messages in gzip are always understood.
	Encoding string

	// Budget is how many bytes of messages may be in memory at a time: one half for what is being published, the other
	// for what was read. A message that is larger than its half goes alone. Zero: 256 MiB.
	Budget int64
	// MaxMessageSize is the largest message, after encoding, that the broker takes, and the largest that a message in
	// gzip may become. Zero: 128 MiB, RabbitMQ's own limit.
	MaxMessageSize int64
	// ConfirmTimeout is how long to wait for the confirmation of a message that was sent. Zero: 30 s.
	ConfirmTimeout time.Duration
	// Name is shown in the broker's list of connections. Zero: "sluice".
	Name string
	// Patient makes Open succeed although no broker answers: what is published fails with queue.ErrUnavailable, and
	// consumers wait, until one does. A broker that answers and refuses is an error all the same. Zero: an error.
	Patient bool
	// Logger is told of outages, once each. Nil: slog.Default.
	Logger *slog.Logger

	// parkedFor is how long messages stay parked. Zero: queue.MaxParked.
	parkedFor time.Duration
}

// DefaultAddress is the broker on this machine, with the user that it has from the start.
const DefaultAddress = "amqp://guest:guest@localhost/"

// QueueType says what kind of queue is declared.
type QueueType string

// The types of queues.
const (
	Classic QueueType = "classic" // on one node of the broker
	Quorum  QueueType = "quorum"  // replicated; always durable, without priorities
)

// Check says what is wrong with the options, as Open would without connecting. It shows no passwords.
func (o Options) Check() error {
	o, err := o.withDefaults()
	if err == nil {
		_, err = endpoints(o.Addresses)
	}
	return err
}

// withDefaults returns the options with zeros replaced, or says what is wrong with them.
func (o Options) withDefaults() (Options, error) {
	if len(o.Addresses) == 0 {
		o.Addresses = []string{DefaultAddress}
	}
	o.QueueType = cmp.Or(o.QueueType, Classic)
	o.Consumers, o.Publishers = cmp.Or(o.Consumers, 1), cmp.Or(o.Publishers, 1)
	o.QoS = cmp.Or(o.QoS, queue.DefaultPrefetch)
	o.MinQoS = cmp.Or(o.MinQoS, 100)
	o.FlushQoS = cmp.Or(o.FlushQoS, 1000)
	o.Throttle = cmp.Or(o.Throttle, 100)
	o.Budget = cmp.Or(o.Budget, 256<<20)
	o.MaxMessageSize = cmp.Or(o.MaxMessageSize, 128<<20)
	o.ConfirmTimeout = cmp.Or(o.ConfirmTimeout, 30*time.Second)
	o.parkedFor = cmp.Or(o.parkedFor, queue.MaxParked)
	o.Name = cmp.Or(o.Name, "sluice")
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, o.check()
}

// check says which values cannot be.
func (o *Options) check() error {
	for _, number := range []struct {
		name       string
		value, max int64
	}{
		{"consumers", int64(o.Consumers), 1000}, {"publishers", int64(o.Publishers), 1000},
		{"qos", int64(o.QoS), math.MaxUint16}, {"minqos", int64(o.MinQoS), math.MaxUint16},
		{"flush-qos", int64(o.FlushQoS), math.MaxUint16}, {"throttle", int64(o.Throttle), 1 << 20},
		{"budget", o.Budget, math.MaxInt64}, {"largest message", o.MaxMessageSize, math.MaxInt64},
		{"confirm timeout", int64(o.ConfirmTimeout), math.MaxInt64},
	} {
		if number.value < 1 || number.value > number.max {
			return fmt.Errorf("rabbitmq: %s is %d, expected 1 to %d", number.name, number.value, number.max)
		}
	}
	if o.MaxPriority < 0 || o.MaxPriority > 255 {
		return fmt.Errorf("rabbitmq: max priority is %d, expected 1 to 255, or 0 for none", o.MaxPriority)
	}
	if o.Encoding != "" && o.Encoding != "gzip" {
		return fmt.Errorf("rabbitmq: encoding is %q, expected \"gzip\" or nothing", o.Encoding)
	}
	return o.checkType()
}

func (o *Options) checkType() error {
	switch o.QueueType {
	case Classic:
		return nil
	case Quorum:
	default:
		return fmt.Errorf("rabbitmq: queue type is %q, expected %q or %q", o.QueueType, Classic, Quorum)
	}
	switch {
	case o.MaxPriority > 0:
		return errors.New("rabbitmq: quorum queues have no priorities: leave out the max priority, or use classic queues")
	case o.Lazy:
		return errors.New("rabbitmq: quorum queues cannot be lazy: leave out lazy, or use classic queues")
	case o.NotDurable:
		return errors.New("rabbitmq: quorum queues are always durable: leave them durable, or use classic queues")
	}
	return nil
}
