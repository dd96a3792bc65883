package smtpout_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

const greeting = "> 220 mx\n< *\n> 250-mx\n> 250 PIPELINING\n"

// script opens a connection to a remote that plays lines.
func script(t *testing.T, lines string, hop *delivery.Hop) (*scripted, func() (delivery.Connection, error)) {
	remote := &scripted{t: t, d: parseDialogue(t, "script", lines)}
	sender := &smtpout.Sender{Dial: remote.dial, TLS: trusting(t)}
	t.Cleanup(remote.end)
	return remote, func() (delivery.Connection, error) { return sender.Open(t.Context(), hop) }
}

func TestTimeouts(t *testing.T) {
	own := throttle.Timeouts{Connect: 2 * time.Second, Intro: 3 * time.Second, Command: 7 * time.Second,
		Data: 11 * time.Second, Message: 13 * time.Second}
	for _, c := range []struct {
		name     string
		lines    string
		state    queue.ResultState
		timeouts throttle.Timeouts
		want     time.Duration
	}{
		{"greeting", "!hang", queue.StateIntro, throttle.Timeouts{}, time.Minute},
		{"greeting, own", "!hang", queue.StateIntro, own, 3 * time.Second},
		{"EHLO", "> 220 mx\n!hang", queue.StateEHLO, throttle.Timeouts{}, 5 * time.Minute},
		{"EHLO, own", "> 220 mx\n!hang", queue.StateEHLO, own, 7 * time.Second},
		{"MAIL", greeting + "!hang", queue.StateMailFrom, throttle.Timeouts{}, 5 * time.Minute},
		{"MAIL, own", greeting + "!hang", queue.StateMailFrom, own, 7 * time.Second},
		{"RCPT", greeting + "> 250 ok\n!hang", queue.StateRcptTo, throttle.Timeouts{}, 5 * time.Minute},
		{"DATA", greeting + "> 250 ok\n> 250 ok\n!hang", queue.StateData, throttle.Timeouts{}, 2 * time.Minute},
		{"DATA, own", greeting + "> 250 ok\n> 250 ok\n!hang", queue.StateData, own, 11 * time.Second},
		{"mail", greeting + "> 250 ok\n> 250 ok\n> 354 go\n!hang", queue.StateMessage, throttle.Timeouts{}, 10 * time.Minute},
		{"mail, own", greeting + "> 250 ok\n> 250 ok\n> 354 go\n!hang", queue.StateMessage, own, 13 * time.Second},
		{"a reply that drips", greeting + "> 250-a\n!wait 4m\n> 250-b\n!wait 4m\n> 250 c\n!hang", queue.StateMailFrom,
			throttle.Timeouts{}, 5 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, open := script(t, c.lines, &delivery.Hop{Timeouts: c.timeouts})
				start := time.Now()
				conn, err := open()
				var result queue.Result
				var failure *delivery.Failure
				if errors.As(err, &failure) {
					result = failure.Result
				} else {
					require.NoError(t, err)
					tx := transactions(1, queue.Bytes("x\r\n"))[0]
					conn.Deliver(t.Context(), tx, nil)
					require.False(t, conn.Usable())
					require.False(t, tx.Unsent)
					result = tx.Result
					conn.Close()
				}
				require.Equal(t, c.state, result.State)
				require.Equal(t, queue.Timeout, result.Result)
				took := time.Since(start)
				require.LessOrEqual(t, took, c.want)
				require.GreaterOrEqual(t, took, c.want-time.Second)
			})
		})
	}
}

func TestConnectTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sender := smtpout.Sender{Dial: func(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
		}}
		start := time.Now()
		_, err := sender.Open(t.Context(), &delivery.Hop{Target: netip.MustParseAddrPort("192.0.2.25:25")})
		var failure *delivery.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, queue.StateConnect, failure.Result.State)
		require.Equal(t, queue.Timeout, failure.Result.Result)
		require.Equal(t, "192.0.2.25", failure.Result.To)
		require.True(t, failure.Temporary)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

