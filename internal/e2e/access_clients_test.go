package e2e

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

// nowhere has mail that is sent on stay in the outbox.
var nowhere = settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": "1", "retry-interval": "3600"}

// kept has mail stay where it was received.
var kept = settings{"rabbitmq-inbox": "inbox"}

// letters is a mail that is no report.
const letters = "From: a@client.test\r\nSubject: words\r\n\r\nText"

// sqlite returns the setting that names a fresh settings database, and opens it.
func sqlite(t testing.TB) (settings, *store.DB) {
	t.Helper()
	address := "sqlite://" + filepath.Join(t.TempDir(), "settings.db")
	return settings{"database-address": address}, openSettings(t, address)
}

// openSettings opens the settings database at an address.
func openSettings(t testing.TB, address string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), address, store.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// insert adds rows to a table.
func insert[T store.Entity[T]](t testing.TB, db *store.DB, rows ...T) {
	t.Helper()
	for i := range rows {
		require.NoError(t, store.Insert(t.Context(), db, &rows[i]))
	}
}

// connect connects to mtad from an address of loopback.
func connect(t testing.TB, from, address string) *client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return newClient(t, conn)
}

// proxyAddress is the proxy of those tests that speak its part themselves.
const proxyAddress = "127.0.0.9"

// proxied connects as a client from anywhere, through the proxy.
func (d *daemon) proxied(t testing.TB, client string) *client {
	t.Helper()
	c := connect(t, proxyAddress, d.addr)
	c.raw("PROXY TCP4 " + client + " 127.0.0.1 40000 25\r\n")
	return c
}

// greeted says EHLO and returns what is offered.
func (c *client) greeted() string {
	c.t.Helper()
	c.expect(220)
	return c.command("EHLO client.test", 250)
}

// starttls goes over to TLS, says EHLO, and returns what is offered then.
func (c *client) starttls() string {
	c.t.Helper()
	c.command("STARTTLS", 220)
	secure := newClient(c.t, tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}))
	c.conn, c.r = secure.conn, secure.r
	return c.command("EHLO client.test", 250)
}

// base64Text is a text as AUTH sends it.
func base64Text(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// plain is the command that logs in.
func plain(user, password string) string {
	return "AUTH PLAIN " + base64Text("\x00"+user+"\x00"+password)
}

// login logs in with PLAIN and expects a reply.
func (c *client) login(user, password string, code int) string {
	c.t.Helper()
	return c.command(plain(user, password), code)
}

// text sends a mail whose recipients were said and expects a reply.
func (c *client) text(data string, code int) string {
	c.t.Helper()
	c.command("DATA", 354)
	c.raw(data + "\r\n.\r\n")
	return c.expect(code)
}

// refused requires that instead of a greeting there is a reply of a code and with a text, and then nothing any more.
func (c *client) refused(code int, text string) {
	c.t.Helper()
	require.Contains(c.t, c.expect(code), text)
	_, _, err := c.read()
	require.Error(c.t, err, "the connection is closed")
}

// stopped ends mtad and returns its queue.
func (d *daemon) stopped(t testing.TB) *disk.Queue {
	t.Helper()
	d.terminate(t)
	return openQueue(t, d.queue)
}

// loginSettings demand AUTH, with TLS, of those who relay.
func loginSettings(t testing.TB, url string) settings {
	t.Helper()
	return certificate(t).with(settings{"smtp-auth": url})
}

// offers reports whether the reply to EHLO has a word.
func offers(ehlo, word string) bool {
	for line := range strings.Lines(ehlo) {
		if strings.HasPrefix(line[min(4, len(line)):], word) {
			return true
		}
	}
	return false
}
