package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	// lastAfter is how many tries in a row go unanswered before a server is asked last.
	lastAfter = 2
	// lastFor is for how long it is asked last then.
	lastFor = 30 * time.Second
	// refusalHolds is for how long nobody asks a server again at which nothing listens: a machine with much mail to send
	// and no resolver would do nothing else.
	refusalHolds = time.Second
	// checkFiles is how often resolv.conf and hosts are looked at.
	checkFiles = 5 * time.Second
)

// server is one recursive server, with the sockets to it.
type server struct {
	address string // host:port

	unanswered atomic.Int32
	lastUntil  atomic.Int64 // until, in Unix nanoseconds
	refusal    atomic.Pointer[refusal]

	mu      sync.Mutex
	sockets []*socket
}

// send sends a question over one of the server's sockets; see socket.send.
func (s *server) send(r *Resolver, packet []byte, question dns.Question, replies chan<- reply) (cancel func(),
	err error) {
	for {
		sock, err := s.socket(r)
		if err != nil {
			return nil, err
		}
		cancel, done, err := sock.send(packet, question, replies)
		if done || err != nil {
			return cancel, err
		}
	}
}

// socket returns one of the server's sockets, a new one in place of one that is worn.
func (s *server) socket(r *Resolver) (*socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets == nil {
		s.sockets = make([]*socket, r.opts.Sockets)
	}
	i := rand.IntN(len(s.sockets))
	if s.sockets[i] == nil || s.sockets[i].worn() {
		sock, err := openSocket(r, s)
		if err != nil {
			return nil, err
		}
		s.sockets[i] = sock // a worn one closes itself when its last answer came
	}
	return s.sockets[i], nil
}

// heard notes that the server lives.
func (s *server) heard() {
	if s.unanswered.Load() != 0 {
		s.unanswered.Store(0)
		s.lastUntil.Store(0)
	}
}

// silent notes a try without an answer.
func (s *server) silent(now time.Time) {
	if s.unanswered.Add(1) >= lastAfter {
		s.lastUntil.Store(now.Add(lastFor).UnixNano())
	}
}

// refusal is the network's word that nothing listens at a server.
type refusal struct {
	cause error
	until time.Time
}

// refused notes that a try came back.
func (s *server) refused(cause error, now time.Time) {
	for _, code := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(cause, code) {
			s.refusal.Store(&refusal{cause, now.Add(refusalHolds)})
		}
	}
}

// refusing returns the failure of a question that no server is there to be asked, nil when one may be.
func refusing(servers []*server, now time.Time) *Error {
	var e *Error
	for _, s := range servers {
		r := s.refusal.Load()
		if r == nil || !now.Before(r.until) {
			return nil
		}
		e = &Error{Kind: Timeout, Server: s.address, Cause: r.cause}
	}
	return e
}

// serverList is where the servers come from: the options, or resolv.conf as it is now.
type serverList struct {
	rotate  bool
	file    watchedFile // of resolv.conf; unused when the servers are fixed
	fixed   bool
	turn    atomic.Uint32
	current atomic.Pointer[[]*server]
	mu      sync.Mutex // held while reading the file
}

func newServerList(opts Options) (*serverList, error) {
	l := &serverList{rotate: opts.Rotate}
	if len(opts.Servers) > 0 {
		l.fixed = true
		return l, l.set(opts.Servers)
	}
	l.file.path = opts.ResolvConf
	return l, l.load(time.Now())
}

// set makes the addresses the current servers. Those that were there before keep their sockets.
func (l *serverList) set(addresses []string) error {
	var old []*server
	if current := l.current.Load(); current != nil {
		old = *current
	}
	var servers []*server
	for _, text := range addresses {
		address, err := serverAddress(text)
		if err != nil {
			return err
		}
		same := func(s *server) bool { return s.address == address }
		if slices.ContainsFunc(servers, same) {
			continue
		}
		if i := slices.IndexFunc(old, same); i >= 0 {
			servers = append(servers, old[i])
		} else {
			servers = append(servers, &server{address: address})
		}
	}
	l.current.Store(&servers)
	return nil
}

