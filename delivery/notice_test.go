package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// teller is a Notifier that says what it was asked, and when trying ends.
type teller struct{ none bool }

func (n *teller) told(m *queue.Message, event string) *queue.Message {
	if n.none {
		return nil
	}
	text := fmt.Sprintf("Subject: %s %s\r\n\r\n", event, last(m))
	return &queue.Message{Recipient: m.Envelope, Body: queue.Bytes(text)}
}

func (n *teller) Failed(m *queue.Message) *queue.Message    { return n.told(m, "failed") }
func (n *teller) Delivered(m *queue.Message) *queue.Message { return n.told(m, "delivered") }
func (n *teller) Relayed(m *queue.Message) *queue.Message   { return n.told(m, "relayed") }

func (n *teller) Delayed(m *queue.Message, until time.Time) *queue.Message {
	return n.told(m, "delayed "+time.Until(until).Round(time.Hour).String())
}

// What takes the place of a message and what its sender is told are stored in one step.
func TestSendersAreTold(t *testing.T) {
	own, none, outbox := "own", "", "outbox"
	for _, c := range []struct {
		name       string
		code       int
		dsn        string
		queues     *queue.Queues
		none       bool
		from, want string // the queue of the notification, and the notification
	}{
		{"failed", 550, "bounces", nil, false, "bounces", "failed rcptto/error 550"},
		{"delayed", 450, "bounces", nil, false, "bounces", "delayed 24h0m0s rcptto/error 450"},
		{"relayed", 250, "bounces", nil, false, "bounces", "relayed message/accepted 250"},
		{"a queue of its own", 550, "", &queue.Queues{DSN: &own}, false, "own", "failed rcptto/error 550"},
		{"switched off", 550, "bounces", &queue.Queues{DSN: &none}, false, "bounces", ""},
		{"no queue", 550, "", nil, false, "bounces", ""},
		{"nothing to tell", 550, "bounces", nil, true, "bounces", ""},
		{"through the outbox", 550, "", &queue.Queues{DSN: &outbox}, false, "success", "failed rcptto/error 550"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Names.DSN, w.Notifier = c.dsn, &teller{none: c.none}
				w.sender.mail = func(_ context.Context, conn *conn, tx *delivery.Transaction) {
					if c.code == 250 || tx.Message.Recipient == "ann@shop.test" {
						conn.accept(tx)
						return
					}
					conn.reply(tx, queue.StateRcptTo, c.code, "x")
				}
				w.start()
				m := mail("jo@example.com")
				m.Envelope, m.Queues = "ann@shop.test", c.queues
				w.publish(m)
				w.settled()
				got := ""
				for _, notice := range w.take(c.from) {
					require.Equal(t, "ann@shop.test", notice.Recipient)
					if c.from == "success" {
						got = c.want // delivered, and so without its mail
						continue
					}
					body, err := queue.ReadBody(notice.Body)
					require.NoError(t, err)
					got, _, _ = strings.Cut(strings.TrimPrefix(string(body), "Subject: "), "\r\n")
				}
				require.Equal(t, c.want, got)
				w.shutDown()
			})
		})
	}
}
