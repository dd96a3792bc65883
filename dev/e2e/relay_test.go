package e2e

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// hub is a smarthost that wants a login: another implementation of SMTP than ours.
type hub struct {
	mu    sync.Mutex
	mails []string // user, whether over TLS, sender, recipient
}

// hubSession is a connection to a hub.
type hubSession struct {
	hub      *hub
	conn     *smtp.Conn
	user     string
	from, to string
}

const hubPassword = "s3cret-p4ssw0rd"

func (h *hub) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &hubSession{hub: h, conn: c}, nil
}

func (s *hubSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *hubSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "relay" || password != hubPassword {
			return errors.New("wrong password " + password)
		}
		s.user = user
		return nil
	}), nil
}

func (s *hubSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *hubSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *hubSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	_, secure := s.conn.TLSConnectionState()
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.mails = append(s.hub.mails, strings.Join([]string{s.user, strconv.FormatBool(secure), s.from, s.to}, " "))
	return nil
}

func (s *hubSession) Reset()        {}
func (s *hubSession) Logout() error { return nil }

func (h *hub) received() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.mails...)
}

// serve starts the hub and returns its port.
func (h *hub) serve(t testing.TB) string {
	t.Helper()
	server := smtp.NewServer(h)
	config, _, err := smtptest.SelfSigned()
	require.NoError(t, err)
	server.TLSConfig = config
	l, err := mtatest.ListenTCP("127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return strconv.Itoa(int(smtptest.LocalAddr(l).Port()))
}

// TestSmarthost relays all mail through a smarthost that wants a login over TLS. The password is in no log.
func TestSmarthost(t *testing.T) {
	t.Parallel()
	h := new(hub)
	port := h.serve(t)
	log, logging := mtatest.SendLog(t)
	set := logging.With(mtatest.Settings{"smarthost": "127.0.0.1", "smarthost-port": port, "smarthost-username": "relay"})
	d := mtatest.Inside(t, set.With(mtatest.Settings{"smarthost-password": hubPassword}))
	d.Submit(t, "a@client.test", "x@any.test", "Subject: one\r\n\r\nText")
	d.Submit(t, "a@client.test", "y@other.test", "Subject: two\r\n\r\nText")
	mtatest.Eventually(t, "both mails arrive", func() bool { return len(h.received()) == 2 })
	require.ElementsMatch(t, []string{"relay true a@client.test x@any.test", "relay true a@client.test y@other.test"},
		h.received())
	line := mtatest.AwaitAttempts(t, log, "x@any.test", 1)[0].Line
	require.NotContains(t, line, hubPassword)
	require.NotContains(t, line, "Subject: one", "the mail itself")
	d.Terminate(t)
	require.NotContains(t, d.Log.String(), hubPassword)
	mtatest.RequireEmpty(t, d.Queue)
}

// TestSmarthostRefusesLogin gives a smarthost a wrong password, which it repeats in its answer: the mail waits, as the
// operator may mend that, and the password is in no log.
func TestSmarthostRefusesLogin(t *testing.T) {
	t.Parallel()
	h := new(hub)
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, logging.With(mtatest.Settings{"smarthost": "127.0.0.1", "smarthost-port": h.serve(t),
		"smarthost-username": "relay",
		"smarthost-password": "not-the-right-one", "rabbitmq-failure": "failure"}))
	d.Submit(t, "a@client.test", "x@any.test", "Subject: one\r\n\r\nText")
	first := mtatest.AwaitAttempts(t, log, "x@any.test", 1)[0]
	require.Equal(t, "authplain/error", first.Last().Pair(), first.Line)
	require.Contains(t, first.Last().Description, "wrong password")
	require.NotContains(t, first.Line, "not-the-right-one")
	d.Terminate(t)
	require.NotContains(t, d.Log.String(), "not-the-right-one")
	require.Equal(t, map[string]int{"outbox": 1}, mtatest.Occupied(t, mtatest.OpenQueue(t, d.Queue)))
}

// TestReload changes who may connect and where mail goes while mtad runs.
func TestReload(t *testing.T) {
	t.Parallel()
	before, after := mtatest.NewKeeper(t, &smtptest.Sink{}), mtatest.NewKeeper(t, &smtptest.Sink{})
	routes := routeFile{}
	routes.add("moving.test", before.Port)
	file := routes.write(t, "")
	d := mtatest.Inside(t, mtatest.Settings{"smtp-range": "10.0.0.0/8", "smtp-routes": file})
	require.Contains(t, mtatest.Dial(t, d.Addr).Expect(554), "5.7.1")

	d.Rewrite(t, mtatest.Settings{"smtp-range": "10.0.0.0/8; 127.0.0.1", "max-attempts": "7"})
	d.Reload(t)
	require.True(t, d.WaitLog("take effect at the next start"), "what a running program does not take over is said")
	require.Regexp(t, `next start" keys="?\[max-attempts\]`, d.Log.String())
	d.Submit(t, "a@client.test", "x@moving.test", "Subject: one\r\n\r\nText")
	before.Await(t, 1)

	routes.add("moving.test", after.Port)
	routes.write(t, file)
	d.Reload(t)
	d.Submit(t, "a@client.test", "y@moving.test", "Subject: two\r\n\r\nText")
	after.Await(t, 1)
	require.Equal(t, []string{"x@moving.test"}, before.Recipients())

	d.Rewrite(t, mtatest.Settings{"smtp-range": "nonsense"})
	d.Reload(t) // the old one stays in force
	require.Contains(t, d.Log.String(), "nonsense")
	d.Submit(t, "a@client.test", "z@moving.test", "Subject: three\r\n\r\nText")
	after.Await(t, 2)
	d.Terminate(t)
}
