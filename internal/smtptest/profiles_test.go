package smtptest

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const oneMail = "C: MAIL FROM:<a@x.test>\nS: 250 2.1.0 OK\nC: RCPT TO:<s1@y.test>\nS: 250 2.1.5 OK\nC: DATA\nS: 354 Go ahead\nC: hi\nC: .\nS: 250 2.0.0 OK\n"

// playing starts a sink that plays a provider.
func playing(t *testing.T, p Profile) *pipes {
	t.Helper()
	rules, err := p.Rules()
	require.NoError(t, err)
	return start(t, &Sink{Rules: rules})
}

func connectTo(t *testing.T, l *pipes, script string) net.Conn {
	t.Helper()
	conn, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	play(t, conn, script)
	return conn
}

func TestProviders(t *testing.T) {
	const greeting = "S: 220 sink.test ESMTP sink\n"
	for name, says := range map[string]struct{ tooMany, tooLong, tooFast string }{
		"gmail": {
			"S: 421 4.7.0 Too many connections are open from your address, come back later - sink\nS: EOF",
			"C: MAIL FROM:<a@x.test>\nS: 421 4.7.0 That was enough for one connection, open another one - sink\nS: EOF",
			"C: MAIL FROM:<a@x.test>\nS: 421-4.7.28 Mail from your address comes at an unusual rate.\nS: 421 4.7.28 It is slowed down to protect those who receive it - sink\nS: EOF",
		},
		"microsoft": {
			"S: 421 RP-002 The connections from your address are more than its reputation allows\nS: EOF",
			"C: MAIL FROM:<a@x.test>\nS: 452 4.5.3 Too many mails in one session",
			"C: MAIL FROM:<a@x.test>\nS: 250 2.1.0 OK\nC: RCPT TO:<b@y.test>\nS: 451 4.7.500 Server busy. Try again later from your address (S77714)",
		},
		"yahoo": {
			"S: 421 4.7.0 [TSS05] No more connections from your address now\nS: EOF",
			"C: MAIL FROM:<a@x.test>\nS: 421 Enough mails for one connection, closing it\nS: EOF",
			"C: MAIL FROM:<a@x.test>\nS: 421 4.7.0 [TSS04] Mail from your address is deferred because of its volume or of complaints\nS: EOF",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := playing(t, Profile{Name: name, Open: 2, PerConn: 3, PerMinute: 5})
				first := connectTo(t, l, greeting)
				second := connectTo(t, l, greeting)
				connectTo(t, l, says.tooMany).Close()
				play(t, first, strings.Repeat(oneMail, 3)+says.tooLong)
				first.Close()
				time.Sleep(30 * time.Second)
				play(t, second, strings.Repeat(oneMail, 2)+says.tooFast)
				second.Close()
				time.Sleep(30 * time.Second)
				third := connectTo(t, l, greeting+strings.Repeat(oneMail, 3))
				third.Close()
				synctest.Wait()
				connectTo(t, l, greeting+says.tooFast).Close()
			})
		})
	}
}

func TestGreylistAndTarpitProfiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := connectTo(t, playing(t, Profile{Name: "greylist"}),
			"S: 220 sink.test ESMTP sink\nC: MAIL FROM:<a@x.test>\nS: 250 2.1.0 OK\n"+
				"C: RCPT TO:<b@y.test>\nS: 451 4.7.1 Greylisted, please come back")
		time.Sleep(30 * time.Second)
		play(t, conn, "C: RCPT TO:<b@y.test>\nS: 250 2.1.5 OK")
		conn.Close()

		began := time.Now()
		connectTo(t, playing(t, Profile{Name: "tarpit", Wait: 700 * time.Millisecond}),
			"S: 220 sink.test ESMTP sink\n"+oneMail).Close()
		require.Equal(t, 5*700*time.Millisecond, time.Since(began), "greeting, MAIL, RCPT, DATA and its end")
	})
}

func TestProfileNames(t *testing.T) {
	for _, name := range profileNames() {
		rules, err := Profile{Name: name}.Rules()
		require.NoError(t, err)
		require.NotEmpty(t, rules)
	}
	_, err := Profile{Name: "aol"}.Rules()
	require.ErrorContains(t, err, `unknown profile "aol": expected one of gmail, greylist`)
}

func TestLimitsInScripts(t *testing.T) {
	rules, err := ParseScript("connect >5/open * defer\nmail 50% >20/conn *@x.test 421 No\nrcpt >600/min * close")
	require.NoError(t, err)
	require.Equal(t, []Over{{Open: 5}, {PerConn: 20}, {PerMinute: 600}},
		[]Over{rules[0].Over, rules[1].Over, rules[2].Over})
	require.InDelta(t, 0.5, rules[1].Share, 0)
	for _, word := range []string{">", ">5", ">0/min", ">-1/open", ">x/conn", ">5/hour", ">/min"} {
		_, err := ParseScript("mail " + word + " * defer")
		require.ErrorContains(t, err, "expected >N/open", word)
	}
}

// TestManyPeers forgets those who have gone.
func TestManyPeers(t *testing.T) {
	p := watched([]Rule{{Over: Over{Open: 1}}})
	for i := range 2*maxPeers + 5 {
		p.leave(p.enter(fmt.Sprint(i)))
	}
	require.LessOrEqual(t, len(p.all), maxPeers)
	require.Nil(t, watched([]Rule{{}}), "without limits nobody counts")
}
