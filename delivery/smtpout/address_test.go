package smtpout_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// TestAddressesCannotInject tries addresses that would end the command or begin a parameter.
func TestAddressesCannotInject(t *testing.T) {
	client, server := newMemPipe(0)
	defer client.Close()
	go (&simpleServer{extensions: []string{"PIPELINING"}}).serve(server)
	sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
		return client,
			nil
	}}
	conn, err := sender.Open(t.Context(), &delivery.Hop{})
	require.NoError(t, err)
	for address, sendable := range map[string]bool{
		"a@example.org":                       true,
		`"a b>c"@example.org`:                 true,
		`"a\"b"@example.org`:                  true,
		"":                                    false,
		"a@example.org>\r\nRCPT TO:<b@x":      false,
		"a@example.org\nDATA":                 false,
		"a@example.org\x00":                   false,
		"a@example.org> NOTIFY=NEVER":         false,
		"<a@example.org>":                     false,
		"a b@example.org":                     false,
		`"open@example.org`:                   false,
		string(make([]byte, 2000)) + "@x.org": false,
	} {
		before := client.count()
		tx := &delivery.Transaction{Message: &queue.Message{Recipient: address}, Body: queue.Bytes("x\r\n")}
		conn.Deliver(t.Context(), tx, nil)
		require.Equal(t, sendable, tx.Result.Success(), "%q: %+v", address, tx.Result)
		if !sendable {
			require.Equal(t, before, client.count(), "nothing is written")
			require.Equal(t, queue.StateRcptTo, tx.Result.State)
			require.Equal(t, "553 5.1.3 the recipient's address is not valid", tx.Text)
		}
		if address == "" {
			continue // as a sender it is fine
		}
		tx.Message = &queue.Message{Envelope: address, Recipient: "a@example.org"}
		conn.Deliver(t.Context(), tx, nil)
		require.Equal(t, sendable, tx.Result.Success(), "%q: %+v", address, tx.Result)
	}
	require.True(t, conn.Usable())
}
