package smtptest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Over makes a rule fit only those clients who have more than a limit. Zero fields limit nothing; one that is exceeded
// is enough.
type Over struct {
	Open      int // connections from one IP address, this one counted
	PerConn   int // mails over this connection, the next one counted
	PerMinute int // mails from one IP address within a minute, the next one counted
}

// parseOver reads ">5/open", ">20/conn" and ">600/min".
func parseOver(word string) (o Over, err error) {
	count, unit, _ := strings.Cut(strings.TrimPrefix(word, ">"), "/")
	n, err := strconv.Atoi(count)
	if err == nil && n > 0 {
		switch unit {
		case "open":
			return Over{Open: n}, nil
		case "conn":
			return Over{PerConn: n}, nil
		case "min":
			return Over{PerMinute: n}, nil
		}
	}
	return o, fmt.Errorf("limit %q: expected >N/open, >N/conn or >N/min", word)
}

// peers knows what each IP address does.
type peers struct {
	mu      sync.Mutex
	all     map[string]*peer
	longest int // mails of a minute that have to be remembered
}

type peer struct {
	open int
	sent []time.Time // mails of the last minute, or the last of them
}

// watched prepares for the limits of rules; nil when there are none.
func watched(rules []Rule) *peers {
	var c *peers
	for i := range rules {
		if over := rules[i].Over; over != (Over{}) {
			if c == nil {
				c = &peers{all: map[string]*peer{}}
			}
			c.longest = max(c.longest, over.PerMinute)
		}
	}
	return c
}

func (c *peers) enter(address string) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.all[address]
	if one == nil {
		if len(c.all) >= maxPeers {
			c.forget()
		}
		one = new(peer)
		c.all[address] = one
	}
	one.open++
	return one
}

// maxPeers is when peers that have gone are forgotten.
const maxPeers = 10_000

func (c *peers) forget() {
	for address, one := range c.all {
		if one.open == 0 && one.within(time.Now()) == 0 {
			delete(c.all, address)
		}
	}
}

func (c *peers) leave(one *peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one.open--
}

// accepted counts a mail.
func (c *peers) accepted(one *peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(one.sent) >= c.longest {
		one.sent = one.sent[1:]
	}
	one.sent = append(one.sent, time.Now())
}

// within returns how many mails there were in the last minute.
func (o *peer) within(now time.Time) int {
	for len(o.sent) > 0 && now.Sub(o.sent[0]) >= time.Minute {
		o.sent = o.sent[1:]
	}
	return len(o.sent)
}

// exceeds reports whether the client has more than a rule's limit.
func (c *peers) exceeds(one *peer, over Over, messages int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return over.Open > 0 && one.open > over.Open || over.PerConn > 0 && messages >= over.PerConn ||
		over.PerMinute > 0 && one.within(time.Now()) >= over.PerMinute
}
