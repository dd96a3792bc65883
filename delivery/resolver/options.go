package resolver

import (
	"context"
	"net"
	"time"
)

// Options say how a [Resolver] works. The zero Options ask the servers of /etc/resolv.conf.
type Options struct {
	// Servers to ask, as "1.2.3.4", "1.2.3.4:53", "2001:db8::1" or "[2001:db8::1]:53". Empty: those of ResolvConf.
	Servers []string
	// ResolvConf is looked at again when it changes. Empty: /etc/resolv.conf. A file without servers, or none at all,
	// means the server at 127.0.0.1.
	ResolvConf string
	// HostsFile answers for host addresses before the DNS does; it is looked at again when it changes. Empty:
	// /etc/hosts. "-": none.
	HostsFile string
	// TrustAD believes the servers when they say that an answer was validated. Set it only for servers on this machine
	// or behind a protected link.
	TrustAD bool
	// MinTTL is the smallest TTL respected. Zero: a minute.
	MinTTL time.Duration
	// MaxTTL is the largest TTL respected. Zero: a day.
	MaxTTL time.Duration
	// FailTTL is for how long a failure is remembered. Zero: five seconds.
	FailTTL time.Duration
	// Timeout is how long to wait after the last attempt. Zero: a minute.
	Timeout time.Duration
	// Interval is the time between attempts. Zero: three seconds.
	Interval time.Duration
	// Attempts is how often a question is sent, all servers together. Zero: five.
	Attempts int
	// Capacity bounds the look-ups under way at a time. Zero: 100.
	Capacity int
	// Sockets is the number of UDP sockets for each server. Zero: four.
	Sockets int
	// BufferSize is that of a socket's buffers in the kernel, in bytes. Zero: 1 MB.
	BufferSize int
	// Rotate spreads the questions over the servers instead of preferring the first.
	Rotate bool
	// CacheSize bounds the memory of the cache, in bytes, roughly. Zero: 32 MB.
	CacheSize int64
	// Dial makes connections to servers; network is "udp" or "tcp". Nil: net.Dialer. A connection for "udp" reads and
	// writes whole packets and gets those of the peer only.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Asked is told of each look-up for which servers were asked, how long that took and, if it failed, why. It must
	// not block. Nil: nobody is.
	Asked func(took time.Duration, err error)
}

// withDefaults returns the options with every zero value replaced by what it means.
func (o Options) withDefaults() Options {
	setDefault(&o.ResolvConf, "/etc/resolv.conf")
	setDefault(&o.HostsFile, "/etc/hosts")
	setDefault(&o.MinTTL, time.Minute)
	setDefault(&o.MaxTTL, 24*time.Hour)
	setDefault(&o.FailTTL, 5*time.Second)
	setDefault(&o.Timeout, time.Minute)
	setDefault(&o.Interval, 3*time.Second)
	setDefault(&o.Attempts, 5)
	setDefault(&o.Capacity, 100)
	setDefault(&o.Sockets, 4)
	setDefault(&o.BufferSize, 1<<20)
	setDefault(&o.CacheSize, 32<<20)
	o.MaxTTL = max(o.MaxTTL, o.MinTTL)
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

func setDefault[T int | int64 | string | time.Duration](v *T, value T) {
	var zero T
	if *v <= zero {
		*v = value
	}
}
