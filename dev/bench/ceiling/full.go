package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"log"
	"net"
	"os"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/delivery/sign/libcrypto"
	"github.com/sluicemail/sluice/queue"
)

// serverTLS is what clients that say STARTTLS get.
func serverTLS(certificate, key string) *tls.Config {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// newSigner signs as the real relay does, with the same libraries.
func newSigner(file string) *sign.Signer {
	text, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	cache := &sign.KeyCache{Open: openKey()}
	keys, broken := sign.Compile([]sign.Spec{{Key: queue.DKIM{Domain: "source.test", Selector: "bench", Key: string(text)}}},
		cache)
	if len(broken) > 0 {
		log.Fatal(broken[0])
	}
	return &sign.Signer{Keys: func() *sign.Keys { return keys }, Reuse: -1}
}

// openKey has RSA signatures made by the system's library, where that is there.
func openKey() func(string) (crypto.Signer, error) {
	library, err := libcrypto.Open("")
	if err != nil {
		return sign.ParseKey
	}
	return func(text string) (crypto.Signer, error) {
		key, err := sign.ParseKey(text)
		if private, is := key.(*rsa.PrivateKey); is {
			return library.Key(private)
		}
		return key, err
	}
}

// signed returns what is sent of a mail, the final dot included. Mails of the source have no line with a dot before it.
func (r *relay) signed(m *mail) []byte {
	if r.signer == nil {
		return m.body
	}
	text := m.body[:len(m.body)-len(".\r\n")]
	body, err := r.signer.Sign(context.Background(), &queue.Message{}, queue.Bytes(text))
	if err != nil {
		log.Fatal(err)
	}
	mail, err := queue.ReadBody(body)
	if err != nil {
		log.Fatal(err)
	}
	return append(mail, ".\r\n"...)
}

// write sends a mail and what follows it with one call.
func (r *relay) write(c net.Conn, mail, more []byte) {
	if r.signer != nil {
		c.Write(append(mail, more...))
		return
	}
	pieces := net.Buffers{mail, more}
	pieces.WriteTo(c)
}

// dial connects to the target, over TLS where mails are signed.
func (r *relay) dial(target string) (net.Conn, *bufio.Reader) {
	c, err := net.Dial("tcp", target)
	if err != nil {
		log.Fatal(err)
	}
	in := bufio.NewReaderSize(c, 4<<10)
	replies(in, 1)
	io.WriteString(c, "EHLO ceiling\r\n")
	replies(in, 1)
	if r.signer == nil {
		return c, in
	}
	io.WriteString(c, "STARTTLS\r\n")
	replies(in, 1)
	c = tls.Client(c, clientTLS)
	in.Reset(c)
	io.WriteString(c, "EHLO ceiling\r\n")
	replies(in, 1)
	return c, in
}

// clientTLS believes any certificate, as opportunistic TLS does, and resumes sessions.
var clientTLS = &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
