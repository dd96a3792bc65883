package smtpout_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// mailbox is a go-smtp back end that keeps what it gets.
type mailbox struct {
	mu    sync.Mutex
	mails []received
}

type received struct {
	from, to, body string
	mail           smtp.MailOptions
	rcpt           smtp.RcptOptions
}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &boxSession{box: b}, nil }

type boxSession struct {
	box *mailbox
	received
}

func (s *boxSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *boxSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "user" || password != "secret" {
			return errors.New("wrong")
		}
		return nil
	}), nil
}
func (s *boxSession) Mail(from string, opts *smtp.MailOptions) error {
	s.from, s.mail = from, *opts
	return nil
}
func (s *boxSession) Rcpt(to string, opts *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.to, s.rcpt = to, *opts
	return nil
}
func (s *boxSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	s.body = string(body)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.mails = append(s.box.mails, s.received)
	return err
}
func (s *boxSession) Reset()        {}
func (s *boxSession) Logout() error { return nil }

func startGoSMTP(t *testing.T) (*mailbox, netip.AddrPort) {
	box := &mailbox{}
	server := smtp.NewServer(box)
	server.Domain = "mx.example.org"
	server.EnableSMTPUTF8, server.EnableBINARYMIME, server.EnableDSN = true, true, true
	server.MaxMessageBytes = 1 << 20
	server.TLSConfig = serverConfig()
	server.ErrorLog = quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return box, l.Addr().(*net.TCPAddr).AddrPort()
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// TestGoSMTP delivers to go-smtp's server over real sockets: TLS, AUTH, overlap, a refused recipient, BDAT, DSN.
func TestGoSMTP(t *testing.T) {
	box, addr := startGoSMTP(t)
	sender := &smtpout.Sender{TLS: trusting(t)}
	hop := &delivery.Hop{Source: netip.MustParseAddr("127.0.0.1"), Target: addr, Host: "mx.example.org",
		Domain:   "example.org",
		Hostname: "client.example.com", Security: queue.Verified,
		Credentials: &delivery.Credentials{Username: "user", Password: "secret"}}
	conn, err := sender.Open(t.Context(), hop)
	require.NoError(t, err)
	mails := []string{"Subject: a\r\n\r\n.dots\r\n..\r\n", "Subject: b\r\n\r\nto nobody\r\n", "Subject: bin\n\n\x00\r\x01",
		strings.Repeat("0123456\r\n", 50_000), "", "é\r\n"}
	txs := make([]*delivery.Transaction, len(mails))
	for i := range txs {
		txs[i] = &delivery.Transaction{Body: queue.Bytes(mails[i]),
			Message: &queue.Message{Envelope: "from@example.com", Recipient: fmt.Sprintf("to%d@example.org", i),
				DSN: &queue.DSN{Notify: []string{"FAILURE", "DELAY"}, Ret: "HDRS", EnvID: "a+b=c", ORcpt: "old+x@example.org"}}}
	}
	txs[1].Message.Recipient = "nobody@example.org"
	for i, tx := range txs {
		conn.Deliver(t.Context(), tx, append(txs, nil)[i+1])
		if i == 1 {
			require.Equal(t, "550 5.1.1 no such user", tx.Text)
			require.Equal(t, queue.StateRcptTo, tx.Result.State)
			continue
		}
		require.True(t, tx.Result.Success(), "%d: %+v", i, tx.Result)
		require.Equal(t, "127.0.0.1", tx.Result.From)
		require.Equal(t, "127.0.0.1", tx.Result.To)
		require.Equal(t, "mx.example.org", tx.Result.MTA)
		require.Equal(t, "PLAIN", tx.Result.Authentication)
		require.True(t, tx.Result.DSN)
		require.True(t, tx.Result.Certificate.Verified)
		require.Equal(t, i+1, tx.Result.Messages)
	}
	require.NoError(t, conn.Close())
	require.Len(t, box.mails, len(mails)-1)
	for i, got := range box.mails {
		if i > 0 {
			i++
		}
		require.Equal(t, mails[i], got.body)
		require.Equal(t, "from@example.com", got.from)
		require.Equal(t, fmt.Sprintf("to%d@example.org", i), got.to)
		require.Equal(t, "a+b=c", got.mail.EnvelopeID)
		require.Equal(t, smtp.DSNReturnHeaders, got.mail.Return)
		require.Equal(t, "old+x@example.org", got.rcpt.OriginalRecipient)
		require.ElementsMatch(t, []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}, got.rcpt.Notify)
	}
}

