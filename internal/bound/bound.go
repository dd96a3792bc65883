// Package bound opens ports in two steps, for programs that become another user in between and take long to start: Bind
// takes the address, which may need privileges, and Listen lets clients in. Until then the port refuses them, as if the
// program did not run.
package bound

import (
	"errors"
	"net"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// backlog is how many connections may wait to be accepted; the kernel lowers it to net.core.somaxconn.
const backlog = 1<<16 - 1

// Listener is an address that is taken. Its methods are safe for concurrent use.
type Listener struct {
	addr *net.TCPAddr

	mu       sync.Mutex
	socket   int // -1: it is closed, or listener has it
	listener net.Listener
}

// Bind takes an address of TCP as net.Listen does: without a host, or with the unspecified one of IPv4, it is both
// families. Errors are those of net.Listen.
func Bind(network, address string) (*Listener, error) {
	addr, err := net.ResolveTCPAddr(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	socket, err := bind(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	if name, err := unix.Getsockname(socket); err == nil {
		addr.Port = portOf(name)
	}
	return &Listener{addr: addr, socket: socket}, nil
}

// bind makes a socket that is bound to an address and does not listen.
func bind(addr *net.TCPAddr) (int, error) {
	v4 := addr.IP.To4()
	if v4 != nil && !v4.IsUnspecified() {
		return bindTo(unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(v4)})
	}
	name := &unix.SockaddrInet6{Port: addr.Port}
	if v4 == nil && addr.IP != nil {
		name.Addr = [16]byte(addr.IP.To16())
	}
	if addr.Zone != "" {
		i, err := net.InterfaceByName(addr.Zone)
		if err != nil {
			return -1, err
		}
		name.ZoneId = uint32(i.Index)
	}
	socket, err := bindTo(unix.AF_INET6, name)
	if errors.Is(err, unix.EAFNOSUPPORT) && (addr.IP == nil || v4 != nil) { // a kernel without IPv6
		return bindTo(unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port})
	}
	return socket, err
}

func bindTo(family int, name unix.Sockaddr) (int, error) {
	socket, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	if err == nil && family == unix.AF_INET6 {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0))
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(socket, name))
	}
	if err != nil {
		unix.Close(socket)
		return -1, err
	}
	return socket, nil
}

func portOf(name unix.Sockaddr) int {
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return name.Port
	case *unix.SockaddrInet6:
		return name.Port
	}
	return 0
}

// Listen lets clients in. It fails when another program, bound to the same address, was faster.
func (l *Listener) Listen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		return nil
	}
	if l.socket < 0 {
		return net.ErrClosed
	}
	if err := unix.Listen(l.socket, backlog); err != nil {
		return &net.OpError{Op: "listen", Net: "tcp", Addr: l.addr, Err: os.NewSyscallError("listen", err)}
	}
	file := os.NewFile(uintptr(l.socket), net.JoinHostPort(l.addr.IP.String(), strconv.Itoa(l.addr.Port)))
	l.socket = -1
	defer file.Close() // FileListener has a copy of it
	var err error
	l.listener, err = net.FileListener(file)
	return err
}

// Accept is that of net.Listener; it listens first when nobody has said so.
func (l *Listener) Accept() (net.Conn, error) {
	if err := l.Listen(); err != nil {
		return nil, err
	}
	return l.listener.Accept()
}

// Close gives the address back.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		return l.listener.Close()
	}
	if l.socket < 0 {
		return net.ErrClosed
	}
	defer func() { l.socket = -1 }()
	return unix.Close(l.socket)
}

// Addr is the address, with the port that was given when any was asked for.
func (l *Listener) Addr() net.Addr { return l.addr }
