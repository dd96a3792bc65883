package resolver_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/resolver"
)

// bubble runs a test with synthetic time and goroutines that must end with the resolver.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestAnswers(t *testing.T) {
	const soa = "example.org. 600 SOA ns. host. 1 2 3 4 120"
	for _, c := range []struct {
		name  string
		reply func(q *dns.Msg) *dns.Msg
		kind  resolver.Kind // zero: 192.0.2.9 is found
		ttl   time.Duration
	}{
		{"plain", func(q *dns.Msg) *dns.Msg { return reply(q, "a.example.org. 300 A 192.0.2.9") }, 0, 300 * time.Second},
		{"other case", func(q *dns.Msg) *dns.Msg { return reply(q, "A.Example.ORG. 300 A 192.0.2.9") }, 0, 300 * time.Second},
		{"short TTL is raised", func(q *dns.Msg) *dns.Msg { return reply(q, "a.example.org. 1 A 192.0.2.9") }, 0,
			time.Minute},
		{"long TTL is lowered", func(q *dns.Msg) *dns.Msg { return reply(q, "a.example.org. 9000000 A 192.0.2.9") }, 0,
			24 * time.Hour},
		{"TTL with the highest bit is zero", func(q *dns.Msg) *dns.Msg {
			return reply(q, "a.example.org. 2147483648 A 192.0.2.9")
		}, 0, time.Minute},
		{"the shortest TTL of a chain", func(q *dns.Msg) *dns.Msg {
			return reply(q, "b.example.org. 900 A 192.0.2.9", "a.example.org. 200 CNAME b.example.org.")
		}, 0, 200 * time.Second},
		{"ten CNAMEs", func(q *dns.Msg) *dns.Msg { return chain(q, 10) }, 0, 300 * time.Second},
		{"eleven CNAMEs", func(q *dns.Msg) *dns.Msg { return chain(q, 11) }, resolver.Loop, time.Minute},
		{"a circle", func(q *dns.Msg) *dns.Msg {
			return reply(q, "a.example.org. CNAME b.example.org.", "b.example.org. CNAME A.example.org.")
		}, resolver.Loop, time.Minute},
		{"an alias of itself", func(q *dns.Msg) *dns.Msg {
			return reply(q, "a.example.org. CNAME a.example.org.")
		}, resolver.Loop, time.Minute},
		{"no such name", func(q *dns.Msg) *dns.Msg {
			return coded(q, dns.RcodeNameError, soa)
		}, resolver.NXDomain, 120 * time.Second},
		{"no such name behind a CNAME", func(q *dns.Msg) *dns.Msg {
			return coded(q, dns.RcodeNameError, "a.example.org. 90 CNAME b.example.org.", soa)
		}, resolver.NXDomain, 90 * time.Second},
		{"no such record", func(q *dns.Msg) *dns.Msg { return reply(q, soa) }, resolver.NoData, 120 * time.Second},
		{"nothing at all", func(q *dns.Msg) *dns.Msg { return reply(q) }, resolver.NoData, time.Minute},
		{"negative TTL is bounded", func(q *dns.Msg) *dns.Msg {
			return reply(q, "example.org. 600000 SOA ns. host. 1 2 3 4 600000")
		}, resolver.NoData, 3 * time.Hour},
		{"records of others", func(q *dns.Msg) *dns.Msg {
			return reply(q, "evil.example.org. A 192.0.2.66", "a.example.org. TXT \"A\"")
		}, resolver.NoData, time.Minute},
		{"another class", func(q *dns.Msg) *dns.Msg { return reply(q, "a.example.org. CH A 192.0.2.66") }, resolver.NoData,
			time.Minute},
		{"server failure", func(q *dns.Msg) *dns.Msg { return coded(q, dns.RcodeServerFailure) }, resolver.ServFail,
			5 * time.Second},
		{"refused", func(q *dns.Msg) *dns.Msg { return coded(q, dns.RcodeRefused) }, resolver.ServFail, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &memServer{script: func(_ string, q *dns.Msg) []delayed { return now(c.reply(q)) }}
				r := memResolver(t, resolver.Options{}, s)
				defer r.Close()
				began := time.Now()
				result, err := r.A(t.Context(), "a.example.org")
				if c.kind == 0 {
					require.NoError(t, err)
					require.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.9")}, result.Records)
				} else {
					require.Equal(t, c.kind, kindOf(t, err), "%v", err)
				}
				asked := len(s.asked())
				time.Sleep(c.ttl - time.Millisecond)
				_, again := r.A(t.Context(), "A.example.org.")
				require.Equal(t, err == nil, again == nil)
				require.Len(t, s.asked(), asked, "remembered until its TTL is over")
				time.Sleep(time.Until(began.Add(c.ttl + time.Millisecond)))
				_, _, ok := r.Cached("a.example.org", dns.TypeA)
				require.False(t, ok, "and not longer")
			})
		})
	}
}

