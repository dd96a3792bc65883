package mta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/external"
	"github.com/sluicemail/sluice/delivery/lmtp"
	"github.com/sluicemail/sluice/delivery/maildir"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// senders open the connections that mail takes: out, by SMTP, or to mailboxes here. They keep how the latter do.
type senders struct {
	smtp    delivery.Sender
	lmtp    lmtp.Sender
	maildir maildir.Sender

	mu        sync.Mutex
	mailboxes map[string]*mailboxes // by the Local of their hosts
}

func newSenders(from *origins, own delivery.Sender) *senders {
	if own == nil {
		dialer := &external.Dialer{Table: from.external}
		own = &smtpout.Sender{ClearFallback: true, Dial: dialer.Dial}
	}
	return &senders{smtp: own, mailboxes: map[string]*mailboxes{}}
}

// Open implements delivery.Sender.
func (s *senders) Open(ctx context.Context, hop *delivery.Hop) (delivery.Connection, error) {
	if hop.Local == "" {
		return s.smtp.Open(ctx, hop)
	}
	var driver delivery.Sender = &s.lmtp
	if strings.HasPrefix(hop.Local, "maildir:") {
		driver = &s.maildir
	}
	m := s.at(hop.Local)
	conn, err := driver.Open(ctx, hop)
	if err != nil {
		m.note(err.Error(), true)
		return nil, err
	}
	m.reached()
	return &toMailboxes{conn, m}, nil
}

// at returns what is known of the mailboxes at a place.
func (s *senders) at(local string) *mailboxes {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mailboxes[local]
	if m == nil {
		m = new(mailboxes)
		s.mailboxes[local] = m
	}
	return m
}

// toMailboxes is a connection to mailboxes that notes what becomes of mails.
type toMailboxes struct {
	delivery.Connection
	mailboxes *mailboxes
}

// Deliver implements delivery.Connection.
func (c *toMailboxes) Deliver(ctx context.Context, tx, next *delivery.Transaction) {
	c.Connection.Deliver(ctx, tx, next)
	switch r := &tx.Result; {
	case tx.Unsent, ctx.Err() != nil:
	case r.Success():
		c.mailboxes.delivered()
	default:
		// Without a reply, or with one about the mail system (RFC 3463 §3.4) or the session, it is not the mail's fault.
		ours := r.State == queue.StateStorage
		c.mailboxes.note(cmp.Or(tx.Text, string(r.State)+": "+r.Description),
			!ours && (r.Code == 0 || r.Code == 421 || strings.HasPrefix(r.Status, "4.3.")))
	}
}

// mailboxes is how deliveries to the mailboxes at a place go.
type mailboxes struct {
	mu    sync.Mutex
	mails int64
	down  bool
	last  string // error
	at    time.Time
}

func (m *mailboxes) reached() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = false
}

func (m *mailboxes) delivered() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails++
	m.down = false
}

// note keeps an error, and whether nothing can be delivered because of it.
func (m *mailboxes) note(text string, down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last, m.at = text, time.Now()
	m.down = m.down || down
}

// describe tells whether mails are delivered, and the last error.
func (m *mailboxes) describe() (detail string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	detail = plural(int(m.mails), "mail") + " delivered"
	if m.last != "" {
		detail += fmt.Sprintf("; last error at %s: %s", m.at.UTC().Format(time.DateTime), m.last)
	}
	if m.down {
		err = errors.New(detail)
	}
	return detail, err
}

// mailboxStates tells how deliveries to the mailboxes go that routes lead to.
func (m *MTA) mailboxStates() []admin.Service {
	var places []string
	for _, route := range m.ways.both.Load().List() {
		if local := route.Relay.Local; local != "" && !slices.Contains(places, local) {
			places = append(places, local)
		}
	}
	all := make([]admin.Service, len(places))
	for i, place := range places {
		detail, err := m.senders.at(place).describe()
		all[i] = m.services.state(place, err, detail)
	}
	return all
}
