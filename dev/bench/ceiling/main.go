// Command ceiling is what a relay could be at best: it receives mail over SMTP, commits it to one file, many mails to a
// sync, and only then answers and sends it on. It routes nothing, keeps no index, retries nothing, recovers nothing.
// The benchmark holds the real relay against it.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:2525", "address to receive mail on")
	target := flag.String("target", "127.0.0.1:2626", "address to send mail to")
	file := flag.String("file", "", "file to commit to")
	senders := flag.Int("senders", 20, "connections to the target")
	flag.Parse()

	f, err := os.OpenFile(*file, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	const window = 1 << 30
	if err := unix.Fallocate(int(f.Fd()), 0, 0, window); err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	r := &relay{commits: make(chan *mail, 4096), outbox: make(chan *mail, 100000)}
	go r.commit(f, window)
	for range *senders {
		go r.send(*target)
	}
	go r.accept(l)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}

type relay struct {
	commits, outbox chan *mail
}

type mail struct {
	from, to []byte
	body     []byte // dot-stuffed as it came, the final dot included
	stored   chan struct{}
}

func (r *relay) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go r.receive(c)
	}
}

// receive runs the dialogue of one client.
func (r *relay) receive(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 4<<10)
	out.WriteString("220 ceiling ESMTP\r\n")
	m := &mail{stored: make(chan struct{}, 1)}
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		if err != nil || len(line) < 4 {
			return
		}
		switch string(bytes.ToUpper(line[:4])) {
		case "EHLO":
			out.WriteString("250-ceiling\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
		case "MAIL":
			m.from = path(line)
			out.WriteString("250 ok\r\n")
		case "RCPT":
			m.to = path(line)
			out.WriteString("250 ok\r\n")
		case "DATA":
			out.WriteString("354 go\r\n")
			if out.Flush() != nil {
				return
			}
			if m.body, err = body(in); err != nil {
				return
			}
			r.commits <- m
			<-m.stored
			out.WriteString("250 stored\r\n")
			m = &mail{stored: make(chan struct{}, 1)}
		case "QUIT":
			out.WriteString("221 bye\r\n")
			out.Flush()
			return
		default:
			out.WriteString("250 ok\r\n")
		}
	}
}

func path(line []byte) []byte {
	a, b := bytes.IndexByte(line, '<'), bytes.IndexByte(line, '>')
	if a < 0 || b < a {
		return nil
	}
	return bytes.Clone(line[a : b+1])
}

func body(in *bufio.Reader) ([]byte, error) {
	b := make([]byte, 0, 12<<10)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
		b = append(b, line...)
		if len(line) == 3 && bytes.HasSuffix(b, []byte("\r\n.\r\n")) {
			return b, nil
		}
	}
}

// commit writes what waits, syncs once, and lets all of it go on.
func (r *relay) commit(f *os.File, window int64) {
	var batch []*mail
	var pieces [][]byte
	var off int64
	for m := range r.commits {
		batch, pieces = append(batch[:0], m), append(pieces[:0], m.from, m.to, m.body)
	gather:
		for len(batch) < 256 {
			select {
			case m = <-r.commits:
				batch, pieces = append(batch, m), append(pieces, m.from, m.to, m.body)
			default:
				break gather
			}
		}
		var size int64
		for _, p := range pieces {
			size += int64(len(p))
		}
		if off+size > window {
			off = 0
		}
		if n, err := unix.Pwritev(int(f.Fd()), pieces, off); err != nil || int64(n) != size {
			log.Fatalf("wrote %d of %d bytes: %v", n, size, err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			log.Fatal(err)
		}
		off += size
		for _, m := range batch {
			m.stored <- struct{}{}
			r.outbox <- m
		}
	}
}

// send serves one connection to the target. A mail goes out in one flight with the envelope of the next, if there is
// one.
func (r *relay) send(target string) {
	m := <-r.outbox
	c, err := net.Dial("tcp", target)
	if err != nil {
		log.Fatal(err)
	}
	in := bufio.NewReaderSize(c, 4<<10)
	replies(in, 1)
	io.WriteString(c, "EHLO ceiling\r\n")
	replies(in, 1)
	var flight []byte
	for {
		c.Write(appendEnvelope(flight[:0], m))
		replies(in, 3)
		for m != nil {
			pieces := net.Buffers{m.body}
			expect := 1
			select {
			case m = <-r.outbox:
				flight = appendEnvelope(flight[:0], m)
				pieces = append(pieces, flight)
				expect += 3
			default:
				m = nil
			}
			pieces.WriteTo(c)
			replies(in, expect)
		}
		m = <-r.outbox
	}
}

func appendEnvelope(b []byte, m *mail) []byte {
	b = append(append(append(b, "MAIL FROM:"...), m.from...), "\r\nRCPT TO:"...)
	return append(append(b, m.to...), "\r\nDATA\r\n"...)
}

// replies reads n replies, whatever they say.
func replies(in *bufio.Reader, n int) {
	for n > 0 {
		line, err := in.ReadSlice('\n')
		if err != nil {
			log.Fatal(err)
		}
		if len(line) < 4 || line[3] != '-' {
			n--
		}
	}
}