// chain answers with n CNAMEs and an address at their end.
func chain(q *dns.Msg, n int) *dns.Msg {
	var records []string
	name := "a.example.org."
	for i := range n {
		next := fmt.Sprintf("n%d.example.org.", i)
		records = append(records, name+" 300 CNAME "+next)
		name = next
	}
	return reply(q, append(records, name+" 300 A 192.0.2.9")...)
}

func TestCNAMEWithoutTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &memServer{script: func(_ string, q *dns.Msg) []delayed {
			switch q.Question[0].Name {
			case "a.example.org.":
				return now(reply(q, "a.example.org. 100 CNAME b.example.net."))
			case "b.example.net.":
				return now(reply(q, "b.example.net. 500 A 192.0.2.9"))
			case "c.example.org.":
				return now(reply(q, "c.example.org. CNAME d.example.org."))
			}
			return now(reply(q, "d.example.org. CNAME c.example.org."))
		}}
		r := memResolver(t, resolver.Options{}, s)
		defer r.Close()
		result, err := r.A(t.Context(), "a.example.org")
		require.NoError(t, err)
		require.Equal(t, "b.example.net", result.Name)
		require.Equal(t, 100*time.Second, time.Until(result.Expires))

		_, err = r.A(t.Context(), "c.example.org")
		require.Equal(t, resolver.Loop, kindOf(t, err), "a circle over several answers")
	})
}

func TestTries(t *testing.T) {
	const found = "a.example.org. A 192.0.2.9"
	late := func(after time.Duration) *memServer {
		return &memServer{script: func(_ string, q *dns.Msg) []delayed {
			return []delayed{{after: after, packet: packet(reply(q, found))}}
		}}
	}
	for _, c := range []struct {
		name    string
		servers []*memServer
		opts    resolver.Options
		took    time.Duration
		tries   []int
		kind    resolver.Kind
	}{
		{"first answers", []*memServer{answering(found), mute()}, resolver.Options{}, 0, []int{1, 0}, 0},
		{"first is mute", []*memServer{mute(), answering(found)}, resolver.Options{}, 3 * time.Second, []int{1, 1}, 0},
		{"first fails", []*memServer{refusing(dns.RcodeServerFailure), answering(found)}, resolver.Options{}, 0, []int{1, 1},
			0},
		{"first refuses", []*memServer{refusing(dns.RcodeRefused), answering(found)}, resolver.Options{}, 0, []int{1, 1}, 0},
		{"all fail", []*memServer{refusing(dns.RcodeServerFailure), refusing(dns.RcodeRefused)}, resolver.Options{}, 0,
			[]int{1, 1}, resolver.ServFail},
		{"a late answer to an early try counts", []*memServer{late(10 * time.Second), mute()}, resolver.Options{},
			10 * time.Second, []int{2, 2}, 0},
		{"one fails, the other is mute", []*memServer{refusing(dns.RcodeServerFailure), mute()}, resolver.Options{},
			69 * time.Second, []int{1, 4}, resolver.Timeout},
		{"dns-attempts at dns-interval, then dns-timeout", []*memServer{mute(), mute()}, resolver.Options{},
			72 * time.Second, []int{3, 2}, resolver.Timeout},
		{"other values", []*memServer{mute()}, resolver.Options{Attempts: 2, Interval: time.Second, Timeout: 4 * time.Second},
			5 * time.Second, []int{2}, resolver.Timeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := memResolver(t, c.opts, c.servers...)
				defer r.Close()
				began := time.Now()
				_, err := r.A(t.Context(), "a.example.org")
				require.Equal(t, c.took, time.Since(began))
				if c.kind == 0 {
					require.NoError(t, err)
				} else {
					require.Equal(t, c.kind, kindOf(t, err), "%v", err)
				}
				for i, s := range c.servers {
					require.Len(t, s.asked(), c.tries[i], "server %d", i+1)
				}
			})
		})
	}
}

