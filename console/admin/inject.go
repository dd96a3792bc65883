package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/queue"
)

// Inject puts messages, each the JSON of one, into the inbox: all of them or, on an error, none where the queue can tell
// (it may hold some when it failed in the middle). It returns their ids. Each gets the property http from the context's
// actor, and message-id, received and hostname where these are missing.
func (a *Admin) Inject(ctx context.Context, messages ...[]byte) ([]string, error) {
	if a.Queue == nil || a.Inbox == "" {
		return nil, unavailable("there is no inbox to inject into", nil)
	}
	if len(messages) == 0 {
		return nil, invalid("", nil, "a message, or an array of messages")
	}
	items := make([]queue.Item, len(messages))
	ids := make([]string, len(messages))
	var wrong []Problem
	for i, data := range messages {
		m, err := queue.Unmarshal(data)
		if err == nil && a.MaxMessage > 0 && m.Body != nil && m.Body.Size() > a.MaxMessage {
			err = &queue.PropertyError{Property: "mime", Want: fmt.Sprintf("a mail of %d bytes at most", a.MaxMessage),
				Got: fmt.Sprintf("one of %d bytes", m.Body.Size())}
		}
		if err != nil {
			const most = 20
			if p := injectProblem(i, len(messages), err); len(wrong) < most {
				wrong = append(wrong, p)
			}
			continue
		}
		a.complete(ctx, m)
		items[i], ids[i] = queue.Item{Queue: a.Inbox, Message: m}, m.ID
	}
	if wrong != nil {
		return nil, &Invalid{Problems: wrong}
	}
	if err := a.Queue.Publish(ctx, items...); err != nil {
		if errors.Is(err, queue.ErrTooLarge) {
			return nil, &Invalid{Problems: []Problem{{Expected: "smaller messages: " + err.Error()}}}
		}
		return nil, queueError(err)
	}
	a.did(ctx, "messages injected", "messages", len(ids), "first", ids[0])
	return ids, nil
}

// injectProblem names the message and its property.
func injectProblem(i, n int, err error) Problem {
	p := Problem{Expected: "the JSON of a message: " + err.Error()}
	var property *queue.PropertyError
	if errors.As(err, &property) {
		p = Problem{Field: property.Property, Given: property.Got, Expected: property.Want}
	}
	if n > 1 {
		p.Field = strings.TrimSuffix(fmt.Sprintf("message %d, %s", i+1, p.Field), ", ")
	}
	return p
}

// complete adds what a message gets at intake.
func (a *Admin) complete(ctx context.Context, m *queue.Message) {
	who := ActorOf(ctx)
	m.HTTP = &queue.HTTPSource{Authentication: who.Name}
	if who.Remote.IsValid() {
		m.HTTP.RemoteIP, m.HTTP.RemotePort = who.Remote.Addr().Unmap().String(), int(who.Remote.Port())
	}
	if m.ID == "" {
		m.ID = a.newID()
	}
	if m.Received.IsZero() {
		m.Received = a.now()
	}
	if m.Hostname == "" {
		m.Hostname = a.Hostname
		if m.Hostname == "" {
			m.Hostname, _ = os.Hostname()
		}
	}
}

func (a *Admin) newID() string {
	if a.NewID != nil {
		return a.NewID()
	}
	return strconv.FormatInt(max(a.Instance, 1), 10) + "-" + strings.ToLower(rand.Text())
}
