package smtpin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/monitor"
)

// mail is what a session received.
type mail struct {
	from string
	to   []string
	opts *smtp.MailOptions
	more *MailOptions // with the add-on
	rcpt []*smtp.RcptOptions
	body string
	with string // Conn.Protocol
	user string

	remote, local string
}

// recorder is a backend whose sessions keep the mails and refuse on request.
type recorder struct {
	auth, lines, each, ctx bool // which add-ons its sessions have
	refuse                 map[string]error
	panics                 string // the stage that panics
	early                  bool   // Data fails or succeeds before it reads
	partly                 bool   // Data reads a few octets only

	mu      sync.Mutex
	mails   []mail
	resets  int
	logouts int
	dataErr []error // what reading a mail gave
}

func (r *recorder) NewSession(ctx context.Context, c *Conn) (smtp.Session, error) {
	if err := r.at("hello"); err != nil {
		return nil, err
	}
	s := &plain{r: r, c: c}
	switch {
	case r.auth:
		return &withAuthenticator{s, ctx, users}, nil
	case r.lines:
		return &withLines{s}, nil
	case r.each:
		return &withEach{s}, nil
	case r.ctx:
		return &withContext{s}, nil
	}
	return s, nil
}

func (r *recorder) at(stage string) error {
	if r.panics == stage {
		panic("on purpose at " + stage)
	}
	return r.refuse[stage]
}

func (r *recorder) got() []mail {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]mail(nil), r.mails...)
}

// plain is a session as written for go-smtp.
type plain struct {
	r *recorder
	c *Conn
	m mail
}

func (s *plain) Mail(from string, opts *smtp.MailOptions) error {
	if err := s.r.at("mail"); err != nil {
		return err
	}
	s.m = mail{from: from, opts: opts}
	return nil
}

func (s *plain) Rcpt(to string, opts *smtp.RcptOptions) error {
	if err := s.r.at("rcpt"); err != nil {
		return err
	}
	if err := s.r.at("rcpt " + to); err != nil {
		return err
	}
	s.m.to = append(s.m.to, to)
	s.m.rcpt = append(s.m.rcpt, opts)
	return nil
}

func (s *plain) Data(r io.Reader) error {
	if s.r.early {
		return s.r.at("data")
	}
	if s.r.partly {
		io.ReadFull(r, make([]byte, 5))
		return s.r.at("data")
	}
	body, err := io.ReadAll(r)
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if err != nil {
		s.r.dataErr = append(s.r.dataErr, err)
		return err
	}
	if err := s.r.at("data"); err != nil {
		return err
	}
	s.m.body, s.m.with, s.m.user = string(body), s.c.Protocol(), s.c.User()
	s.m.remote, s.m.local = s.c.Remote().String(), s.c.Local().String()
	s.r.mails = append(s.r.mails, s.m)
	return nil
}

func (s *plain) Reset() {
	s.m = mail{}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.resets++
}

func (s *plain) Logout() error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.logouts++
	return nil
}

type withAuthenticator struct {
	*plain
	ctx context.Context
	a   auth.Authenticator
}

func (s *withAuthenticator) AuthMechanisms() []string { return AuthMechanisms() }

func (s *withAuthenticator) Auth(mechanism string) (sasl.Server, error) {
	return NewAuthServer(s.ctx, s.c, s.a, mechanism)
}

// users knows one user, and some that bring it into trouble.
var users = auth.Func(func(_ context.Context, l auth.Login) error {
	switch {
	case l.Username == "broken":
		return errors.New("directory is down")
	case l.Username == "guessed":
		return fmt.Errorf("guard: %w", &auth.Limited{})
	case l.Service != "smtp" || !l.Client.IsValid():
		return errors.New("says neither who nor what")
	case l.Username != "user" || l.Password != "secret":
		return fmt.Errorf("table: %w", auth.ErrRejected)
	}
	return nil
})

type withLines struct{ *plain }

