package smtpout_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// sink takes mails in the laziest way: it looks only for what ends a flight.
func sink(nc net.Conn, extensions string) {
	defer nc.Close()
	buf := make([]byte, 256<<10)
	nc.Write([]byte("220 mx\r\n"))
	nc.Read(buf)
	nc.Write([]byte("250-mx\r\n" + extensions + "250 PIPELINING\r\n"))
	n, out := 0, make([]byte, 0, 256)
	for {
		m, err := nc.Read(buf[n:])
		if err != nil {
			return
		}
		n += m
		out = out[:0]
		if bytes.Contains(buf[:n], []byte("\r\n.\r\n")) {
			out = append(out, "250 2.0.0 Ok: queued as 4B0A12345\r\n"...)
		}
		switch {
		case bytes.HasSuffix(buf[:n], []byte("DATA\r\n")):
			out = append(out, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n"...)
		case extensions != "" && bytes.HasSuffix(buf[:n], []byte("last line\r\n")):
			out = append(out, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok: queued as 4B0A12345\r\n"...)
		case !bytes.HasSuffix(buf[:n], []byte("\r\n.\r\n")):
			continue
		}
		n = 0
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func openSink(tb testing.TB, extensions string, lmtp bool) delivery.Connection {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer l.Close()
	go func() {
		if nc, err := l.Accept(); err == nil {
			sink(nc, extensions)
		}
	}()
	conn, err := (&smtpout.Sender{Chunking: true, LMTP: lmtp}).Open(context.Background(),
		&delivery.Hop{Target: l.Addr().(*net.TCPAddr).AddrPort()})
	require.NoError(tb, err)
	tb.Cleanup(func() { conn.Close() })
	return conn
}

func BenchmarkDeliver(b *testing.B) {
	kilobyte := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 16)
	for _, c := range []struct {
		name, mail, extensions string
		lmtp                   bool
	}{
		{"1KiB", kilobyte, "", false},
		{"10KiB", strings.Repeat(kilobyte, 10), "", false},
		{"10KiB, dots", "." + strings.Repeat(kilobyte, 10), "", false},
		{"10KiB, BDAT", strings.Repeat(kilobyte, 10), "250-CHUNKING\r\n", false},
		{"10KiB, LMTP", strings.Repeat(kilobyte, 10), "", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn := openSink(b, c.extensions, c.lmtp)
			mail := c.mail + "last line\r\n"
			txs := [2]*delivery.Transaction(transactions(2, queue.Bytes(mail)))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			b.SetBytes(int64(len(mail)))
			for i := 0; b.Loop(); i++ {
				tx := txs[i&1]
				conn.Deliver(ctx, tx, txs[1-i&1])
				if !tx.Result.Success() {
					b.Fatal(tx.Result.Description)
				}
			}
		})
	}
}

func TestDeliverAllocatesLittle(t *testing.T) {
	conn := openSink(t, "", false)
	txs := transactions(2, queue.Bytes(strings.Repeat("x\r\n", 1000)))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	i := 0
	allocs := testing.AllocsPerRun(200, func() {
		conn.Deliver(ctx, txs[i&1], txs[1-i&1])
		require.True(t, txs[i&1].Result.Success())
		i++
	})
	require.LessOrEqual(t, allocs, 3.0)
}