func TestNonsense(t *testing.T) {
	const found = "a.example.org. A 192.0.2.9"
	forged := func(change func(m *dns.Msg)) func(q *dns.Msg) []byte {
		return func(q *dns.Msg) []byte {
			m := reply(q, "a.example.org. A 192.0.2.66")
			change(m)
			return packet(m)
		}
	}
	for _, c := range []struct {
		name   string
		packet func(q *dns.Msg) []byte
		kind   resolver.Kind // zero: it is ignored, and the true answer counts
	}{
		{"wrong id", forged(func(m *dns.Msg) { m.Id++ }), 0},
		{"wrong name", forged(func(m *dns.Msg) { m.Question[0].Name = "b.example.org." }), 0},
		{"wrong type", forged(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX }), 0},
		{"wrong class", forged(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), 0},
		{"two questions", forged(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), 0},
		{"no question", forged(func(m *dns.Msg) { m.Question = nil }), 0},
		{"a question, not an answer", forged(func(m *dns.Msg) { m.Response = false }), 0},
		{"another operation", forged(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), 0},
		{"empty packet", func(*dns.Msg) []byte { return []byte{} }, 0},
		{"short packet", func(q *dns.Msg) []byte { return packet(q)[:7] }, 0},
		{"garbage", func(*dns.Msg) []byte { return []byte(strings.Repeat("garbage", 20)) }, 0},
		{"broken records", func(q *dns.Msg) []byte { p := packet(reply(q, found)); return p[:len(p)-2] }, resolver.Malformed},
		{"pointers in a circle", func(q *dns.Msg) []byte {
			p := packet(reply(q))
			p[7] = 1 // announces a record
			return append(p, 0xc0, byte(len(p)), 0, 1, 0, 1, 0, 0, 0, 9, 0, 0)
		}, resolver.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &memServer{script: func(_ string, q *dns.Msg) []delayed {
					return []delayed{{packet: c.packet(q)}, {after: time.Second, packet: packet(reply(q, found))}}
				}}
				r := memResolver(t, resolver.Options{}, s)
				defer r.Close()
				result, err := r.A(t.Context(), "a.example.org")
				if c.kind != 0 {
					require.Equal(t, c.kind, kindOf(t, err), "%v", err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, "192.0.2.9", result.Records[0].String())
			})
		})
	}
}

func TestWithoutEDNS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &memServer{script: func(_ string, q *dns.Msg) []delayed {
			if q.IsEdns0() != nil {
				m := coded(q, dns.RcodeFormatError)
				m.Question = nil // as old servers do
				return now(m)
			}
			return now(reply(q, "a.example.org. A 192.0.2.9"))
		}}
		r := memResolver(t, resolver.Options{}, s)
		defer r.Close()
		_, err := r.A(t.Context(), "a.example.org")
		require.NoError(t, err)
		require.Len(t, s.asked(), 2)

		old := memResolver(t, resolver.Options{}, refusing(dns.RcodeFormatError))
		defer old.Close()
		_, err = old.A(t.Context(), "a.example.org")
		require.Equal(t, resolver.ServFail, kindOf(t, err))
	})
}

