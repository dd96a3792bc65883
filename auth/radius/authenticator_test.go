package radius

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"github.com/sluicemail/sluice/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var alice = auth.Login{Username: "alice", Password: "open-sesame",
	Client: netip.MustParseAddrPort("[2001:db8::7]:4711")}

func cannotTell(t *testing.T, err error, text string) {
	t.Helper()
	require.ErrorContains(t, err, text)
	require.NotErrorIs(t, err, auth.ErrRejected)
	require.NotContains(t, err.Error(), "sesame")
	require.NotContains(t, err.Error(), secret)
}

// brief is a time limit for logins that are to fail.
var brief = Options{Timeout: 150 * time.Millisecond, Retransmit: 40 * time.Millisecond}

func TestRequest(t *testing.T) {
	s := serve(t, func(q *question) { q.write(q.reply(q.verdict(), true, secret)) })
	require.NoError(t, s.authenticator(Options{}).Authenticate(t.Context(), alice))
	requests := s.received()
	require.Len(t, requests, 1)
	p, err := radius.Parse(requests[0], []byte(secret))
	require.NoError(t, err)
	require.Equal(t, radius.CodeAccessRequest, p.Code)
	require.Equal(t, "mx1", rfc2865.NASIdentifier_GetString(p))
	require.Equal(t, "2001:db8::7", rfc2865.CallingStationID_GetString(p))

	require.Equal(t, rfc2869.MessageAuthenticator_Type, p.Attributes[0].Type, "it comes first")
	signature := append([]byte(nil), p.Attributes[0].Attribute...)
	clear(p.Attributes[0].Attribute)
	unsigned, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, signature, sign(unsigned, []byte(secret)))
	require.NotContains(t, string(requests[0]), "sesame")
}

func TestAnswers(t *testing.T) {
	for code, check := range map[radius.Code]func(err error){
		radius.CodeAccessAccept: func(err error) { require.NoError(t, err) },
		radius.CodeAccessReject: func(err error) { require.ErrorIs(t, err, auth.ErrRejected) },
		radius.CodeAccessChallenge: func(err error) {
			require.ErrorIs(t, err, auth.ErrRejected)
			require.ErrorContains(t, err, "Access-Challenge")
		},
		radius.CodeAccountingResponse: func(err error) { cannotTell(t, err, "no answer within 150ms") },
	} {
		s := serve(t, func(q *question) { q.write(q.reply(code, true, secret)) })
		o := brief
		if code != radius.CodeAccountingResponse {
			o = Options{}
		}
		check(s.authenticator(o).Authenticate(t.Context(), alice))
	}
}

func TestUnusableLoginsAskNobody(t *testing.T) {
	s := serve(t, func(q *question) { q.write(q.reply(radius.CodeAccessAccept, true, secret)) })
	a := s.authenticator(Options{})
	for _, login := range []auth.Login{
		{}, {Username: "alice"}, {Password: "x"},
		{Username: "alice", Password: strings.Repeat("x", 129)},
		{Username: "alice", Password: strings.Repeat("x", 1<<20)},
		{Username: "alice", Password: "x\x00"},
		{Username: "alice\x00", Password: "x"},
		{Username: strings.Repeat("a", 254), Password: "x"},
	} {
		require.ErrorIs(t, a.Authenticate(t.Context(), login), auth.ErrRejected)
	}
	require.Empty(t, s.received())
	require.NoError(t, a.Authenticate(t.Context(),
		auth.Login{Username: strings.Repeat("a", 253), Password: strings.Repeat("x", 128)}))
}

func TestPasswords(t *testing.T) {
	s := serve(t, func(q *question) { q.write(q.reply(radius.CodeAccessReject, true, secret)) })
	a := s.authenticator(Options{})
	for i, n := range []int{1, 15, 16, 17, 32, 127, 128} {
		password := strings.Repeat("p", n)
		require.ErrorIs(t, a.Authenticate(t.Context(), auth.Login{Username: "a", Password: password}), auth.ErrRejected)
		p, err := radius.Parse(s.received()[i], []byte(secret))
		require.NoError(t, err)
		require.Equal(t, password, rfc2865.UserPassword_GetString(p))
	}
}

