package smtpout_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// simpleServer takes every mail. Replies to commands that came together leave together.
type simpleServer struct {
	extensions []string
	mails      atomic.Int64
}

func (s *simpleServer) serve(nc net.Conn) {
	defer nc.Close()
	r, w := bufio.NewReaderSize(nc, 1<<16), bufio.NewWriter(nc)
	say := func(line string) { w.WriteString(line + "\r\n") }
	say("220 mx.example.org ESMTP")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		switch line[0] {
		case 'E':
			say("250-mx.example.org")
			for _, x := range s.extensions {
				say("250-" + x)
			}
			say("250 8BITMIME")
		case 'D':
			say("354 go")
			w.Flush()
			if skipMail(r) != nil {
				return
			}
			s.mails.Add(1)
			say("250 2.0.0 Ok: queued as 4B0A12345")
		case 'B':
			n, _ := strconv.Atoi(strings.Fields(string(line))[1])
			if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
				return
			}
			s.mails.Add(1)
			say("250 2.0.0 Ok: queued as 4B0A12345")
		case 'Q':
			say("221 bye")
			w.Flush()
			return
		default:
			say("250 2.1.0 Ok")
		}
	}
}

func skipMail(r *bufio.Reader) error {
	fresh := true
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if fresh && len(line) == 3 && line[0] == '.' {
			return nil
		}
		fresh = err == nil
	}
}

func transactions(n int, body queue.Body) []*delivery.Transaction {
	txs := make([]*delivery.Transaction, n)
	for i := range txs {
		txs[i] = &delivery.Transaction{
			Message: &queue.Message{Envelope: "from@example.com", Recipient: fmt.Sprintf("to%d@example.org", i)},
			Body:    body,
		}
	}
	return txs
}

// TestRoundTrips counts the round trips and writes that doc.go promises, over a line of 25 ms each way.
func TestRoundTrips(t *testing.T) {
	const mails, trip = 20, 50 * time.Millisecond
	hello := queue.Bytes("Subject: hello\r\n\r\nHello\r\n")
	for _, c := range []struct {
		name       string
		extensions []string
		sender     *smtpout.Sender
		body       queue.Body
		overlap    bool
		trips      int // all mails
		writes     int
	}{
		{"overlap", []string{"PIPELINING"}, &smtpout.Sender{}, hello, true, mails + 1, mails + 1},
		{"overlap, dots", []string{"PIPELINING"}, &smtpout.Sender{}, queue.Bytes(".x\r\n"), true, mails + 1, mails + 1},
		{"one after the other", []string{"PIPELINING"}, &smtpout.Sender{}, hello, false, 2 * mails, 2 * mails},
		{"chunking", []string{"PIPELINING", "CHUNKING"}, &smtpout.Sender{Chunking: true}, hello, true, mails, mails},
		{"binary", []string{"PIPELINING", "CHUNKING"}, &smtpout.Sender{}, queue.Bytes("a\x00b"), true, mails, mails},
		{"lockstep", nil, &smtpout.Sender{}, hello, true, 4 * mails, 4 * mails},
		{"pipelining switched off", []string{"PIPELINING"}, &smtpout.Sender{NoPipelining: true}, hello, true, 4 * mails,
			4 * mails},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := newMemPipe(trip / 2)
				remote := &simpleServer{extensions: c.extensions}
				var serving sync.WaitGroup
				serving.Go(func() { remote.serve(server) })
				defer serving.Wait()
				defer client.Close()
				c.sender.Dial = func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return client, nil }
				conn, err := c.sender.Open(t.Context(), &delivery.Hop{Target: netip.MustParseAddrPort("192.0.2.25:25")})
				require.NoError(t, err)
				require.Equal(t, monitor.Stages{Greeting: trip + trip/2}, conn.(delivery.Timed).Opening())
				writes, start, took := client.count(), time.Now(), time.Duration(0)
				txs := transactions(mails, c.body)
				for i, tx := range txs {
					var next *delivery.Transaction
					if c.overlap && i+1 < mails {
						next = txs[i+1]
					}
					conn.Deliver(t.Context(), tx, next)
					require.True(t, tx.Result.Success(), tx.Result.Description)
					require.Equal(t, i+1, tx.Result.Messages)
					took += tx.Stages.Attempt()
				}
				require.Equal(t, time.Since(start), took, "the stages of all mails")
				if remote.extensions == nil {
					require.Equal(t, monitor.Stages{Envelope: 3 * trip, Mail: trip}, txs[0].Stages)
				}
				require.Equal(t, time.Duration(c.trips)*trip, time.Since(start), "time on the line")
				require.Equal(t, c.writes, client.count()-writes, "writes")
				require.EqualValues(t, mails, remote.mails.Load())
				require.NoError(t, conn.Close())
			})
		})
	}
}

// TestDeadlines tells that a busy connection does not set deadlines for every mail.
func TestDeadlinesAreSetRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newMemPipe(0)
		go (&simpleServer{extensions: []string{"PIPELINING"}}).serve(server)
		sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
			return client,
				nil
		}}
		conn, err := sender.Open(t.Context(), &delivery.Hop{})
		require.NoError(t, err)
		defer conn.Close()
		txs := transactions(1000, queue.Bytes("x\r\n"))
		before := client.deadlines
		for i, tx := range txs {
			conn.Deliver(t.Context(), tx, append(txs, nil)[i+1])
			require.True(t, tx.Result.Success())
		}
		require.Less(t, client.deadlines-before, 10)
	})
}
