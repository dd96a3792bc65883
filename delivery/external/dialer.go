package external

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// handshakeTime bounds dialing where the context has no deadline.
const handshakeTime = 30 * time.Second

// Dialer connects from public addresses of a table, and from all others. Its methods are safe for concurrent use.
type Dialer struct {
	// Table returns the table in force, which may be nil; it is asked for each connection. Nil: there is none.
	Table func() *Table
	// Direct connects to a target or a proxy, from an address that the machine has. Nil: smtpout.DialTCP.
	Direct func(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error)
}

// Dial connects to target from source: through an external MTA when source is the public address of one. It fits
// smtpout.Sender.Dial, also in its errors; see the package's story.
func (d *Dialer) Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	var mta *MTA
	if d.Table != nil {
		mta = d.Table().find(source)
	}
	if mta == nil {
		return d.direct(ctx, source, target)
	}
	if mta.Public.Is4() != target.Addr().Unmap().Is4() {
		return nil, &smtpout.BindError{Source: source, Err: errFamily}
	}
	if mta.Protocol == NAT && !mta.Connect.IsValid() {
		return d.direct(ctx, mta.Local, target)
	}
	return d.via(ctx, mta, target)
}

var errFamily = errors.New("the target's address is of the other IP version")

func (d *Dialer) direct(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	if d.Direct != nil {
		return d.Direct(ctx, source, target)
	}
	return smtpout.DialTCP(ctx, source, target)
}

// via connects to a router or proxy, and has that connect to target.
func (d *Dialer) via(ctx context.Context, mta *MTA, target netip.AddrPort) (net.Conn, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, handshakeTime)
		defer cancel()
	}
	connect := mta.Connect
	if connect.Port() == 0 {
		connect = netip.AddrPortFrom(connect.Addr(), target.Port())
	}
	nc, err := d.direct(ctx, mta.Local, connect)
	if err != nil {
		return nil, unreachable(ctx, mta, connect, err)
	}
	if mta.Protocol == NAT {
		return nc, nil
	}
	through, err := handshake(ctx, nc, mta.Protocol, target)
	if err != nil {
		nc.Close()
		return nil, refused(ctx, mta, err)
	}
	return through, nil
}

// handshake has the proxy at the other end of nc connect to target. It ends with ctx.
func handshake(ctx context.Context, nc net.Conn, protocol Protocol, target netip.AddrPort) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	if err := nc.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	through, err := nc, error(nil)
	if protocol == SOCKS {
		err = socksConnect(nc, target)
	} else {
		through, err = httpConnect(nc, target)
	}
	if !stop() && err == nil {
		err = ctx.Err() // the deadline may be set at any moment now
	}
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{}) // a connection that has broken meanwhile says so when it is used
	return through, nil
}

// unreachable is the failure of a proxy that cannot be connected to.
func unreachable(ctx context.Context, mta *MTA, connect netip.AddrPort, err error) error {
	var bind *smtpout.BindError
	var own *delivery.Failure
	if errors.As(err, &bind) || errors.As(err, &own) || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	result := queue.Result{State: queue.StateConnect, Result: queue.Error, Description: err.Error()}
	if isTimeout(err) {
		result.Result = queue.Timeout
		result.Description = "no connection in time to " + connect.String()
	}
	result.Description = name(mta) + ": " + result.Description
	return &delivery.Failure{Result: result, Cause: err}
}

// refused is the failure of a proxy that did not connect to the target.
func refused(ctx context.Context, mta *MTA, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	f := &delivery.Failure{Cause: err}
	f.Result = queue.Result{State: queue.StateHandshake, Result: queue.Lost, Code: 451, Status: "4.4.2",
		Description: err.Error()}
	var refusal *refusal
	switch {
	case errors.As(err, &refusal):
		f.Result.Result, f.Result.Status, f.Temporary = queue.Error, refusal.status, refusal.elsewhere
	case errors.Is(err, errNonsense):
		f.Result.Result = queue.Invalid
	case isTimeout(err):
		f.Result.Result, f.Result.Description = queue.Timeout, "no answer in time"
	}
	f.Result.Description = name(mta) + ": " + f.Result.Description
	return f
}

func name(mta *MTA) string {
	if mta.Protocol == NAT {
		return fmt.Sprintf("nat router %s", mta.Connect.Addr())
	}
	return fmt.Sprintf("%s proxy %s", mta.Protocol, mta.Connect)
}

// errNonsense says that the other end does not speak the protocol.
var errNonsense = errors.New("not an answer of such a proxy")

// refusal is a proxy's answer that it did not connect.
type refusal struct {
	text      string
	status    string // enhanced status code for the mail
	elsewhere bool   // another target may be better
}

func (r *refusal) Error() string { return r.text }

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
