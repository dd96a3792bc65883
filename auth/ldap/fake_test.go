package ldap

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// directory is a server within the test's process, reached over net.Pipe, that is as the test wants it to be.
type directory struct {
	// answer gets what a bind brings, and returns a result code and a text, or hangs up with a negative code.
	answer func(dn, password string) (code int64, text string)
	// raw, if set, is written instead of an answer.
	raw []byte
	// startTLS is the result code of StartTLS.
	startTLS int64

	mu      sync.Mutex
	dials   int
	binds   []string // the names
	open    []net.Conn
	serving sync.WaitGroup
}

func accept(dn, password string) (int64, string) {
	if dn == "uid=alice,dc=x" && password == "secret" {
		return ldap.LDAPResultSuccess, ""
	}
	return ldap.LDAPResultInvalidCredentials, ""
}

// authenticator returns one that asks d. It is closed, and d waited for, when the test ends.
func (d *directory) authenticator(t *testing.T, o Options) *Authenticator {
	t.Helper()
	o.Address, o.BaseDN, o.Dial = "directory", "dc=x", d.dial
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); d.hangUp(); d.serving.Wait() })
	return a
}

func (d *directory) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	d.mu.Lock()
	d.dials++
	d.open = append(d.open, ours)
	d.mu.Unlock()
	d.serving.Go(func() {
		defer ours.Close()
		d.serve(ours)
	})
	return theirs, nil
}

func (d *directory) serve(c net.Conn) {
	for {
		request, err := ber.ReadPacket(c)
		if err != nil || len(request.Children) < 2 {
			return
		}
		op, id := request.Children[1], request.Children[0].Value.(int64)
		if op.Tag == ldap.ApplicationExtendedRequest {
			if _, err := c.Write(response(ldap.ApplicationExtendedResponse, id, d.startTLS,
				strings.Repeat("no\n", 1000))); err != nil {
				return
			}
			continue
		}
		if op.Tag != ldap.ApplicationBindRequest || len(op.Children) < 3 {
			return
		}
		dn := op.Children[1].Value.(string)
		d.mu.Lock()
		d.binds = append(d.binds, dn)
		d.mu.Unlock()
		code, text := d.answer(dn, op.Children[2].Data.String())
		if code < 0 {
			return
		}
		reply := d.raw
		if reply == nil {
			reply = bindResponse(id, code, text)
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

func bindResponse(id, code int64, text string) []byte {
	return response(ldap.ApplicationBindResponse, id, code, text)
}

func response(kind ber.Tag, id, code int64, text string) []byte {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	r := ber.Encode(ber.ClassApplication, ber.TypeConstructed, kind, nil, "")
	r.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	r.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	r.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, text, ""))
	p.AppendChild(r)
	return p.Bytes()
}

// hangUp closes all connections, as a server that restarts does.
func (d *directory) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.open {
		c.Close()
	}
	d.open = nil
}

func (d *directory) counts() (dials, binds int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials, len(d.binds)
}