// TestForgeries sends what an attacker could, or a broken server, before the answer: it is ignored, and the answer
// counts.
func TestForgeries(t *testing.T) {
	accept := radius.CodeAccessAccept
	for name, forge := range map[string]func(q *question) []byte{
		"another secret":             func(q *question) []byte { return q.reply(accept, true, "guessed") },
		"another secret, unsigned":   func(q *question) []byte { return q.reply(accept, false, "guessed") },
		"signed with another secret": forgedSignature,
		"a short Message-Authenticator": func(q *question) []byte {
			return q.reply(accept, false, secret,
				avp(80, "short"))
		},
		"an empty Message-Authenticator": func(q *question) []byte {
			return q.reply(accept, false, secret,
				avp(80, strings.Repeat("\x00", 16)))
		},
		"two Message-Authenticators": func(q *question) []byte {
			return q.reply(accept, true, secret,
				avp(80, strings.Repeat("\x00", 16)))
		},
		"the answer to another request": func(q *question) []byte {
			return (&question{Packet: stranger(q)}).reply(accept,
				true, secret)
		},
		"Proxy-State": func(q *question) []byte {
			return q.reply(accept, true, secret,
				avp(33, "garbage"))
		},
		"a code that is no answer": func(q *question) []byte {
			return q.reply(radius.CodeAccountingResponse, true,
				secret)
		},
		"the request sent back": func(q *question) []byte { return q.wire },
		"nothing":               func(*question) []byte { return nil },
		"a few bytes":           func(q *question) []byte { return []byte{2, q.Identifier, 0} },
		"a header with the length of a byte": func(q *question) []byte {
			return append([]byte{2, q.Identifier, 0, 1},
				make([]byte, 16)...)
		},
		"a length beyond the datagram": func(q *question) []byte { return cut(q.reply(accept, true, secret), 5) },
		"an attribute of length 0": func(q *question) []byte {
			return append([]byte{2, q.Identifier, 0, 22}, make([]byte, 18)...)
		},
	} {
		for _, lenient := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lenient %v", name, lenient), func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(q *question) { q.write(forge(q)) })
				o := brief
				o.Lenient = lenient
				err := s.authenticator(o).Authenticate(t.Context(), alice)
				cannotTell(t, err, "no answer within 150ms")

				s = serve(t, func(q *question) {
					q.write(forge(q))
					q.write(q.reply(radius.CodeAccessReject, true, secret))
				})
				err = s.authenticator(Options{Lenient: lenient}).Authenticate(t.Context(), alice)
				require.ErrorIs(t, err, auth.ErrRejected)
			})
		}
	}
}

// forgedSignature has the right Response Authenticator, as the attack on MD5 yields it, and a wrong
// Message-Authenticator.
func forgedSignature(q *question) []byte {
	return q.reply(radius.CodeAccessAccept, false, secret, avp(80, "sixteen bytes ok"))
}

// stranger is a request like q with another authenticator.
func stranger(q *question) *radius.Packet {
	p := *q.Packet
	p.Authenticator[0]++
	return &p
}

func cut(b []byte, n int) []byte { return b[:len(b)-n] }

func TestUnsignedReplies(t *testing.T) {
	s := serve(t, func(q *question) { q.write(q.reply(q.verdict(), false, secret)) })
	start := time.Now()
	err := s.authenticator(Options{}).Authenticate(t.Context(), alice)
	cannotTell(t, err, "no Message-Authenticator")
	require.Less(t, time.Since(start), 5*time.Second, "it is said at once")

	lenient := s.authenticator(Options{Lenient: true})
	require.NoError(t, lenient.Authenticate(t.Context(), alice))
	require.ErrorIs(t, lenient.Authenticate(t.Context(), auth.Login{Username: "alice", Password: "wrong"}),
		auth.ErrRejected)
}

func TestPaddedReply(t *testing.T) {
	s := serve(t, func(q *question) { q.write(append(q.reply(q.verdict(), true, secret), "padding"...)) })
	require.NoError(t, s.authenticator(Options{}).Authenticate(t.Context(), alice))
}

// TestFromAnotherAddress has a right answer come from a socket that was not asked.
func TestFromAnotherAddress(t *testing.T) {
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	var mu sync.Mutex
	var client net.Addr
	s := serve(t, func(q *question) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = other.WriteTo(q.reply(radius.CodeAccessAccept, true, secret), client)
	})
	o := brief
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			mu.Lock()
			client = c.LocalAddr()
			mu.Unlock()
		}
		return c, err
	}
	cannotTell(t, s.authenticator(o).Authenticate(t.Context(), alice), "no answer within 150ms")
}

// TestLateAndDoubled has each reply sent twice, and the one of the first login again when the second waits.
func TestLateAndDoubled(t *testing.T) {
	var late []byte
	s := serve(t, func(q *question) {
		if late != nil {
			late[1] = q.Identifier
			q.write(late)
		}
		reply := q.reply(q.verdict(), true, secret)
		q.write(reply)
		q.write(reply)
		if late == nil {
			late = reply
		}
	})
	a := s.authenticator(Options{})
	require.NoError(t, a.Authenticate(t.Context(), alice))
	for range 5 {
		require.ErrorIs(t, a.Authenticate(t.Context(), auth.Login{Username: "alice", Password: "wrong"}), auth.ErrRejected)
	}
}

