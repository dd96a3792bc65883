package frame

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// connLimit counts the connections of all listeners of a server.
type connLimit struct {
	most      int // zero: unlimited
	used      atomic.Int64
	lingering atomic.Int64
}

func (l *connLimit) enter() bool {
	if n := l.used.Add(1); l.most > 0 && n > int64(l.most) {
		l.used.Add(-1)
		return false
	}
	return true
}

// limitedListener refuses connections beyond the limit. It never waits for one to end, so that every client
// is answered.
type limitedListener struct {
	net.Listener
	limit  *connLimit
	polite bool // there is no TLS: a refusal can be read
}

// Accept returns the next connection that is within the limit.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.limit.enter() {
			return &countedConn{Conn: nc, limit: l.limit}, nil
		}
		if !l.polite || l.limit.lingering.Add(1) > maxLingering {
			if l.polite {
				l.limit.lingering.Add(-1)
			}
			nc.Close()
			continue
		}
		go func() { defer l.limit.lingering.Add(-1); refuse(nc) }()
	}
}

// refuse answers whatever is asked, and waits a moment so that the answer is not lost with what was not read.
func refuse(nc net.Conn) {
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(lingerTime))
	const text = "Too many connections to the console. Close a page, or try again in a minute.\n"
	_,
		_ = io.WriteString(nc,
		"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 60\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+text)
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(nc, 64<<10))
}

// countedConn is counted until it is closed, web sockets included.
type countedConn struct {
	net.Conn
	limit *connLimit
	once  sync.Once
}

// Close ends the connection and makes room.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.limit.used.Add(-1) })
	return c.Conn.Close()
}