func TestTruncated(t *testing.T) {
	truncated := func(tcp func(q *dns.Msg) []delayed) *memServer {
		return &memServer{script: func(network string, q *dns.Msg) []delayed {
			if network == "tcp" {
				return tcp(q)
			}
			m := reply(q)
			m.Truncated = true
			return now(m)
		}}
	}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("a.example.org. A 198.51.100.%d", i%250))
	}
	ok := func(q *dns.Msg) []delayed { return now(reply(q, many...)) }
	for _, c := range []struct {
		name string
		tcp  func(q *dns.Msg) []delayed
		kind resolver.Kind
	}{
		{"TCP answers", ok, 0},
		{"TCP hangs up", func(*dns.Msg) []delayed { return []delayed{{hangUp: true}} }, resolver.Timeout},
		{"TCP answers another question", func(q *dns.Msg) []delayed { q.Question[0].Name = "b."; return ok(q) },
			resolver.Malformed},
		{"TCP answers another id", func(q *dns.Msg) []delayed { q.Id++; return ok(q) }, resolver.Malformed},
		{"TCP truncates too", func(q *dns.Msg) []delayed { m := reply(q); m.Truncated = true; return now(m) },
			resolver.Malformed},
		{"TCP says garbage", func(*dns.Msg) []delayed { return []delayed{{packet: []byte("garbage, more of it")}} },
			resolver.Malformed},
		{"TCP is mute", func(*dns.Msg) []delayed { return nil }, resolver.Timeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := memResolver(t, resolver.Options{}, truncated(c.tcp))
				defer r.Close()
				result, err := r.A(t.Context(), "a.example.org")
				if c.kind != 0 {
					require.Equal(t, c.kind, kindOf(t, err), "%v", err)
					return
				}
				require.NoError(t, err)
				require.Len(t, result.Records, 300)
			})
			bubble(t, func(t *testing.T) {
				r := memResolver(t, resolver.Options{}, truncated(c.tcp), answering("a.example.org. A 192.0.2.9"))
				defer r.Close()
				_, err := r.A(t.Context(), "a.example.org")
				require.NoError(t, err, "the next server helps out")
			})
		})
	}
}

func TestSilentServerIsAskedLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dead, alive := mute(), &memServer{script: func(_ string, q *dns.Msg) []delayed {
			return now(reply(q, q.Question[0].Name+" A 192.0.2.9"))
		}}
		r := memResolver(t, resolver.Options{}, dead, alive)
		defer r.Close()
		for i := range 10 {
			_, err := r.A(t.Context(), fmt.Sprintf("h%d.example.org", i))
			require.NoError(t, err)
		}
		require.Len(t, dead.asked(), 2, "twice without answer is enough")
		require.Len(t, alive.asked(), 10)
		time.Sleep(time.Minute)
		_, err := r.A(t.Context(), "later.example.org")
		require.NoError(t, err)
		require.Len(t, dead.asked(), 3, "it gets another chance")
	})
}

// unheard is a packet connection to a port at which nothing listens.
type unheard struct{ net.Conn }

func (unheard) Write(p []byte) (int, error) { return len(p), nil }

func (unheard) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("read", syscall.ECONNREFUSED)}
}

// Nobody is asked again and again for mail that cannot leave: the word of the network serves all look-ups for a while.
func TestNothingListens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		alive := &memServer{script: func(_ string, q *dns.Msg) []delayed {
			return now(reply(q, q.Question[0].Name+" 60 IN MX 10 mx.test."))
		}}
		var dials, up atomic.Int32
		r, err := resolver.New(resolver.Options{Servers: []string{"192.0.2.1", "192.0.2.2"}, HostsFile: "-", Rotate: true,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				ours, theirs := net.Pipe()
				if up.Load() == 0 {
					return unheard{ours}, nil
				}
				go alive.serve("udp", theirs)
				return ours, nil
			}})
		require.NoError(t, err)
		defer r.Close()

		for i := range 2000 {
			_, err := r.MX(t.Context(), fmt.Sprintf("d%d.test", i))
			require.Equal(t, resolver.Timeout, kindOf(t, err))
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			require.ErrorContains(t, err, fmt.Sprintf("MX d%d.test: ", i))
			time.Sleep(time.Millisecond)
		}
		require.Equal(t, int32(4), dials.Load(), "each server once a second")

		up.Store(1)
		time.Sleep(time.Second)
		_, err = r.MX(t.Context(), "back.test")
		require.NoError(t, err)
	})
}

