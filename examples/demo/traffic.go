package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// senders is how many clients hand in mail at a time.
const senders = 6

// mailsEach is how many mails a client sends before it connects anew.
const mailsEach = 40

// traffic sends mails at a steady rate until ctx ends, or mtad does.
func (d *demo) traffic(ctx context.Context, rate float64) error {
	running, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	mails := make(chan *mail)
	for i := range senders {
		working.Go(func() { d.sender(running, fmt.Sprintf("app%d.%s", i+1, ownDomain), mails) })
	}
	working.Go(func() { d.tidy(running) })
	write := newAuthor(providers())
	pace := time.NewTicker(time.Duration(float64(time.Second) / max(rate, 0.001)))
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.daemon.ended:
			return d.daemon.failure()
		case <-pace.C:
			if rate == 0 {
				continue
			}
		}
		select {
		case mails <- write.next():
		case <-time.After(time.Second): // all are busy: nobody is waited for
		case <-ctx.Done():
		}
	}
}

// sender hands in mails, over one connection after the other.
func (d *demo) sender(ctx context.Context, name string, mails <-chan *mail) {
	for ctx.Err() == nil {
		if err := d.session(ctx, name, mails); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// session is one connection. A mail that is refused is forgotten.
func (d *demo) session(ctx context.Context, name string, mails <-chan *mail) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", d.smtp)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := smtp.NewClient(conn)
	defer c.Close()
	if err := c.Hello(name); err != nil {
		return err
	}
	for range mailsEach + rand.IntN(mailsEach) {
		select {
		case m := <-mails:
			if err := c.SendMail(m.from, m.to, m.text()); err != nil {
				if err := c.Reset(); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return c.Quit()
		case <-time.After(10 * time.Second):
			return c.Quit()
		}
	}
	return c.Quit()
}
