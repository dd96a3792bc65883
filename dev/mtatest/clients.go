package mtatest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/queue/disk"
)

// Nowhere has mail that is sent on stay in the outbox.
var Nowhere = Settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": "1", "retry-interval": "3600"}

// Kept has mail stay where it was received.
var Kept = Settings{"rabbitmq-inbox": "inbox"}

// Letters is a mail that is no report.
const Letters = "From: a@client.test\r\nSubject: words\r\n\r\nText"

// SQLite returns the setting that names a fresh settings database, and opens it.
func SQLite(t testing.TB) (Settings, *store.DB) {
	t.Helper()
	address := "sqlite://" + filepath.Join(t.TempDir(), "settings.db")
	return Settings{"database-address": address}, OpenSettings(t, address)
}

// OpenSettings opens the settings database at an address.
func OpenSettings(t testing.TB, address string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), address, store.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// Insert adds rows to a table.
func Insert[T store.Entity[T]](t testing.TB, db *store.DB, rows ...T) {
	t.Helper()
	for i := range rows {
		require.NoError(t, store.Insert(t.Context(), db, &rows[i]))
	}
}

// Connect connects to mtad from an address of loopback.
func Connect(t testing.TB, from, address string) *Client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return NewClient(t, conn)
}

// ProxyAddress is the proxy of those tests that speak its part themselves.
const ProxyAddress = "127.0.0.9"

// Proxied connects as a client from anywhere, through the proxy.
func (d *Daemon) Proxied(t testing.TB, client string) *Client {
	t.Helper()
	c := Connect(t, ProxyAddress, d.Addr)
	c.Raw("PROXY TCP4 " + client + " 127.0.0.1 40000 25\r\n")
	return c
}

// Greeted says EHLO and returns what is offered.
func (c *Client) Greeted() string {
	c.T.Helper()
	c.Expect(220)
	return c.Command("EHLO client.test", 250)
}

// StartTLS goes over to TLS, says EHLO, and returns what is offered then.
func (c *Client) StartTLS() string {
	c.T.Helper()
	c.Command("STARTTLS", 220)
	secure := NewClient(c.T, tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}))
	c.Conn, c.R = secure.Conn, secure.R
	return c.Command("EHLO client.test", 250)
}

// Base64Text is a text as AUTH sends it.
func Base64Text(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// Plain is the command that logs in.
func Plain(user, password string) string {
	return "AUTH PLAIN " + Base64Text("\x00"+user+"\x00"+password)
}

// Login logs in with PLAIN and expects a reply.
func (c *Client) Login(user, password string, code int) string {
	c.T.Helper()
	return c.Command(Plain(user, password), code)
}

// Text sends a mail whose recipients were said and expects a reply.
func (c *Client) Text(data string, code int) string {
	c.T.Helper()
	c.Command("DATA", 354)
	c.Raw(data + "\r\n.\r\n")
	return c.Expect(code)
}

// Refused requires that instead of a greeting there is a reply of a code and with a text, and then nothing any more.
func (c *Client) Refused(code int, text string) {
	c.T.Helper()
	require.Contains(c.T, c.Expect(code), text)
	_, _, err := c.Read()
	require.Error(c.T, err, "the connection is closed")
}

// Stopped ends mtad and returns its queue.
func (d *Daemon) Stopped(t testing.TB) *disk.Queue {
	t.Helper()
	d.Terminate(t)
	return OpenQueue(t, d.Queue)
}

// LoginSettings demand AUTH, with TLS, of clients that relay.
func LoginSettings(t testing.TB, url string) Settings {
	t.Helper()
	return Certificate(t).With(Settings{"smtp-auth": url})
}

// Offers reports whether the reply to EHLO has a word.
func Offers(ehlo, word string) bool {
	for line := range strings.Lines(ehlo) {
		if strings.HasPrefix(line[min(4, len(line)):], word) {
			return true
		}
	}
	return false
}
