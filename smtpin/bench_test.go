package smtpin

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// discarding is a session that reads mails straight from the buffer and forgets them.
type discarding struct{}

func (discarding) Mail(string, *smtp.MailOptions) error { return nil }
func (discarding) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (discarding) Reset()                               {}
func (discarding) Logout() error                        { return nil }
func (discarding) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func discard(context.Context, *Conn) (smtp.Session, error) { return discarding{}, nil }

// cpu returns the CPU time of the process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIntake sends mails of 10 KiB over loopback, the next envelope along with the mail. It reports CPU seconds
// for each 1,000 mails, those of the kernel and of the client in this process included: BenchmarkLoad tells what
// remains without the server.
func BenchmarkIntake(b *testing.B) {
	const sessions = 4
	flight := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 131) +
		".\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &Server{Backend: BackendFunc(discard), Hostname: "mx.test", Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		MaxCommands: 1 << 40}
	go s.Serve(l)
	defer s.Close()
	var conns []net.Conn
	for range sessions {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, "EHLO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
		for p, n := make([]byte, 4096), 0; !bytes.Contains(p[:n], []byte("\r\n354 ")); {
			m, err := nc.Read(p[n:])
			if err != nil {
				b.Fatal(err)
			}
			n += m
		}
		conns = append(conns, nc)
	}
	runtime.GC()
	b.SetBytes(int64(len(flight)))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	done := make(chan error, sessions)
	for i, nc := range conns {
		mails := b.N / sessions
		if i < b.N%sessions {
			mails++
		}
		go func() { done <- load(nc, flight, mails) }()
	}
	for range conns {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric((cpu()-before).Seconds()*1000/float64(b.N), "cpu-s/1000-with-client")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

// load sends mails and waits for the replies to each.
func load(nc net.Conn, flight []byte, mails int) error {
	p := make([]byte, 4096)
	for range mails {
		if _, err := nc.Write(flight); err != nil {
			return err
		}
		for lines := 0; lines < 4; { // 250 for the mail, 250, 250, 354
			n, err := nc.Read(p)
			if err != nil {
				return err
			}
			lines += bytes.Count(p[:n], []byte("\n"))
		}
	}
	return nil
}

// BenchmarkLoad is the client of BenchmarkIntake against a socket that only reads and answers: the least that any
// server costs.
func BenchmarkLoad(b *testing.B) {
	const sessions = 4
	flight := []byte(strings.Repeat("x", 10240))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				p := make([]byte, 32<<10)
				for n := 0; ; {
					m, err := nc.Read(p)
					if err != nil {
						return
					}
					for n += m; n >= len(flight); n -= len(flight) {
						io.WriteString(nc,
							"250 2.0.0 Mail accepted\r\n250 2.1.0 Sender accepted\r\n250 2.1.5 Recipient accepted\r\n354 End the mail\r\n")
					}
				}
			}()
		}
	}()
	before := cpu()
	done := make(chan error, sessions)
	for range sessions {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		go func() { done <- load(nc, flight, b.N/sessions) }()
	}
	for range sessions {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpu()-before).Seconds()*1000/float64(b.N), "cpu-s/1000-with-client")
}
