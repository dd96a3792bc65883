// Command ceiling is what a relay could be at best: it receives mail over SMTP, commits it to one file, many mails to a
// sync, and only then answers and sends it on. It routes nothing, keeps no index, retries nothing, recovers nothing.
// With a certificate it offers STARTTLS; with a key for DKIM it signs each mail and sends it over TLS. The benchmark
// holds the real relay against it.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"flag"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/delivery/sign"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:2525", "address to receive mail on")
	target := flag.String("target", "127.0.0.1:2626", "address to send mail to")
	file := flag.String("file", "", "file to commit to")
	senders := flag.Int("senders", 20, "connections to the target")
	certificate := flag.String("certificate", "", "PEM file with a certificate: offer STARTTLS")
	private := flag.String("key", "", "PEM file with its private key")
	dkim := flag.String("dkim", "", "PEM file with a key to sign with: sign, and send over TLS")
	most := flag.Int("per-connection", -1, "mails over one connection to the target; negative: any number")
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
	r := &relay{commits: make(chan *mail, 4096), outbox: make(chan *mail, 100000), most: *most}
	if *certificate != "" {
		r.tls = serverTLS(*certificate, *private)
	}
	if *dkim != "" {
		r.signer = newSigner(*dkim)
	}
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
	most            int         // mails over one connection to the target; negative: any number
	tls             *tls.Config // of the server; nil: none
	signer          *sign.Signer
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
			out.WriteString("250-ceiling\r\n250-PIPELINING\r\n")
			if r.tls != nil {
				out.WriteString("250-STARTTLS\r\n")
			}
			out.WriteString("250 8BITMIME\r\n")
		case "STAR":
			out.WriteString("220 go\r\n")
			if out.Flush() != nil {
				return
			}
			c = tls.Server(c, r.tls)
			in.Reset(c)
			out.Reset(c)
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

// send serves the target, with one connection at a time. A mail goes out in one flight with the envelope of the next,
// if there is one.
func (r *relay) send(target string) {
	var flight []byte
	for m := <-r.outbox; ; m = <-r.outbox {
		c, in := r.dial(target)
		for left := r.most; m != nil; m = r.following(left) {
			c.Write(appendEnvelope(flight[:0], m))
			replies(in, 3)
			for m != nil {
				body, expect := r.signed(m), 1
				flight = flight[:0]
				left--
				if m = r.next(left); m != nil {
					flight = appendEnvelope(flight, m)
					expect += 3
				}
				r.write(c, body, flight)
				replies(in, expect)
			}
		}
		io.WriteString(c, "QUIT\r\n")
		c.Close()
	}
}

// next returns a mail that waits, if there is one and so many may follow: any number, when that is negative.
func (r *relay) next(left int) *mail {
	if left == 0 {
		return nil
	}
	select {
	case m := <-r.outbox:
		return m
	default:
		return nil
	}
}

// following waits for a mail, unless none may follow.
func (r *relay) following(left int) *mail {
	if left == 0 {
		return nil
	}
	return <-r.outbox
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