// TestSMTPSink delivers to Postfix's test server.
func TestSMTPSink(t *testing.T) {
	path, err := exec.LookPath("smtp-sink")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/smtp-sink"); err != nil {
			t.Skip("not installed: smtp-sink")
		}
	}
	for name, flags := range map[string][]string{"ESMTP": nil, "SMTP": {"-e"}, "no pipelining": {"-p"},
		"no 8BITMIME":  {"-8"},
		"refuses RCPT": {"-r", "rcpt"}, "fails DATA": {"-f", "data"}, "fails the mail": {"-f", "."},
		"leaves at MAIL": {"-q", "mail"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := startSink(t, path, flags)
			conn, err := (&smtpout.Sender{}).Open(t.Context(), &delivery.Hop{Target: addr, Hostname: "client.example.com"})
			require.NoError(t, err)
			defer conn.Close()
			txs := transactions(200, queue.Bytes("Subject: x\r\n\r\n.dot\r\n"+strings.Repeat("line\r\n", 100)))
			for i, tx := range txs {
				if !conn.Usable() {
					break
				}
				conn.Deliver(t.Context(), tx, append(txs, nil)[i+1])
				checkSink(t, name, tx)
			}
		})
	}
}

func checkSink(t *testing.T, name string, tx *delivery.Transaction) {
	r := &tx.Result
	got := fmt.Sprintf("%s %s %d", r.State, r.Result, r.Code)
	switch name {
	case "refuses RCPT":
		require.Equal(t, "rcptto error 450", got)
	case "fails DATA":
		require.Equal(t, "data error 500", got)
	case "fails the mail":
		require.Equal(t, "message error 500", got)
	case "leaves at MAIL":
		require.Contains(t, got, "mailfrom ")
		require.NotEqual(t, queue.Accepted, r.Result)
	default:
		require.True(t, r.Success(), "%+v", r)
	}
}

// startSink runs smtp-sink on a free port. Another process may be quicker to take that: then it tries the next one.
func startSink(t *testing.T, path string, flags []string) netip.AddrPort {
	if os.Getuid() == 0 {
		flags = append(flags, "-u", "nobody")
	}
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := l.Addr().(*net.TCPAddr).AddrPort()
		l.Close()
		cmd := exec.Command(path, append(flags, addr.String(), "100")...)
		var said bytes.Buffer
		cmd.Stderr = &said
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() { defer close(ended); cmd.Wait() }()
		t.Cleanup(func() { cmd.Process.Kill(); <-ended })
		if answers(addr, ended) {
			return addr
		}
		cmd.Process.Kill()
		<-ended
		t.Log("smtp-sink:", said.String())
	}
	t.Fatal("smtp-sink does not start")
	return netip.AddrPort{}
}

// answers waits until something listens at addr, for as long as the process has not ended.
func answers(addr netip.AddrPort, ended chan struct{}) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
		if nc, err := net.Dial("tcp", addr.String()); err == nil {
			nc.Close()
			return true
		}
	}
	return false
}

func TestRefusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	_, err = (&smtpout.Sender{}).Open(t.Context(), &delivery.Hop{Target: addr})
	var failure *delivery.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, queue.StateConnect, failure.Result.State)
	require.Equal(t, queue.Error, failure.Result.Result)
	require.True(t, failure.Temporary)
}

func TestSourceThatCannotBeBound(t *testing.T) {
	for _, source := range []string{"192.0.2.77", "2001:db8::1"} {
		_, err := (&smtpout.Sender{}).Open(t.Context(),
			&delivery.Hop{Source: netip.MustParseAddr(source), Target: netip.MustParseAddrPort("127.0.0.1:1")})
		var failure *delivery.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, queue.StateBind, failure.Result.State)
		require.Equal(t, queue.Error, failure.Result.Result)
		require.Contains(t, failure.Result.Description, source)
		require.Equal(t, source, failure.Result.From)
		require.False(t, failure.Temporary)
	}
}

// TestProxyFailure tells that a Dial that knows better is believed.
func TestProxyFailure(t *testing.T) {
	sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
		return nil, &delivery.Failure{Result: queue.Result{State: queue.StateHandshake, Result: queue.Error,
			Description: "the proxy refused"}, Temporary: true}
	}}
	_, err := sender.Open(t.Context(), &delivery.Hop{Target: netip.MustParseAddrPort("127.0.0.1:1")})
	require.EqualError(t, err, "handshake: error: the proxy refused")
}

// TestRemoteThatStopsReading fills the buffers of a real socket.
func TestRemoteThatStopsReading(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	done := make(chan struct{})
	defer close(done)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		r := bufio.NewReader(nc)
		for _, reply := range []string{"220 mx", "250 mx", "250 ok", "250 ok", "354 go"} {
			io.WriteString(nc, reply+"\r\n")
			if reply != "354 go" {
				r.ReadString('\n')
			}
		}
		<-done
	}()
	hop := &delivery.Hop{Target: l.Addr().(*net.TCPAddr).AddrPort(),
		Timeouts: throttle.Timeouts{Data: 300 * time.Millisecond}}
	conn, err := (&smtpout.Sender{}).Open(t.Context(), hop)
	require.NoError(t, err)
	defer conn.Close()
	tx := transactions(1, queue.Bytes(strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1<<20)))[0]
	conn.Deliver(t.Context(), tx, nil)
	require.Equal(t, queue.StateMessage, tx.Result.State)
	require.Equal(t, queue.Timeout, tx.Result.Result)
	require.Positive(t, tx.Result.Sent.Data)
	require.Less(t, tx.Result.Sent.Data, tx.Body.Size())
	require.False(t, conn.Usable())
}
