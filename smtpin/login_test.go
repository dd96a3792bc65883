package smtpin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/monitor"
)

// authOnly makes sessions that ask an Authenticator.
type authOnly struct{ auth.Authenticator }

func (a authOnly) NewSession(ctx context.Context, c *Conn) (smtp.Session, error) {
	return &withAuthenticator{plain: &plain{r: &recorder{}, c: c}, ctx: ctx, a: a.Authenticator}, nil
}

const loginAsUser = "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"

// TestLoginsAtOnce has 200 clients log in against a back end that takes 300 ms, while others need none.
func TestLoginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := auth.Func(func(ctx context.Context, l auth.Login) error {
			select {
			case <-time.After(300 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		s := &Server{Backend: authOnly{slow}, Hostname: "mx.test"}
		l := newPipes()
		go s.ServeListener(l, &Listener{})
		begin := time.Now()
		var clients sync.WaitGroup
		for range 200 {
			c := &client{t: t, Conn: l.dialFrom("127.0.0.1:1")}
			clients.Go(func() {
				c.expect("", "220")
				c.expect("EHLO client.test\r\n", "250")
				c.expect(loginAsUser, "235")
				c.Close()
			})
		}
		synctest.Wait()
		c := &client{t: t, Conn: l.dialFrom("127.0.0.1:1")}
		c.expect("", "220")
		c.expect("EHLO client.test\r\n", "250")
		c.expect("MAIL FROM:<a@b.test>\r\n", "250")
		require.Zero(t, time.Since(begin), "who does not log in does not wait")
		clients.Wait()
		require.Equal(t, 300*time.Millisecond, time.Since(begin), "logins must not wait for each other")
		c.Close()
		s.Close()
	})
}

// TestDeadBackEnd checks that a login against a back end that never answers ends in time.
func TestDeadBackEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := auth.Func(func(ctx context.Context, _ auth.Login) error { <-ctx.Done(); return ctx.Err() })
		s := &Server{Backend: authOnly{dead}, Hostname: "mx.test", Logger: slog.New(slog.DiscardHandler)}
		l := newPipes()
		go s.ServeListener(l, &Listener{})
		c := &client{t: t, Conn: l.dialFrom("127.0.0.1:1")}
		c.expect("", "220")
		c.expect("EHLO client.test\r\n", "250")
		begin := time.Now()
		c.expect(loginAsUser, "454")
		require.Equal(t, LoginTimeout, time.Since(begin))
		c.expect("QUIT\r\n", "221")
		s.Close()
	})
}

// TestLoginEndsWithItsClient checks that nobody is asked on for a client that has gone.
func TestLoginEndsWithItsClient(t *testing.T) {
	for name, leave := range map[string]func(*Server, net.Conn){
		"client goes":   func(_ *Server, nc net.Conn) { nc.Close() },
		"server closes": func(s *Server, _ net.Conn) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			asked, ended := make(chan struct{}), make(chan error, 1)
			s := &Server{Backend: authOnly{auth.Func(func(ctx context.Context, _ auth.Login) error {
				close(asked)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return ctx.Err()
			})}}
			c := dial(t, serve(t, s, nil))
			c.expect("", "220")
			c.expect("EHLO client.test\r\n", "250")
			c.send(loginAsUser)
			<-asked
			leave(s, c.Conn)
			select {
			case err := <-ended:
				require.ErrorIs(t, err, context.Canceled)
			case <-time.After(20 * time.Second):
				t.Fatal("the back end is still being asked")
			}
		})
	}
}