// serverAddress brings an address into the form host:port, with port 53 when there is none.
func serverAddress(text string) (string, error) {
	text = strings.TrimSpace(text)
	bare := text
	if strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
		bare = bare[1 : len(bare)-1]
	}
	if ip, err := netip.ParseAddr(bare); err == nil {
		return netip.AddrPortFrom(ip, 53).String(), nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Port() == 0 {
		return "", fmt.Errorf("DNS server %q: expected an address such as 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53", text)
	}
	return ap.String(), nil
}

// load reads resolv.conf if it changed since the last time.
func (l *serverList) load(now time.Time) error {
	if !l.mu.TryLock() {
		return nil // somebody else is at it
	}
	defer l.mu.Unlock()
	content, changed, err := l.file.read(now)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !changed && l.current.Load() != nil {
		return nil
	}
	conf, err := dns.ClientConfigFromReader(strings.NewReader(content))
	if err != nil {
		return fmt.Errorf("%s: %w", l.file.path, err)
	}
	var usable []string
	for _, s := range conf.Servers {
		if _, err := serverAddress(s); err == nil {
			usable = append(usable, s)
		}
	}
	if len(usable) == 0 {
		usable = []string{"127.0.0.1"}
	}
	return l.set(usable)
}

// order returns the servers in the order in which to ask them.
func (l *serverList) order(now time.Time) []*server {
	if !l.fixed && l.file.due(now) {
		_ = l.load(now) // the servers known so far go on serving
	}
	servers := slices.Clone(*l.current.Load())
	if l.rotate && len(servers) > 1 {
		first := int(l.turn.Add(1)-1) % len(servers)
		servers = append(servers[first:len(servers):len(servers)], servers[:first]...)
	}
	at := now.UnixNano()
	slices.SortStableFunc(servers, func(a, b *server) int {
		return boolInt(a.lastUntil.Load() > at) - boolInt(b.lastUntil.Load() > at)
	})
	return servers
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// watchedFile is a small text file that is read again when it changed.
type watchedFile struct {
	path    string
	next    atomic.Int64 // when to look again, in Unix nanoseconds
	modTime time.Time
	size    int64
}

const maxFile = 1 << 20

// due reports whether it is time to look at the file.
func (f *watchedFile) due(now time.Time) bool { return now.UnixNano() >= f.next.Load() }

// read returns the content when it changed since the last call. Calls must not overlap.
func (f *watchedFile) read(now time.Time) (content string, changed bool, err error) {
	f.next.Store(now.Add(checkFiles).UnixNano())
	info, err := os.Stat(f.path)
	if err != nil {
		changed = !f.modTime.IsZero()
		f.modTime, f.size = time.Time{}, 0
		return "", changed, err
	}
	if info.ModTime().Equal(f.modTime) && info.Size() == f.size {
		return "", false, nil
	}
	if info.Size() > maxFile {
		return "", false, fmt.Errorf("%s: larger than %d bytes", f.path, maxFile)
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return "", false, err
	}
	f.modTime, f.size = info.ModTime(), info.Size()
	return string(data), true, nil
}

// askTCP sends a packet over TCP and returns the answer.
func askTCP(ctx context.Context, r *Resolver, srv *server, packet []byte, question dns.Question) (*dns.Msg, error) {
	conn, err := r.opts.Dial(ctx, "tcp", srv.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	return exchangeTCP(conn, packet, question)
}

func exchangeTCP(conn net.Conn, packet []byte, question dns.Question) (*dns.Msg, error) {
	c := &dns.Conn{Conn: tcpOnly{conn}}
	if _, err := c.Write(packet); err != nil {
		return nil, err
	}
	data, err := c.ReadMsgHeader(nil)
	if err != nil {
		return nil, err
	}
	msg := new(dns.Msg)
	if err := msg.Unpack(data); err != nil {
		return nil, err
	}
	if data[0] != packet[0] || data[1] != packet[1] || !answers(msg, question) {
		return nil, errors.New("answer to another question")
	}
	return msg, nil
}

// tcpOnly hides what else a connection can do, so that the DNS library frames messages as on TCP whatever Dial
// returned.
type tcpOnly struct{ net.Conn }