func TestPortClosed(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	address := conn.LocalAddr().String()
	require.NoError(t, conn.Close())
	a, err := New(Options{Address: address, Identifier: "mx1", Secret: secret, Timeout: brief.Timeout,
		Retransmit: brief.Retransmit})
	require.NoError(t, err)
	err = a.Authenticate(t.Context(), alice)
	cannotTell(t, err, "no answer within 150ms")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestServerStartsLate opens the port when the first request has been refused.
func TestServerStartsLate(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	address := conn.LocalAddr().String()
	require.NoError(t, conn.Close())
	sent := make(chan struct{})
	a, err := New(Options{Address: address, Identifier: "mx1", Secret: secret, Retransmit: 20 * time.Millisecond,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return &signalling{Conn: c, wrote: sync.OnceFunc(func() { close(sent) })}, err
		}})
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() { answer <- a.Authenticate(t.Context(), alice) }()
	<-sent
	conn, err = net.ListenPacket("udp", address)
	require.NoError(t, err)
	defer conn.Close()
	buffer := make([]byte, 4096)
	n, from, err := conn.ReadFrom(buffer)
	require.NoError(t, err)
	p, err := radius.Parse(buffer[:n], []byte(secret))
	require.NoError(t, err)
	_, err = conn.WriteTo((&question{Packet: p}).reply(radius.CodeAccessAccept, true, secret), from)
	require.NoError(t, err)
	require.NoError(t, <-answer)
}

type signalling struct {
	net.Conn
	wrote func()
}

func (s *signalling) Write(p []byte) (int, error) {
	defer s.wrote()
	return s.Conn.Write(p)
}

// inMemory makes an Authenticator whose server is reached over net.Pipe, and counts its sockets.
func inMemory(t *testing.T, o Options, handle func(q *question)) (a *Authenticator, s *server, dials *int) {
	s, dials = &server{t: t, handle: handle}, new(int)
	o.Address, o.Identifier, o.Secret = "radius", "mx1", secret
	o.Dial = func(context.Context, string, string) (net.Conn, error) {
		*dials++
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			buffer := make([]byte, 4096)
			for {
				n, err := ours.Read(buffer)
				if err != nil {
					return
				}
				s.receive(append([]byte(nil), buffer[:n]...), func(reply []byte) { _, _ = ours.Write(reply) })
			}
		}()
		return theirs, nil
	}
	a, err := New(o)
	require.NoError(t, err)
	return a, s, dials
}

func TestRetransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var times []time.Duration
		a, s, _ := inMemory(t, Options{Timeout: 10 * time.Second}, func(q *question) {
			times = append(times, time.Since(start))
			if len(times) == 4 {
				q.write(q.reply(q.verdict(), true, secret))
			}
		})
		require.NoError(t, a.Authenticate(t.Context(), alice))
		for i, want := range []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second} {
			require.InDelta(t, want, times[i], float64(want/10), "%v", times)
			require.Equal(t, s.received()[0], s.received()[i], "the request is sent again unchanged")
		}
	})
}

func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := inMemory(t, Options{}, func(*question) {})
		start := time.Now()
		err := a.Authenticate(t.Context(), alice)
		cannotTell(t, err, "no answer within 4s")
		require.Equal(t, 4*time.Second, time.Since(start), "before who logs in to the console gives up")

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		start = time.Now()
		err = a.Authenticate(ctx, alice)
		require.ErrorIs(t, err, context.Canceled)
		cannotTell(t, err, "")
		require.Equal(t, time.Second/2, time.Since(start))
	})
}

// TestManyAtOnce has more logins than one socket has identifiers, answered after 300 ms and in any order.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, dials := inMemory(t, Options{}, func(q *question) {
			go func() {
				time.Sleep(300 * time.Millisecond)
				q.write(q.reply(q.verdict(), true, secret))
			}()
		})
		start := time.Now()
		var logins sync.WaitGroup
		for i := range 600 {
			logins.Go(func() {
				login := alice
				if i%2 == 0 {
					login.Password = "wrong"
				}
				err := a.Authenticate(t.Context(), login)
				if wrong := i%2 == 0; wrong == (err == nil) {
					t.Errorf("wrong %v: %v", wrong, err)
				}
			})
		}
		logins.Wait()
		require.Equal(t, 600*time.Millisecond, time.Since(start), "512 at a time")
		require.LessOrEqual(t, *dials, 4)
	})
}

func TestInFlightIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s, _ := inMemory(t, Options{InFlight: 3}, func(*question) {})
		var logins sync.WaitGroup
		for range 20 {
			logins.Go(func() { cannotTell(t, a.Authenticate(t.Context(), alice), "no answer within 4s") })
		}
		time.Sleep(3 * time.Second)
		identifiers := map[byte]bool{}
		for _, r := range s.received() {
			identifiers[r[1]] = true
		}
		require.Len(t, identifiers, 3)
		logins.Wait()
	})
}

func TestSocketBreaks(t *testing.T) {
	a, err := New(Options{Address: "radius", Identifier: "mx1", Secret: secret,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			return theirs, ours.Close()
		}})
	require.NoError(t, err)
	for range 3 {
		cannotTell(t, a.Authenticate(t.Context(), alice), "radius: radius:1812: ")
	}
	a.options.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.EMFILE }
	require.ErrorIs(t, a.Authenticate(t.Context(), alice), syscall.EMFILE)
}

func TestSecretsAreNotPrinted(t *testing.T) {
	a := serve(t, nil).authenticator(Options{})
	for _, v := range []any{a, a.options, *a, []*Authenticator{a}, struct{ A auth.Authenticator }{a}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			require.NotContains(t, text, secret)
			require.NotContains(t, text, fmt.Sprintf("%x", secret))
		}
	}
	require.Contains(t, fmt.Sprint(a), " as mx1")
}