// TestPasswordsStaySecret says a password in all ways there are, right and wrong, and looks for it in all that is
// written down.
func TestPasswordsStaySecret(t *testing.T) {
	const password = "Tr0ub4dor&3"
	var log lockedBuffer
	m := &everything{}
	answers := []error{nil, auth.ErrRejected, errors.New("directory is down"), &auth.Limited{}}
	var turn atomic.Int32
	a := auth.Func(func(_ context.Context, l auth.Login) error {
		fmt.Fprintf(&log, "%v %+v %#v\n", l, l, l)
		return answers[int(turn.Load())]
	})
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := &Server{Backend: authOnly{a}, Monitor: m, Logger: logger, MaxErrors: 1000}
	address := serve(t, s, nil)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	plain, short := b64("\x00user\x00"+password), b64("geheim")
	dialogues := []string{
		"AUTH PLAIN " + plain, "auth plain " + plain, "AUTH  PLAIN  " + plain, "AUTH\tPLAIN " + plain, "AUTHPLAIN " + plain,
		"AUTH PLAIN\r\n" + plain, "AUTH LOGIN\r\n" + b64("user") + "\r\n" + b64(password),
		"AUTH LOGIN " + b64("user") + "\r\n" + b64(password),
		"AUTH LOGIN\r\n" + b64(password) + "\r\n*", "AUTH PLAIN " + plain + "!", "AUTH PLAIN\r\n" + plain + "!",
		"AUTH " + plain, "AUTH GSSAPI " + plain,
		"AUTH CRAM-MD5\r\n" + plain, "AUTH PLAIN " + b64("other\x00user\x00"+password),
		"AUTH PLAIN " + b64("a\x00b\x00c\x00"+password),
		"AUTH PLAIN " + plain + "\r\n" + plain, "AUTH LOGIN " + b64("us\ner") + "\r\n" + b64(password),
		"MAIL FROM:<a@b.test>\r\nAUTH PLAIN " + plain,
		"AUTH PLAIN " + plain + strings.Repeat("A", 13000),
		"AUTH LOGIN " + strings.Repeat("A", 13000) + "\r\n" + b64(password),
		"AUTH LOGIN\r\n" + strings.Repeat("A", 13000) + "\r\n" + b64(password),
		" AUTH PLAIN " + plain, "AUTH\tLOGIN\r\n" + b64("user") + "\r\n" + short,
		"AUHT LOGIN " + b64("user") + "\r\n" + short, "\x00AUTH PLAIN " + plain,
		"XAUTH PLAIN " + plain, "XAUTH LOGIN\r\n" + b64("user") + "\r\n" + short, "AUTH\r\n" + short, "AUTH NTLM\r\n" + short,
		"AUTH LOGIN\r\n*\r\n" + short,
		"AUTH LOGIN\r\n*\r\nRSET\r\n" + b64("user") + "\r\n" + short,
		"AUTH LOGIN\r\n" + b64("user") + "\r\nRSET\r\n" + short + "\r\nNOOP\r\n" + short,
		"AUTH PLAIN " + plain + "\r\nAUTH PLAIN " + plain, "AUTH LOGIN\r\nAUTH PLAIN " + plain,
		"EHLO again.test\r\nAUTH LOGIN\r\n" + b64("user") + "\r\n" + short + "\r\n" + short,
		"AUTH PLAIN " + plain + "\r\nEHLO again.test\r\n" + short, "POST / HTTP/1.1\r\nAuthorization: Basic " + plain,
	}
	for _, within := range []string{
		"AUTH PLAIN " + plain, "auth plain " + plain, "AUTH LOGIN\r\n" + b64("user") + "\r\n" + short,
		"AUTH LOGIN " + b64("user") + "\r\n" + short,
		"AUTH\tPLAIN " + plain, " AUTH PLAIN " + plain, "AUTH PLAIN\r\n" + plain, "AUTH LOGIN\r\n*\r\n" + short,
		"AUTH CRAM-MD5\r\n" + plain,
		"AUTH PLAIN " + plain + strings.Repeat("A", 13000) + "\r\n" + short, "AUTHENTICATE " + plain,
	} {
		const begin = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
		dialogues = append(dialogues, begin+"BDAT 3\r\nabc"+within+"\r\nBDAT 0 LAST",
			begin+"BDAT 3\r\nabc"+within+"\r\nRSET\r\n"+short,
			begin+"DATA\r\ntext\r\n.\r\n"+within, begin+within+"\r\nRSET\r\n"+within, "BDAT 3 LAST\r\nabc"+within,
			begin+"RSET\r\n"+within+"\r\n"+short)
	}
	for i := range answers {
		turn.Store(int32(i))
		for _, d := range dialogues {
			c := dial(t, address)
			c.expect("", "220")
			c.expect("EHLO client.test\r\n", "250")
			c.send(d + "\r\nQUIT\r\n")
			for c.line() != "" {
			}
		}
	}
	require.NoError(t, s.Close())
	written := log.String() + m.text()
	require.Contains(t, written, "AUTH PLAIN ********")
	require.Contains(t, written, "directory is down")
	for _, secret := range []string{password, plain, short, strings.ToUpper(short), b64(password), plain[4:20],
		b64("\x00user\x00" + password)[:24], "ZG9yJj"} {
		if i := strings.Index(written, secret); i >= 0 {
			t.Errorf("found %q in ...%s", secret, written[max(0, i-300):i+len(secret)])
		}
	}
}