// TestContextEnds ends the ctx of a call at each stage.
func TestContextEnds(t *testing.T) {
	for _, c := range []struct {
		name, lines string
		state       queue.ResultState
		unsent      bool
	}{
		{"during the envelope", greeting + "!hang", queue.StateMailFrom, true},
		{"after MAIL was accepted", greeting + "> 250 ok\n!hang", queue.StateRcptTo, true},
		{"when the mail is out", greeting + "> 250 ok\n> 250 ok\n> 354 go\n!hang", queue.StateMessage, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, open := script(t, c.lines, &delivery.Hop{})
				conn, err := open()
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				txs := transactions(2, queue.Bytes("x\r\n"))
				conn.Deliver(ctx, txs[0], txs[1])
				require.Equal(t, 10*time.Second, time.Since(start))
				require.Equal(t, c.state, txs[0].Result.State)
				require.Equal(t, queue.Lost, txs[0].Result.Result)
				require.Equal(t, c.unsent, txs[0].Unsent)
				require.False(t, conn.Usable())
				conn.Deliver(ctx, txs[1], nil)
				require.True(t, txs[1].Unsent, "nothing works after that")
				require.NoError(t, conn.Close())
			})
		})
	}
	t.Run("during Open", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			remote := &scripted{t: t, d: parseDialogue(t, "script", "> 220 mx\n!hang")}
			defer remote.end()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := (&smtpout.Sender{Dial: remote.dial}).Open(ctx, &delivery.Hop{})
			var failure *delivery.Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, queue.StateEHLO, failure.Result.State)
			require.Equal(t, queue.Lost, failure.Result.Result)
		})
	})
}

// TestContextOfAnEarlierCall tells that a connection outlives the contexts of the calls that are over.
func TestContextOfAnEarlierCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newMemPipe(0)
		go (&simpleServer{extensions: []string{"PIPELINING"}}).serve(server)
		sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
			return client,
				nil
		}}
		opening, opened := context.WithCancel(t.Context())
		conn, err := sender.Open(opening, &delivery.Hop{})
		require.NoError(t, err)
		defer conn.Close()
		opened()
		for _, tx := range transactions(3, queue.Bytes("x\r\n")) {
			ctx, cancel := context.WithCancel(t.Context())
			conn.Deliver(ctx, tx, nil)
			cancel()
			synctest.Wait()
			require.True(t, tx.Result.Success())
			idle, stop := context.WithTimeout(t.Context(), time.Minute)
			require.True(t, conn.Idle(idle))
			stop()
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.True(t, conn.Idle(ended))
	})
}

func TestIdleNoticesTheEnd(t *testing.T) {
	for _, lines := range []string{"!wait 7s\n> 421 bye\n!close", "!wait 7s\n!close", "!wait 7s\n!reset",
		"!wait 7s\n> 250 hm\n!hang"} {
		synctest.Test(t, func(t *testing.T) {
			hop := &delivery.Hop{}
			remote, open := script(t, greeting+lines, hop)
			hop.Monitor = remote
			conn, err := open()
			require.NoError(t, err)
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.False(t, conn.Idle(ctx))
			require.Equal(t, 7*time.Second, time.Since(start))
			require.False(t, conn.Usable())
			require.False(t, conn.Idle(ctx))
			if strings.Contains(lines, "250 hm") {
				require.Equal(t, []string{"unasked: 250 hm"}, remote.strange)
			} else {
				require.Empty(t, remote.strange)
			}
			require.NoError(t, conn.Close())
			require.NoError(t, conn.Close(), "closing twice does no harm")
		})
	}
}

// TestCloseGivesUpWhatWasBegun closes while the next mail's envelope is out.
func TestCloseGivesUpWhatWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newMemPipe(0)
		remote := &simpleServer{extensions: []string{"PIPELINING"}}
		go remote.serve(server)
		sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
			return client,
				nil
		}}
		conn, err := sender.Open(t.Context(), &delivery.Hop{})
		require.NoError(t, err)
		txs := transactions(3, queue.Bytes("x\r\n"))
		conn.Deliver(t.Context(), txs[0], txs[1])
		require.True(t, txs[0].Result.Success())
		require.False(t, txs[1].Unsent)
		require.NoError(t, conn.Close())
		require.True(t, txs[1].Unsent)
		synctest.Wait()
		require.EqualValues(t, 1, remote.mails.Load())
		conn.Deliver(t.Context(), txs[2], nil)
		require.True(t, txs[2].Unsent, "closed")
	})
}
