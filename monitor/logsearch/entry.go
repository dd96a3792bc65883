package logsearch

import (
	"encoding/json"
	"strings"
	"time"
)

// Kind tells the logs apart.
type Kind string

// The kinds of entries.
const (
	anyKind  Kind = ""
	Attempt  Kind = "attempt"  // to deliver, or a message that ended without one
	Received Kind = "received" // a message that came in
)

// Outcome is how an attempt ended.
type Outcome string

// The outcomes of attempts.
const (
	Delivered Outcome = "delivered"
	Deferred  Outcome = "deferred" // to be tried again
	Failed    Outcome = "failed"   // for good
)

// Source is by which way a mail came in.
type Source string

// The ways in. What came from RabbitMQ has none.
const (
	SMTP  Source = "smtp"
	Spool Source = "spool" // a file in a directory
	CLI   Source = "cli"   // a program that called this one as sendmail
	HTTP  Source = "http"
)

// sources are what records of mail from there contain, in lower case.
var sources = map[Source]string{SMTP: `"connection":{`, Spool: `"spool":{`, CLI: `"cli":{`, HTTP: `"http":{`}

// Place is where an attempt went.
type Place string

// The places. An attempt that came to no host went to none.
const (
	Local  Place = "local"  // a mailbox of this machine: a Maildir, or what listens on a socket
	Remote Place = "remote" // another host
)

// Entry is one line of a log.
type Entry struct {
	Kind      Kind      `json:"kind"`
	Time      time.Time `json:"time"`
	ID        string    `json:"message-id,omitempty"`
	Envelope  string    `json:"envelope"`
	Recipient string    `json:"recipient"`
	Tags      []string  `json:"tags,omitempty"`
	Client    string    `json:"client,omitempty"` // address that the mail came from
	User      string    `json:"user,omitempty"`   // who logged in, or ran the program, to bring it
	Source    Source    `json:"source,omitempty"` // by which way it came

	// Of attempts only.
	Attempt     int     `json:"attempt,omitempty"` // its number, from 1
	Outcome     Outcome `json:"outcome,omitempty"`
	State       string  `json:"state,omitempty"`
	Result      string  `json:"result,omitempty"`
	From        string  `json:"from,omitempty"` // local address
	To          string  `json:"to,omitempty"`   // remote address
	MTA         string  `json:"mta,omitempty"`  // what the remote calls itself
	Code        int     `json:"code,omitempty"`
	Status      string  `json:"status,omitempty"`
	Description string  `json:"description,omitempty"`
	Class       string  `json:"class,omitempty"` // why it failed

	// Line is the whole record: a JSON object.
	Line json.RawMessage `json:"record,omitempty"`
}

// place tells where an attempt went: the socket of a mailbox server or a Maildir has a path, not an address.
func (e *Entry) place() Place {
	switch {
	case e.To == "":
		return ""
	case strings.Contains(e.To, "/"):
		return Local
	}
	return Remote
}

// record is what a line says, as far as it matters here.
type record struct {
	ID         string   `json:"message-id"`
	Envelope   string   `json:"envelope"`
	Recipient  string   `json:"recipient"`
	Received   string   `json:"received"`
	Tags       []string `json:"tags"`
	Connection *struct {
		RemoteIP string `json:"remote-ip"`
		User     string `json:"user"`
	} `json:"connection"`
	Spool *struct {
		User string `json:"user"`
	} `json:"spool"`
	CLI *struct {
		User string `json:"user"`
	} `json:"cli"`
	HTTP *struct {
		Authentication string `json:"authentication"`
		RemoteIP       string `json:"remote-ip"`
	} `json:"http"`
	Results []result `json:"results"`
}

// origin returns by which way a mail came, from where, and who brought it.
func (r *record) origin() (s Source, client, user string) {
	switch {
	case r.HTTP != nil:
		return HTTP, r.HTTP.RemoteIP, r.HTTP.Authentication
	case r.CLI != nil:
		return CLI, "", r.CLI.User
	case r.Spool != nil:
		return Spool, "", r.Spool.User
	case r.Connection != nil:
		return SMTP, r.Connection.RemoteIP, r.Connection.User
	}
	return "", "", ""
}

type result struct {
	State       string `json:"state"`
	Result      string `json:"result"`
	Time        string `json:"time"`
	MTA         string `json:"mta"`
	From        string `json:"from"`
	To          string `json:"to"`
	Code        int    `json:"code"`
	Status      string `json:"status"`
	Description string `json:"description"`
	Class       string `json:"class"`
	Fatal       *bool  `json:"fatal"`
}

// parse makes an entry of a line. ok is false when the line is no record; the rest of a log is read all the same.
func parse(line []byte) (e Entry, ok bool) {
	var r record
	if json.Unmarshal(line, &r) != nil {
		return Entry{}, false
	}
	e = Entry{Kind: Received, ID: r.ID, Envelope: r.Envelope, Recipient: r.Recipient, Tags: r.Tags,
		Line: line}
	e.Source, e.Client, e.User = r.origin()
	at := r.Received
	if n := len(r.Results); n > 0 {
		last := &r.Results[n-1]
		at = last.Time
		e.Kind, e.Attempt, e.Outcome = Attempt, n, last.outcome()
		e.State, e.Result, e.From, e.To, e.MTA = last.State, last.Result, last.From, last.To, last.MTA
		e.Code, e.Status, e.Description = last.Code, last.Status, last.Description
		e.Class = last.Class
	}
	var err error
	e.Time, err = time.Parse(time.DateTime, at)
	return e, err == nil
}

// outcome judges as the delivery engine does: what may pass is tried again, and so is a refusal of our own set-up.
func (r *result) outcome() Outcome {
	switch {
	case r.State == "message" && r.Result == "accepted":
		return Delivered
	case r.Fatal != nil && *r.Fatal:
		return Failed
	case r.Fatal != nil:
		return Deferred
	case r.State == "process" || r.State == "suppression" || r.State == "rewrite" || r.State == "responsive" ||
		r.State == "personalize":
		return Failed
	case r.Code < 500, r.State == "bind", r.State == "starttls", strings.HasPrefix(r.State, "auth"):
		return Deferred
	}
	return Failed
}