// everything is a monitor that keeps all it is told.
type everything struct {
	events
	more lockedBuffer
}

func (e *everything) Tap(s monitor.Session) monitor.Transcript { return e }

func (e *everything) Observe(ev *monitor.Event) { fmt.Fprintf(&e.more, "%+v\n", *ev) }

func (e *everything) text() string { return e.events.text() + e.more.String() }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestUnknownMechanism(t *testing.T) {
	_, err := NewAuthServer(t.Context(), NewConn(ConnInfo{}), users, "GSSAPI")
	require.ErrorIs(t, err, smtp.ErrAuthUnknownMechanism)
	for _, m := range AuthMechanisms() {
		server, err := NewAuthServer(t.Context(), NewConn(ConnInfo{}), users, m)
		require.NoError(t, err)
		require.Implements(t, (*Named)(nil), server)
	}
	server, err := NewAuthServer(t.Context(), NewConn(ConnInfo{}), users, "PLAIN")
	require.NoError(t, err)
	_, done, err := server.Next([]byte("\x00user\x00wrong"))
	require.True(t, done)
	require.Error(t, err)
	_, _, err = server.Next([]byte("\x00user\x00secret"))
	require.Error(t, err, "a mechanism answers once")
}

// BenchmarkLogin compares whole sessions of one mail of 10 KiB with and without a login whose answer is cached, and
// with another command in its place: a round trip costs something whatever is said. It reports CPU seconds for each
// 1,000 sessions, those of the client included.
func BenchmarkLogin(b *testing.B) {
	mail := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 131) + ".\r\n"
	cache := &auth.Cache{Backend: auth.Func(func(context.Context, auth.Login) error { return nil })}
	config := testTLS(b)
	for _, bm := range []struct {
		name, login string
		tls         bool
	}{
		{"none", "", false}, {"noop", "NOOP\r\n", false}, {"login", loginAsUser, false},
		{"tls-none", "", true}, {"tls-login", loginAsUser, true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			s := &Server{Backend: authOnly{cache}, Hostname: "mx.test", TLS: config}
			go s.ServeListener(l, &Listener{ImplicitTLS: bm.tls})
			defer s.Close()
			before := cpu()
			for b.Loop() {
				if err := oneSession(l.Addr().String(), bm.tls, bm.login, mail); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpu()-before).Seconds()*1000/float64(b.N), "cpu-s/1000-with-client")
		})
	}
}

// oneSession sends a mail as a usual client does.
func oneSession(address string, secure bool, login, mail string) error {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	if secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	commands := []string{"", "EHLO client.test\r\n", login, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n", mail,
		"QUIT\r\n"}
	if login == "" {
		commands = slices.Delete(commands, 2, 3)
	}
	p := make([]byte, 4096)
	for _, say := range commands {
		if _, err := io.WriteString(nc, say); err != nil {
			return err
		}
		n, err := nc.Read(p)
		if err != nil || p[0] > '3' {
			return fmt.Errorf("%q: %q %w", say, p[:n], err)
		}
	}
	return nil
}

func TestLongResponses(t *testing.T) {
	c := dial(t, serve(t, &Server{Backend: authOnly{users}}, nil))
	c.expect("", "220")
	c.expect("EHLO client.test\r\n", "250")
	c.expect("AUTH PLAIN "+strings.Repeat("A", 12_288)+"\r\n", "500")
	c.expect("AUTH PLAIN\r\n", "334")
	c.expect(strings.Repeat("A", 12_288)+"\r\n", "500")
	c.expect("AUTH LOGIN\r\n", "334")
	c.expect(strings.Repeat("QUFB", 1000)+"\r\n", "334") // a user of 3,000 bytes
	c.expect("c2VjcmV0\r\n", "535")
	c.expect(loginAsUser, "235")
}
