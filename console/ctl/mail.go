package ctl

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

type (
	queuesCommand struct{}
	// filter selects messages.
	filter struct {
		Queue     string `help:"Name of the queue."`
		ID        string `name:"id" help:"Message-id."`
		Domain    string `help:"Recipient domain."`
		Sender    string `help:"Sender address."`
		Recipient string `help:"Recipient address."`
		Tag       string `help:"One of the tags."`
		State     string `help:"ready, delayed, parked or out."`
		OlderThan string `help:"Time since it came, such as 90s, 15m, 2h or 3d."`
		NewerThan string `help:"Likewise."`
		Text      string `help:"Part of sender, recipient, message-id or a tag."`
	}
	messagesCommand struct {
		filter `embed:""`
		Limit  int    `default:"50" help:"Messages to show."`
		Cursor string `help:"Where to go on: as the page before said."`
	}
	messageCommand struct {
		ID string `arg:"" help:"Message-id."`
	}
	action struct {
		filter `embed:""`
		All    bool `help:"Without any condition: all messages."`
		DryRun bool `help:"Only say how many messages there would be."`
	}
	retryCommand struct {
		action `embed:""`
	}
	dropCommand struct {
		action `embed:""`
	}
	moveCommand struct {
		action `embed:""`
		To     string `required:"" help:"Name of the queue."`
	}
	injectCommand struct {
		File string `arg:"" optional:"" default:"-" help:"File with the JSON; - is standard input."`
	}
)

func (queuesCommand) Run(s *session) error {
	return s.rows("/v1/queues", "queue", "ready", "delayed", "parked", "out", "bytes")
}

// fields returns what was given of a filter.
func (f *filter) fields() map[string]any {
	return given(map[string]string{"queue": f.Queue, "id": f.ID, "domain": f.Domain, "sender": f.Sender,
		"recipient": f.Recipient, "tag": f.Tag, "state": f.State, "older-than": f.OlderThan,
		"newer-than": f.NewerThan, "text": f.Text})
}

func (c *messagesCommand) Run(s *session) error {
	fields := c.fields()
	fields["limit"] = c.Limit
	if c.Cursor != "" {
		fields["cursor"] = c.Cursor
	}
	var page struct {
		Messages json.RawMessage
		Next     string
	}
	if done, err := s.read("GET", address("/v1/messages", fields), nil, &page); done {
		return err
	}
	if err := s.printRows(page.Messages, "id", "queue", "state", "sender", "recipient", "tags", "size", "attempts",
		"stored", "due", "parked"); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(s.out, "there are more: --cursor %s\n", page.Next)
	}
	return nil
}

func (c *messageCommand) Run(s *session) error {
	var one struct{ Entry, Why, Message json.RawMessage }
	if done, err := s.read("GET", "/v1/messages/"+url.PathEscape(c.ID), nil, &one); done {
		return err
	}
	if err := s.printRow(one.Entry, "id", "queue", "state", "sender", "recipient", "tags", "size", "stored", "due",
		"parked"); err != nil {
		return err
	}
	return s.printRow(one.Why, "where", "cause", "reason", "limit", "rule", "source", "site", "since", "next", "ahead",
		"attempts", "last-answer")
}

func (c *retryCommand) Run(s *session) error { return c.do(s, "retry", "", "to be tried now") }
func (c *dropCommand) Run(s *session) error  { return c.do(s, "drop", "", "removed") }
func (c *moveCommand) Run(s *session) error {
	return c.do(s, "move", c.To, "moved to "+printable(c.To))
}

// do has something done to messages; done says what was, behind their number.
func (c *action) do(s *session, what, to, done string) error {
	fields := c.fields()
	if c.All {
		fields["all"] = true
	}
	if to != "" {
		fields["to"] = to
	}
	if c.DryRun {
		fields["dry-run"] = true
		done = "would be concerned; nothing was done"
	}
	return s.count("POST", "/v1/messages/"+what, fields, "messages", "message", done)
}

func (c *injectCommand) Run(s *session) error {
	in := s.command.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return &failure{ExitNoInput, err.Error()}
		}
		defer f.Close()
		in = f
	}
	if in == nil {
		in = strings.NewReader("")
	}
	data, err := s.send("POST", "/v1/inject", in)
	if err != nil {
		return err
	}
	if s.options.JSON {
		return s.raw(data)
	}
	var answer struct{ IDs []string }
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	for _, id := range answer.IDs {
		fmt.Fprintln(s.out, id)
	}
	return nil
}

// count sends something and prints what was done: the number under a name in the answer, of what, and a verb.
func (s *session) count(method, path string, fields any, name, what, verb string) error {
	var answer map[string]any
	if done, err := s.read(method, path, fields, &answer); done {
		return err
	}
	n, _ := answer[name].(float64)
	if n != 1 {
		what += "s"
	}
	_, err := fmt.Fprintf(s.out, "%s %s %s\n", humanize.Comma(int64(n)), what, verb)
	return err
}

// ago writes how long ago a time was, or in how long it is.
func ago(at time.Time) string { return humanize.Time(at) }
