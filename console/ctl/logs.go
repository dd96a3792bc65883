package ctl

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/when"
)

// logsCommand searches the machine-readable logs.
type logsCommand struct {
	Kind    string `enum:",attempt,received" default:"" help:"attempt or received."`
	From    string `placeholder:"TIME" help:"Not before: YYYY-MM-DD HH:MM:SS in UTC, Unix seconds, or how long ago, such as 3h."`
	To      string `placeholder:"TIME" help:"Before that time."`
	Address string `help:"Part of the sender's or the recipient's address."`
	Domain  string `help:"Recipient domain."`
	IP      string `name:"ip" help:"Local, remote or client's address."`
	Tag     string `help:"One of the tags."`
	ID      string `name:"id" help:"Message-id."`
	Outcome string `enum:",delivered,deferred,failed" default:"" help:"How attempts ended: delivered, deferred or failed."`
	Class   string `help:"Why attempts failed, such as mailbox-full; docs/reply-classes.md has all."`
	Code    string `help:"Reply code; 2, 4 or 5 for all of a kind."`
	Text    string `help:"Anywhere in the record; case makes no difference."`
	Limit   int    `default:"100" help:"Entries on a page, at most 1,000."`
	Cursor  string `help:"Where the page begins, as the page before says."`
}

func (c *logsCommand) Run(s *session) error {
	now := time.Now()
	fields := given(map[string]string{"kind": c.Kind, "from": before(c.From, now), "to": before(c.To, now),
		"address": c.Address, "domain": c.Domain, "ip": c.IP, "tag": c.Tag, "id": c.ID, "outcome": c.Outcome,
		"class": c.Class, "code": c.Code, "text": c.Text, "cursor": c.Cursor})
	fields["limit"] = c.Limit
	var page struct {
		Entries       []map[string]any
		Next, Reached string
	}
	if done, err := s.read("GET", address("/v1/logs", fields), nil, &page); done {
		return err
	}
	for _, e := range page.Entries {
		delete(e, "record")
	}
	rows, err := json.Marshal(page.Entries)
	if err != nil {
		return err
	}
	if err := s.printRows(rows, "time", "kind", "outcome", "recipient", "envelope", "class", "code", "status",
		"description", "state", "result", "attempt", "from", "to", "mta", "client", "user", "tags",
		"message-id"); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(s.out, "searched back to %s; there may be more: --cursor %s\n", orDash(page.Reached), page.Next)
	}
	return nil
}

// before turns a span, such as 90s, 3h or 2d, into the time that it is ago; other texts stay as they are.
func before(text string, now time.Time) string {
	age, err := when.Span(strings.TrimSuffix(strings.TrimSpace(text), " ago"))
	if err != nil {
		return text
	}
	return strconv.FormatInt(now.Add(-age).Unix(), 10)
}
