package rabbitmq

import (
	"net"
	"sync"
)

// pipe gathers what is written between hold and release: the library writes a message of 10 KiB in three parts, and
// each part that goes alone wakes the broker.
type pipe struct {
	net.Conn

	mu   sync.Mutex
	held bool
	buf  []byte
}

// maxPipe is how much is gathered.
const maxPipe = 64 << 10

// Write implements net.Conn.
func (p *pipe) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held && len(p.buf)+len(data) <= maxPipe {
		p.buf = append(p.buf, data...)
		return len(data), nil
	}
	if err := p.flush(); err != nil {
		return 0, err
	}
	return p.Conn.Write(data)
}

// flush writes what was gathered. The lock is held.
func (p *pipe) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := p.Conn.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

// hold begins to gather.
func (p *pipe) hold() {
	p.mu.Lock()
	p.held = true
	p.mu.Unlock()
}

// release ends that. When the rest cannot be written the connection ends, as after any other write that failed.
func (p *pipe) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	if p.flush() != nil {
		_ = p.Conn.Close()
	}
}