func TestRotate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var servers []*memServer
		for range 3 {
			servers = append(servers, refusing(dns.RcodeNameError))
		}
		r := memResolver(t, resolver.Options{Rotate: true}, servers...)
		defer r.Close()
		for i := range 9 {
			_, err := r.A(t.Context(), fmt.Sprintf("h%d.example.org", i))
			require.True(t, resolver.IsNotFound(err))
		}
		for _, s := range servers {
			require.Len(t, s.asked(), 3)
		}
	})
}

func TestSameQuestionAtTheSameTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &memServer{script: func(_ string, q *dns.Msg) []delayed {
			return []delayed{{after: time.Second, packet: packet(reply(q, "a.example.org. A 192.0.2.9"))}}
		}}
		var told []time.Duration
		r := memResolver(t, resolver.Options{Capacity: 3, Asked: func(took time.Duration, err error) {
			require.NoError(t, err)
			told = append(told, took)
		}}, s)
		defer r.Close()
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() {
				_, err := r.A(t.Context(), "a.example.org")
				require.NoError(t, err)
			})
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := r.A(impatient, "a.example.org")
		require.Equal(t, resolver.Stopped, kindOf(t, err), "a caller who gives up does not wait")
		wg.Wait()
		require.Len(t, s.asked(), 1)
		require.Equal(t, []time.Duration{time.Second}, told, "one look-up, however many wait for it")
	})
}

func TestCapacity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := mute()
		r := memResolver(t, resolver.Options{Capacity: 7, Attempts: 1, Timeout: 10 * time.Second}, s)
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				_, err := r.A(ctx, fmt.Sprintf("h%d.example.org", i))
				require.Error(t, err)
			})
		}
		synctest.Wait()
		require.Len(t, s.asked(), 7, "the others wait in line")
		time.Sleep(12 * time.Second)
		synctest.Wait()
		require.Len(t, s.asked(), 14)
		wg.Wait()
		require.Len(t, s.asked(), 14, "who gave up in line is never asked for")
	})
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := memResolver(t, resolver.Options{Capacity: 1}, mute())
		errs := make(chan error, 2)
		for i := range 2 {
			go func() {
				_, err := r.A(t.Context(), fmt.Sprintf("h%d.example.org", i))
				errs <- err
			}()
		}
		synctest.Wait()
		require.NoError(t, r.Close())
		for range 2 {
			err := <-errs
			require.Equal(t, resolver.Stopped, kindOf(t, err))
			require.ErrorIs(t, err, resolver.ErrClosed)
		}
		_, err := r.A(t.Context(), "other.example.org")
		require.ErrorIs(t, err, resolver.ErrClosed)
		require.NoError(t, r.Close())
	})
}

func TestAuthentic(t *testing.T) {
	for _, c := range []struct{ trust, bit, want bool }{{true, true, true}, {true, false, false}, {false, true, false}} {
		bubble(t, func(t *testing.T) {
			s := &memServer{script: func(_ string, q *dns.Msg) []delayed {
				m := reply(q, "a.example.org. A 192.0.2.9")
				m.AuthenticatedData = c.bit
				return now(m)
			}}
			r := memResolver(t, resolver.Options{TrustAD: c.trust}, s)
			defer r.Close()
			result, err := r.A(t.Context(), "a.example.org")
			require.NoError(t, err)
			require.Equal(t, c.want, result.Authentic)
			require.Equal(t, c.trust, s.asked()[0].msg.AuthenticatedData)
		})
	}
}

func TestSocketsAreReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := refusing(dns.RcodeNameError)
		r := memResolver(t, resolver.Options{Sockets: 1}, s)
		defer r.Close()
		ids := map[uint16]bool{}
		for i := range 1200 {
			_, err := r.A(t.Context(), fmt.Sprintf("h%d.example.org", i))
			require.Equal(t, resolver.NXDomain, kindOf(t, err))
		}
		for _, q := range s.asked() {
			ids[q.msg.Id] = true
		}
		require.Greater(t, len(ids), 1100, "ids are random")
	})
}
