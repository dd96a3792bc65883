package smtpout_test

import (
	"bufio"
	"context"
	"io"
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
)

// liar announces PIPELINING, answers one command and forgets what came with it.
func liar(server net.Conn) {
	defer server.Close()
	r := bufio.NewReader(server)
	io.WriteString(server, "220 mx\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		r.Discard(r.Buffered())
		switch {
		case strings.HasPrefix(line, "EHLO"):
			io.WriteString(server, "250-mx\r\n250 PIPELINING\r\n")
		case strings.HasPrefix(line, "DATA"):
			io.WriteString(server, "354 go\r\n")
			if _, err := readMail(r); err != nil {
				return
			}
			io.WriteString(server, "250 2.0.0 ok\r\n")
		default:
			io.WriteString(server, "250 ok\r\n")
		}
	}
}

func TestALyingRemoteIsTriedInLockstep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
			client, server := newMemPipe(time.Millisecond)
			go liar(server)
			return client, nil
		}}
		send := func(target string) *queue.Result {
			conn, err := sender.Open(t.Context(), &delivery.Hop{Target: netip.MustParseAddrPort(target)})
			require.NoError(t, err)
			defer conn.Close()
			tx := transactions(1, queue.Bytes("Subject: x\r\n\r\nx\r\n"))[0]
			conn.Deliver(t.Context(), tx, nil)
			return &tx.Result
		}
		const remote = "192.0.2.1:25"
		r := send(remote)
		require.Equal(t, queue.Timeout, r.Result)
		require.Equal(t, queue.StateRcptTo, r.State)
		for range 2 {
			require.True(t, send(remote).Success(), "one command at a time")
		}
		require.Equal(t, queue.Timeout, send("192.0.2.2:25").Result, "another one may be honest")
		time.Sleep(5 * time.Hour)
		require.Equal(t, queue.Timeout, send(remote).Result, "forgotten, as it may be mended")
		require.True(t, send(remote).Success())
		time.Sleep(time.Second) // the remotes end
	})
}

// TestQuitAfterARefusal tells that a remote that greets with 5xx hears QUIT (RFC 5321 §3.1), and that the result names
// the address that the world sees.
func TestQuitAfterARefusal(t *testing.T) {
	client, server := newMemPipe(0)
	said := make(chan string, 1)
	go func() {
		io.WriteString(server, "554 5.7.1 go away\r\n")
		text, _ := io.ReadAll(server)
		said <- string(text)
		server.Close()
	}()
	sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
		return client,
			nil
	}}
	_, err := sender.Open(t.Context(), &delivery.Hop{Source: netip.MustParseAddr("203.0.113.5"),
		Target: netip.MustParseAddrPort("192.0.2.25:25")})
	var failure *delivery.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, 554, failure.Result.Code)
	require.Equal(t, "203.0.113.5", failure.Result.From)
	require.Equal(t, "QUIT\r\n", <-said)
}

// TestLongAnswerToEHLO reads 60 KB of extensions, PIPELINING the last of them.
func TestLongAnswerToEHLO(t *testing.T) {
	client, server := newMemPipe(0)
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		io.WriteString(server, "220 mx\r\n")
		r.ReadString('\n')
		io.WriteString(server, "250-mx\r\n"+strings.Repeat("250-XAVERYLONGEXTENSION WITH PARAMETERS\r\n", 1500)+
			"250 SIZE 10\r\n")
		io.Copy(io.Discard, r)
	}()
	sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
		return client,
			nil
	}}
	conn, err := sender.Open(t.Context(), &delivery.Hop{Target: netip.MustParseAddrPort("192.0.2.25:25")})
	require.NoError(t, err)
	defer conn.Close()
	tx := transactions(1, queue.Bytes("Subject: too large\r\n\r\nx\r\n"))[0]
	conn.Deliver(t.Context(), tx, nil)
	require.Equal(t, 552, tx.Result.Code, "its SIZE was read")
}
