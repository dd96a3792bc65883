package lmtp

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// Socket begins the Local of a hop whose server listens on a socket of the file system; its path follows. Others are
// reached at the hop's Target.
const Socket = "lmtp+unix://"

// Sender makes LMTP connections. The zero value works. It is safe for concurrent use; its fields must not change while
// it is used.
type Sender struct {
	// TLS is what connections over TCP are secured with, as in smtpout.Sender.
	TLS *tls.Config

	once sync.Once
	tcp  smtpout.Sender
}

var _ delivery.Sender = (*Sender)(nil)

// Open connects to the server of a hop. A failure is a *delivery.Failure with the state at which it happened.
func (s *Sender) Open(ctx context.Context, hop *delivery.Hop) (delivery.Connection, error) {
	unbound := *hop
	unbound.Source = netip.Addr{}
	if path, ok := strings.CutPrefix(hop.Local, Socket); ok {
		unbound.Security = queue.Optional
		client := &smtpout.Sender{LMTP: true, Dial: func(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn,
			error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}
		return client.Open(ctx, &unbound)
	}
	s.once.Do(func() { s.tcp = smtpout.Sender{LMTP: true, TLS: s.TLS, ClearFallback: true} })
	return s.tcp.Open(ctx, &unbound)
}
