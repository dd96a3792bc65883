package enqueue_test

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// TestAccess plays the dialogues in testdata/access.txt, each on a server of its own. An empty line separates them, and
// lines are:
//
//	# a comment
//	= key value     a setting: see configure
//	F 127.0.0.9     a client connects from there
//	TLS             it begins TLS
//	C: text         it sends a line, and waits for nothing
//	S: text         the server's next line begins with text
//	S* 250          the server's next reply, whatever its number of lines, has this code
//	X               the server has closed the connection
//	Q name to to    the next messages in a queue have these recipients, in any order
//	Q -             no queue has a message left
func TestAccess(t *testing.T) {
	data, err := os.ReadFile("testdata/access.txt")
	require.NoError(t, err)
	line := 1
	for part := range strings.SplitSeq(string(data), "\n\n") {
		at := line
		line += strings.Count(part, "\n") + 2
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			a := newAccess()
			for i, text := range strings.Split(part, "\n") {
				if !t.Run("", func(sub *testing.T) { a.step(sub, t, text) }) {
					t.Fatalf("testdata/access.txt:%d: %s", at+i, text)
				}
			}
		})
	}
}

// access is a server that is being set up, and then talked to.
type access struct {
	policy  *smtpin.Listener
	locals  enqueue.Locals
	blocked enqueue.Blocklist
	setups  []func(*house, *smtpin.Server)

	house *house
	nc    net.Conn
	in    *bufio.Reader
}

func newAccess() *access { return &access{policy: &smtpin.Listener{}} }

func (a *access) later(f func(*house, *smtpin.Server)) { a.setups = append(a.setups, f) }

// configure makes a setting, named as in the configuration where there is one.
func (a *access) configure(t *testing.T, key, value string) {
	first, rest, _ := strings.Cut(value, " ")
	switch key {
	case "smtp-range":
		a.policy.Prefixes = append(a.policy.Prefixes, netip.MustParsePrefix(value))
	case "smtp-proxy":
		a.policy.Proxies = is(value)
	case "smtp-auth": // with smtp-auth-required
		a.policy.AuthToRelay = true
	case "smtp-auth-optional": // without
	case "no-auth":
		a.policy.AuthToRelay = value == "local-only"
		a.later(func(h *house, _ *smtpin.Server) { h.Authenticator = nil })
	case "auth-down":
		a.later(func(h *house, _ *smtpin.Server) { h.Authenticator = auth.Func(unreachable) })
	case "submission":
		a.policy.RequireTLS, a.policy.RequireAuth = true, true
		a.policy.Allow = func(netip.Addr) bool { return true }
	case "tls":
		config, _, err := smtptest.SelfSigned()
		require.NoError(t, err)
		a.later(func(_ *house, s *smtpin.Server) { s.TLS = func() *tls.Config { return config } })
	case "local":
		require.NoError(t, a.locals.Add(first, rest))
	case "block":
		code, text, _ := strings.Cut(rest, " ")
		number, _ := strconv.Atoi(code)
		require.NoError(t, a.blocked.Add(first, number, text))
	case "refused-queue":
		a.later(func(h *house, _ *smtpin.Server) { h.Queues.Refused = value })
	case "reports-queue":
		a.later(func(h *house, _ *smtpin.Server) { h.Queues.Reports = value })
	case "feedback-queue":
		a.later(func(h *house, _ *smtpin.Server) { h.Queues.Feedback = value })
	case "signed", "forged": // return paths
		a.later(func(h *house, _ *smtpin.Server) {
			before, kind := h.ReturnPath, enqueue.SignedReturnPath
			if key == "forged" {
				kind = enqueue.ForgedReturnPath
			}
			h.ReturnPath = func(address string) enqueue.ReturnPath {
				switch {
				case address == value:
					return kind
				case before != nil:
					return before(address)
				}
				return enqueue.NoReturnPath
			}
		})
	case "default-domain":
		a.later(func(_ *house, s *smtpin.Server) { s.DefaultDomain = value })
	case "smtp-greeting":
		a.later(func(_ *house, s *smtpin.Server) { s.Greeting = value })
	case "smtp-connections-client":
		n, err := strconv.Atoi(value)
		require.NoError(t, err)
		a.later(func(_ *house, s *smtpin.Server) { s.ConnectionsPerClient, s.Busy = n, smtpin.BusyReject })
	case "mtaname":
		a.later(func(_ *house, s *smtpin.Server) {
			s.Name = func(local netip.Addr) string {
				if is(first)(local) {
					return rest
				}
				return ""
			}
		})
	default:
		t.Fatal("what is this setting?")
	}
}

func (a *access) start(t *testing.T) {
	a.house = newHouse(t, a.policy, append(a.setups, func(h *house, s *smtpin.Server) {
		h.Local, h.BlockedSender, s.Blocked = a.locals.Contains, a.blocked.Sender, a.blocked.Client
	})...)
}

// step carries out a line of a dialogue; whole is the test of all of it.
func (a *access) step(t, whole *testing.T, line string) {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "", "#":
		return
	case "=":
		key, value, _ := strings.Cut(rest, " ")
		a.configure(t, key, value)
		return
	}
	if a.house == nil {
		a.start(whole)
	}
	switch kind {
	case "F":
		a.connect(t, whole, rest)
	case "TLS":
		tc := tls.Client(a.nc, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, tc.Handshake())
		a.nc, a.in = tc, bufio.NewReader(tc)
	case "C:":
		_, err := a.nc.Write([]byte(rest + "\r\n"))
		require.NoError(t, err)
	case "S:":
		got := a.line(t)
		require.True(t, strings.HasPrefix(got, rest), "got %q", got)
	case "S*":
		got := a.line(t)
		for len(got) > 3 && got[3] == '-' {
			got = a.line(t)
		}
		require.True(t, strings.HasPrefix(got, rest), "got %q", got)
	case "X":
		_, err := a.in.ReadByte()
		require.Error(t, err)
	case "Q":
		a.queued(t, rest)
	default:
		t.Fatal("what is this line?")
	}
}

func (a *access) connect(t, whole *testing.T, source string) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 10 * time.Second}
	nc, err := d.Dial("tcp", a.house.addr)
	require.NoError(t, err)
	require.NoError(t, nc.SetDeadline(time.Now().Add(20*time.Second)))
	whole.Cleanup(func() { nc.Close() })
	a.nc, a.in = nc, bufio.NewReader(nc)
}

func (a *access) line(t *testing.T) string {
	text, err := a.in.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimRight(text, "\r\n")
}

func (a *access) queued(t *testing.T, rest string) {
	if rest == "-" {
		require.Zero(t, a.house.stored(t))
		return
	}
	words := strings.Fields(rest)
	var got []string
	for range words[1:] {
		m, _ := a.house.next(t, words[0])
		got = append(got, m.Recipient)
	}
	require.ElementsMatch(t, words[1:], got)
}
