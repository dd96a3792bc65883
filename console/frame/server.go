package frame

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/certfile"
)

// Server gives a handler its ports. Call Listen, then Serve, which returns when Shutdown or Close was called.
type Server struct {
	// Handler answers; a *Console, as a rule. It is needed by Serve.
	Handler http.Handler
	// Addresses are listened on without TLS, SecureAddresses with it: "127.0.0.1:8485". When there are both, those
	// without TLS only send browsers to the others, but for /healthz and /readyz.
	Addresses, SecureAddresses []string
	// Certificate and Key are PEM files, read again when they change. They are needed for SecureAddresses.
	Certificate, Key string
	// Names are what this server is called, the preferred one first, beside the names in the certificate and its
	// addresses: browsers are only sent to these.
	Names []string
	// Bind takes an address for Listen, which lets clients in when that suits the caller. Nil: net.Listen.
	Bind func(network, address string) (net.Listener, error)
	// CipherSuites are those of TLS up to 1.2. Nil: what Go thinks best.
	CipherSuites []uint16
	// Connections is how many there may be at a time, web sockets included; more are told to come back. Zero:
	// unlimited.
	Connections int
	// Logger hears of connections that fail before they are requests. Nil: slog.Default.
	Logger *slog.Logger

	once      sync.Once
	plain     http.Server
	secure    http.Server
	listeners []net.Listener // those of plain first
	plains    int
	files     *certfile.File // nil: there is no TLS
	limit     connLimit
}

// Limits of every connection. Pages bound their own requests more tightly.
const (
	headerTime   = 10 * time.Second // to send a header, or to shake hands
	readTime     = 5 * time.Minute  // to send a request with its body
	idleTime     = 2 * time.Minute  // between requests
	maxHeader    = 32 << 10
	lingerTime   = 500 * time.Millisecond
	maxLingering = 64
)

func (s *Server) prepare() {
	s.limit.most = s.Connections
	for _, h := range []*http.Server{&s.plain, &s.secure} {
		h.ReadHeaderTimeout, h.ReadTimeout, h.IdleTimeout = headerTime, readTime, idleTime
		h.MaxHeaderBytes = maxHeader
		h.ErrorLog = slog.NewLogLogger(s.log().Handler(), slog.LevelDebug)
	}
}

func (s *Server) log() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}

// Listen opens the ports. When it fails, none is open.
func (s *Server) Listen() error {
	s.once.Do(s.prepare)
	if len(s.SecureAddresses) > 0 {
		files := &certfile.File{Cert: s.Certificate, Key: s.Key, Logger: s.log()}
		if s.Certificate == "" || s.Key == "" {
			return errors.New("console: HTTPS needs a certificate and its key")
		}
		if err := files.Load(); err != nil {
			return fmt.Errorf("console: %w", err)
		}
		s.files = files
		s.secure.TLSConfig = &tls.Config{GetCertificate: files.GetCertificate, MinVersion: tls.VersionTLS12,
			CipherSuites: s.CipherSuites, NextProtos: []string{"h2", "http/1.1"}}
	}
	for i, address := range append(append([]string(nil), s.Addresses...), s.SecureAddresses...) {
		listener, err := s.bind("tcp", address)
		if err != nil {
			for _, open := range s.listeners {
				open.Close()
			}
			s.listeners = nil
			return fmt.Errorf("console: %w", err)
		}
		s.listeners = append(s.listeners, listener)
		if i < len(s.Addresses) {
			s.plains++
		}
	}
	return nil
}

func (s *Server) bind(network, address string) (net.Listener, error) {
	if s.Bind != nil {
		return s.Bind(network, address)
	}
	return net.Listen(network, address)
}

// Addrs returns the addresses that Listen opened, those without TLS first.
func (s *Server) Addrs() []net.Addr {
	addresses := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addresses[i] = l.Addr()
	}
	return addresses
}

// Serve answers until Shutdown or Close, and returns nil then.
func (s *Server) Serve() error {
	s.plain.Handler, s.secure.Handler = s.Handler, s.Handler
	if len(s.SecureAddresses) > 0 {
		s.plain.Handler = http.HandlerFunc(s.redirect)
	}
	failed := make(chan error, len(s.listeners))
	for i, l := range s.listeners {
		go func() {
			var err error
			limited := &limitedListener{Listener: l, limit: &s.limit, polite: i < s.plains}
			if i < s.plains {
				err = s.plain.Serve(limited)
			} else {
				err = s.secure.ServeTLS(limited, "", "")
			}
			if errors.Is(err, http.ErrServerClosed) {
				err = nil
			}
			failed <- err
		}()
	}
	var first error
	for range s.listeners {
		if err := <-failed; err != nil && first == nil {
			first = fmt.Errorf("console: %w", err)
			_ = s.Close()
		}
	}
	return first
}

// Shutdown accepts nobody any more, ends live data, and waits for the requests under way.
func (s *Server) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, ok := s.Handler.(interface{ Close() error }); ok {
			_ = c.Close()
		}
	}()
	err := errors.Join(s.plain.Shutdown(ctx), s.secure.Shutdown(ctx))
	s.closeListeners()
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	return err
}

// Close ends everything at once.
func (s *Server) Close() error {
	err := errors.Join(s.plain.Close(), s.secure.Close())
	s.closeListeners()
	return err
}

// closeListeners closes listeners that were never served; the others are closed already.
func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		l.Close()
	}
}

// redirect sends a browser to the same page over TLS.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		s.Handler.ServeHTTP(w, r)
		return
	}
	host := s.ownHost(r)
	if host == "" {
		http.Error(w, "a Host header is needed", http.StatusBadRequest)
		return
	}
	port := s.listeners[s.plains].Addr().(*net.TCPAddr).Port
	if port != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(port))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
}

// ownHost is the host that a request asks for, without its port and brackets, if it is one of ours; anybody can write
// any other there. Then it is what we are called, or the address that the request came to.
func (s *Server) ownHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if host = trimBrackets(host); host == "" {
		return ""
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if s.isOwn(host, local) {
		return host
	}
	for _, name := range s.Names {
		if name != "" {
			return name
		}
	}
	if local == nil {
		return ""
	}
	return local.IP.String()
}

// isOwn reports whether a host is one of Names, of the certificate's, or the address that a connection came to.
func (s *Server) isOwn(host string, local *net.TCPAddr) bool {
	if slices.ContainsFunc(s.Names, func(name string) bool { return strings.EqualFold(name, host) }) {
		return true
	}
	if local != nil {
		if ip := net.ParseIP(host); ip != nil && ip.Equal(local.IP) ||
			local.IP.IsLoopback() && strings.EqualFold(host, "localhost") {
			return true
		}
	}
	if s.files == nil {
		return false
	}
	cert, err := s.files.GetCertificate(nil)
	return err == nil && cert.Leaf != nil && cert.Leaf.VerifyHostname(host) == nil
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}