func (s *withLines) DataReply(_ context.Context, r io.Reader) (*smtp.SMTPError, error) {
	if err := s.Data(r); err != nil {
		return nil, err
	}
	text := "Stored"
	for i, to := range s.m.to {
		text += fmt.Sprintf("\nid%d for %s", i+1, to)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.NoEnhancedCode, Message: text}, nil
}

type withEach struct{ *plain }

func (s *withEach) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	if err := s.Data(r); err != nil {
		return err
	}
	for _, to := range s.m.to {
		if err := s.r.refuse["each "+to]; err != nil {
			status.SetStatus(to, err)
		}
	}
	return nil
}

type withContext struct{ *plain }

func (s *withContext) MailContext(ctx context.Context, from string, opts *MailOptions) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := s.plain.Mail(from, &opts.MailOptions)
	s.m.more = opts
	if p := opts.Priority; p != nil && *p > 5 {
		opts.Priority = new(5)
	}
	return err
}

func (s *withContext) RcptContext(ctx context.Context, to string, opts *smtp.RcptOptions) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.plain.Rcpt(to, opts)
}

// events is a monitor that keeps events and a transcript.
type events struct {
	mu     sync.Mutex
	kinds  []monitor.Kind
	codes  []int
	script strings.Builder
}

func (e *events) Observe(ev *monitor.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kinds = append(e.kinds, ev.Kind)
	e.codes = append(e.codes, ev.Code)
}

func (e *events) Tap(monitor.Session) monitor.Transcript { return e }
func (e *events) Watched() bool                          { return true }
func (e *events) Close()                                 {}

func (e *events) Line(d monitor.Direction, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	mark := "> "
	if d == monitor.FromRemote {
		mark = "< "
	}
	for line := range strings.Lines(string(data)) {
		e.script.WriteString(mark + line)
	}
}

func (e *events) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.script.String()
}

// serve starts a server on loopback and returns its address.
func serve(t *testing.T, s *Server, policy *Listener) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveOn(t, s, policy, l)
	return l.Addr().String()
}

func serveOn(t *testing.T, s *Server, policy *Listener, l net.Listener) {
	t.Helper()
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Hostname == "" {
		s.Hostname = "mx.test"
	}
	if policy == nil {
		policy = &Listener{}
	}
	done := make(chan error, 1)
	go func() { done <- s.ServeListener(l, policy) }()
	t.Cleanup(func() {
		s.Close()
		require.ErrorIs(t, <-done, ErrServerClosed)
	})
}

// pipes is a listener whose connections are in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// client is a connection of a test.
type client struct {
	t *testing.T
	net.Conn
	buf []byte
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	require.NoError(t, err)
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, Conn: nc}
}

func (c *client) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

// line reads a line of a reply; "" when the connection has ended.
func (c *client) line() string {
	c.t.Helper()
	for {
		if i := strings.Index(string(c.buf), "\r\n"); i >= 0 {
			line := string(c.buf[:i])
			c.buf = c.buf[i+2:]
			return line
		}
		p := make([]byte, 4096)
		n, err := c.Read(p)
		c.buf = append(c.buf, p[:n]...)
		if err != nil {
			var timeout net.Error
			require.False(c.t, errors.As(err, &timeout) && timeout.Timeout(), "the server says nothing; so far %q", c.buf)
			require.Empty(c.t, string(c.buf), "half a line before the end")
			return ""
		}
	}
}

// reply reads a whole reply and returns its lines without code, and the code.
func (c *client) reply() (code string, lines []string) {
	c.t.Helper()
	for {
		line := c.line()
		if len(line) < 4 {
			return line, lines
		}
		lines = append(lines, line[4:])
		if line[3] == ' ' {
			return line[:3], lines
		}
	}
}

// expect sends commands and checks the code of each reply.
func (c *client) expect(text string, codes ...string) {
	c.t.Helper()
	if text != "" {
		c.send(text)
	}
	for _, want := range codes {
		got, lines := c.reply()
		require.Equal(c.t, want, got, "reply to %.100q: %v", text, lines)
	}
}
