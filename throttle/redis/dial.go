package redis

import (
	"context"
	"net"
	"time"
)

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// quietly dials for go-redis, whose pool writes each failure to a log of its own that only a global variable silences:
// it gets a connection instead that fails when it is used, and the error comes back to us.
func quietly(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		if err != nil {
			return failed{err}, nil
		}
		return nc, nil
	}
}

// failed is a connection that could not be made.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error)         { return 0, f.err }
func (f failed) Write([]byte) (int, error)        { return 0, f.err }
func (f failed) Close() error                     { return nil }
func (f failed) LocalAddr() net.Addr              { return nowhere{} }
func (f failed) RemoteAddr() net.Addr             { return nowhere{} }
func (f failed) SetDeadline(time.Time) error      { return nil }
func (f failed) SetReadDeadline(time.Time) error  { return nil }
func (f failed) SetWriteDeadline(time.Time) error { return nil }

type nowhere struct{}

func (nowhere) Network() string { return "tcp" }
func (nowhere) String() string  { return "nowhere" }
