package smtpin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ListenAndServe listens on the addresses of s.Listeners and serves them until Shutdown or Close, or until one of them
// fails: then the others are closed too. It always returns an error, ErrServerClosed in the good case.
func (s *Server) ListenAndServe() error {
	if len(s.Listeners) == 0 {
		return errors.New("smtpin: server has no listeners")
	}
	sockets := make([]net.Listener, 0, len(s.Listeners))
	for _, l := range s.Listeners {
		network := "tcp"
		if strings.Contains(l.Addr, "/") {
			network = "unix"
		}
		socket, err := net.Listen(network, l.Addr)
		if err != nil {
			closeAll(sockets)
			return fmt.Errorf("smtpin: %w", err)
		}
		sockets = append(sockets, socket)
	}
	failed := make(chan error, len(sockets))
	for i, socket := range sockets {
		go func() { failed <- s.ServeListener(socket, s.Listeners[i]) }()
	}
	err := <-failed
	closeAll(sockets)
	for range sockets[1:] {
		<-failed
	}
	return err
}

func closeAll(sockets []net.Listener) {
	for _, socket := range sockets {
		socket.Close()
	}
}

// Serve serves l with a zero Listener: clients on loopback, STARTTLS where there is TLS. See ServeListener.
func (s *Server) Serve(l net.Listener) error { return s.ServeListener(l, &Listener{}) }

// ServeListener accepts connections from l under a policy, and closes l at the end. It returns ErrServerClosed after
// Shutdown or Close. When accepting fails for a lack of resources it tries again, waiting longer each time; other
// errors are returned.
//
// With BusyWait a connection waits for a slot before anything is said to it. The loop takes the next one from the
// accept queue only then, so that one connection a socket waits here and all others in the kernel.
func (s *Server) ServeListener(l net.Listener, policy *Listener) error {
	defer l.Close()
	if s.Backend == nil {
		return errors.New("smtpin: server has no Backend")
	}
	if !s.track(l) {
		return ErrServerClosed
	}
	defer s.untrack(l)
	for {
		nc, err := s.accept(l)
		if err != nil {
			if s.base.Err() != nil || s.isClosing() {
				return ErrServerClosed
			}
			return fmt.Errorf("smtpin: %w", err)
		}
		if s.Suspended(policy) {
			s.turnAway(nc, policy, "This service is stopped for a while, try again later")
			continue
		}
		if !s.acquire(nc, policy) {
			nc.Close()
			continue
		}
		s.open(nc, policy)
	}
}

// accept takes a connection, patiently.
func (s *Server) accept(l net.Listener) (net.Conn, error) {
	pause := 5 * time.Millisecond
	for {
		nc, err := l.Accept()
		if err == nil || !passing(err) || s.isClosing() {
			return nc, err
		}
		s.logger().Error("cannot accept connections for now", "listener", l.Addr().String(), "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-s.base.Done():
			return nil, err
		}
		pause = min(2*pause, time.Second)
	}
}

// passing reports whether an error of accept may go away: see accept(2).
func passing(err error) bool {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return false
	}
	switch number {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR,
		syscall.EPROTO, syscall.EPERM, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		return true
	}
	return false
}

// acquire gets a slot for a connection; false: it is to be closed.
func (s *Server) acquire(nc net.Conn, policy *Listener) bool {
	if s.slots.TryAcquire() {
		return true
	}
	if s.Busy != BusyReject {
		return s.slots.Acquire(s.intake) == nil
	}
	s.turnAway(nc, policy, "Too many connections, try again later")
	return false
}

// open starts a session, which gives the slot back.
func (s *Server) open(nc net.Conn, policy *Listener) {
	c := newSession(s, nc, policy)
	c.slot = true
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		s.slots.Release()
		c.cancel()
		c.w.Release()
		return
	}
	s.sessions[c] = struct{}{}
	s.wait.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wait.Done()
		defer s.forget(c)
		c.run()
	}()
}

// forget gives back what a session held.
func (s *Server) forget(c *session) {
	c.leave()
	if c.slot {
		s.slots.Release()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	if s.closing {
		return false
	}
	s.sockets[l] = struct{}{}
	return true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, l)
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// stop closes the sockets and calls f for each session.
func (s *Server) stop(f func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	s.closing = true
	s.stopIntake()
	for l := range s.sockets {
		l.Close()
	}
	for c := range s.sessions {
		f(c)
	}
}

// Shutdown accepts no more connections, lets mails that have begun come to their end, says 421 to clients that have
// none, and returns when all connections are closed. When ctx ends earlier its error is returned, and connections live
// on until Close.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop(func(c *session) { c.w.Interrupt() })
	done := make(chan struct{})
	go func() {
		s.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes all sockets and connections and waits for the sessions to return from what they are doing. It must not
// be called from a session.
func (s *Server) Close() error {
	s.stop(func(c *session) { c.w.Abort() })
	s.cancel()
	s.wait.Wait()
	return nil
}

// addrPort returns an address of a connection; it is not valid for one that is not TCP. It has no zone: a prefix
// contains no address with one.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
