package smtpout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// BindError says that a local address could not be used.
type BindError struct {
	Source netip.Addr
	Err    error
}

func (e *BindError) Error() string {
	return fmt.Sprintf("local address %s cannot be used: %v", e.Source, e.Err)
}

// Unwrap returns the cause.
func (e *BindError) Unwrap() error { return e.Err }

var errFamily = errors.New("the target's address is of the other IP version")

// connect dials. A local address that cannot be used is a failure of state bind, for which no other host of the site
// is better; any other is one of state connect.
func (s *Sender) connect(ctx context.Context, hop *delivery.Hop, limit time.Duration) (net.Conn, *failure) {
	dial := s.Dial
	if dial == nil {
		dial = DialTCP
	}
	dialCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	nc, err := dial(dialCtx, hop.Source, hop.Target)
	if err == nil {
		return nc, nil
	}
	f := &failure{Failure: delivery.Failure{Temporary: true, Cause: err}}
	f.Result = queue.Result{State: queue.StateConnect, Result: queue.Error, Description: err.Error()}
	var bind *BindError
	var own *delivery.Failure
	switch {
	case errors.As(err, &own):
		f.Failure = *own
	case errors.As(err, &bind):
		f.Result.State, f.Temporary = queue.StateBind, false
	case ctx.Err() != nil:
		f.Result.Result, f.Result.Description = queue.Lost, errInterrupted.Error()
	case isTimeout(err):
		f.Result.Result, f.Result.Description = queue.Timeout, "no connection within "+limit.String()
	}
	f.Result.Time = now()
	if f.Result.To = hop.Local; hop.Target.IsValid() {
		f.Result.To = hop.Target.Addr().String()
	}
	if hop.Source.IsValid() {
		f.Result.From = hop.Source.String()
	}
	return nil, f
}

// DialTCP connects from a source address, unless that is the zero Addr, as a [Sender] without Dial does. When the
// source cannot be used the error is a *[BindError].
func DialTCP(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1} // every wait has a time-out of its own
	if source.IsValid() {
		if source.Unmap().Is4() != target.Addr().Unmap().Is4() {
			return nil, &BindError{Source: source, Err: errFamily}
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		d.Control = bindLate
	}
	nc, err := d.DialContext(ctx, "tcp", target.String())
	var call *os.SyscallError
	if errors.As(err, &call) && call.Syscall == "bind" {
		return nil, &BindError{Source: source, Err: call}
	}
	return nc, err
}

// isTimeout reports whether err is a time-out: ours, or that of the system.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
