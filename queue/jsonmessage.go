package queue

import (
	"encoding/json"
	"math"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// messageTable describes a message, in the order in which properties are written: what people look for first, the mail
// last but for results.
var messageTable = []property[Message]{
	text("message-id", func(m *Message) *string { return &m.ID }),
	text("envelope", func(m *Message) *string { return &m.Envelope }),
	text("recipient", func(m *Message) *string { return &m.Recipient }),
	stamp("received", func(m *Message) *time.Time { return &m.Received }),
	text("hostname", func(m *Message) *string { return &m.Hostname }),
	nested("connection", connectionTable, func(m *Message) **Connection { return &m.Connection }),
	nested("spool", spoolTable, func(m *Message) **SpoolSource { return &m.Spool }),
	nested("cli", cliTable, func(m *Message) **CLISource { return &m.CLI }),
	nested("http", httpTable, func(m *Message) **HTTPSource { return &m.HTTP }),
	define("checks", readChecks, writeChecks),
	text("key", func(m *Message) *string { return &m.Key }),
	flag("keepmime", func(m *Message) *bool { return &m.KeepMIME }),
	blob("data", func(m *Message) *json.RawMessage { return &m.Data }),
	define("ips", readIPs, writeIPs),
	text("pool", func(m *Message) *string { return &m.Pool }),
	define("nextattempt", readNextAttempt, writeNextAttempt),
	define("delayed", readDelayed, nil),
	stamp("holduntil", func(m *Message) *time.Time { return &m.HoldUntil }),
	nested("deliverby", deliverByTable, func(m *Message) **DeliverBy { return &m.DeliverBy }),
	stamp("maxdelivertime", func(m *Message) *time.Time { return &m.MaxDeliverTime }),
	define("maxattempts", readMaxAttempts, writeMaxAttempts),
	define("retries", readRetries, writeRetries),
	flag("force", func(m *Message) *bool { return &m.Force }),
	flag("inlinecss", func(m *Message) *bool { return &m.InlineCSS }),
	private(define("dkim", readJSONDKIM, writeDKIM)),
	nested("dsn", dsnTable, func(m *Message) **DSN { return &m.DSN }),
	nested("queues", queuesTable, func(m *Message) **Queues { return &m.Queues }),
	private(define("smarthost", readJSONSmarthost, writeSmarthost)),
	texts("tags", true, func(m *Message) *[]string { return &m.Tags }),
	nested("headers", headersTable, func(m *Message) **HeaderEdits { return &m.Headers }),
	blob("list-unsubscribe", func(m *Message) *json.RawMessage { return &m.Unsubscribe }),
	number("priority", math.MinInt32, math.MaxInt32, func(m *Message) *int { return &m.Priority }),
	choice("security", `"optional", "opportunistic", "required" or "verified"`,
		func(m *Message) *Security { return &m.Security }, normalSecurity),
	flag("requiretls", func(m *Message) *bool { return &m.RequireTLS }),
	flag("tls-optional", func(m *Message) *bool { return &m.TLSOptional }),
	private(part(define("mime", readMIME, writeMIME))),
	private(part(define("mime-encoding", readMIMEEncoding, nil))),
	define("results", readResults, writeResults),
	blob("extracted", func(m *Message) *json.RawMessage { return &m.Extracted }),
}

func private[T any](p property[T]) property[T] {
	p.private = true
	return p
}

func part[T any](p property[T]) property[T] {
	p.part = true
	return p
}

var connectionTable = []property[Connection]{
	text("local-ip", func(c *Connection) *string { return &c.LocalIP }),
	number("local-port", 0, 65535, func(c *Connection) *int { return &c.LocalPort }),
	text("remote-ip", func(c *Connection) *string { return &c.RemoteIP }),
	number("remote-port", 0, 65535, func(c *Connection) *int { return &c.RemotePort }),
	always(flag("secure", func(c *Connection) *bool { return &c.Secure }), "false"),
	text("user", func(c *Connection) *string { return &c.User }),
}

var spoolTable = []property[SpoolSource]{
	text("directory", func(s *SpoolSource) *string { return &s.Directory }),
	text("file", func(s *SpoolSource) *string { return &s.File }),
	text("user", func(s *SpoolSource) *string { return &s.User }),
	number("size", 0, math.MaxInt64, func(s *SpoolSource) *int64 { return &s.Size }),
}

var cliTable = []property[CLISource]{
	text("command", func(c *CLISource) *string { return &c.Command }),
	texts("arguments", false, func(c *CLISource) *[]string { return &c.Arguments }),
	text("user", func(c *CLISource) *string { return &c.User }),
}

var httpTable = []property[HTTPSource]{
	text("authentication", func(h *HTTPSource) *string { return &h.Authentication }),
	text("remote-ip", func(h *HTTPSource) *string { return &h.RemoteIP }),
	number("remote-port", 0, 65535, func(h *HTTPSource) *int { return &h.RemotePort }),
}

func readChecks(d *decoder, v value, m *Message) *PropertyError {
	list, err := readList(v, false, func(v value, raw *json.RawMessage) *PropertyError {
		*raw = rawjson.Compact(v)
		return nil
	})
	d.odd = d.odd || list == nil
	if err == nil {
		m.Checks = list
	}
	return err
}

func writeChecks(e *encoder, m *Message) {
	if len(m.Checks) == 0 {
		return
	}
	e.begin('[')
	for i, raw := range m.Checks {
		e.next(i)
		e.raw(raw)
	}
	e.end(']')
}

func readResults(d *decoder, v value, m *Message) *PropertyError {
	list, err := readList(v, false, new(resultReader).read)
	d.odd = d.odd || list == nil
	if err == nil {
		m.Results = list
	}
	return err
}

func writeResults(e *encoder, m *Message) {
	if len(m.Results) == 0 {
		return
	}
	e.begin('[')
	for i := range m.Results {
		e.next(i)
		m.Results[i].write(e)
	}
	e.end(']')
}

// readIPs keeps what is not an array, unread, as an unknown property: it counts as absent. An empty array is one with
// no usable address.
func readIPs(d *decoder, v value, m *Message) *PropertyError {
	if !v.isArray() {
		d.unknown = rawjson.Compact(v)
		return nil
	}
	list, err := d.texts(v, false)
	if err != nil {
		return err
	}
	if list == nil {
		list, d.odd = []string{}, false
	}
	m.IPs = list
	return nil
}

func writeIPs(e *encoder, m *Message) {
	if m.IPs != nil {
		e.strings(m.IPs)
	}
}

// nextAttempt is the object around the time.
type nextAttempt struct{ at time.Time }

var nextAttemptTable = []property[nextAttempt]{stamp("time", func(n *nextAttempt) *time.Time { return &n.at })}

// readNextAttempt reads {"time": "…"}, or the time alone.
func readNextAttempt(d *decoder, v value, m *Message) *PropertyError {
	if v.isString() {
		d.odd = true
		at, err := d.time(v)
		m.NextAttempt = at
		return err
	}
	var n struct{ next *nextAttempt }
	p := nested("nextattempt", nextAttemptTable, func(*Message) **nextAttempt { return &n.next })
	if err := p.read(d, v, m); err != nil {
		return err
	}
	d.odd = d.odd || n.next.at.IsZero()
	m.NextAttempt = n.next.at
	return nil
}

// readDelayed reads the name that nextattempt had before MailerQ 5.1. It is kept as an unknown property, and says
// nothing where there is a nextattempt.
func readDelayed(d *decoder, v value, m *Message) *PropertyError {
	at, err := d.time(v)
	if err != nil {
		return err
	}
	if m.NextAttempt.IsZero() {
		m.NextAttempt = at
	}
	d.odd, d.unknown = false, rawjson.Compact(v)
	return nil
}

func writeNextAttempt(e *encoder, m *Message) {
	if !m.NextAttempt.IsZero() {
		e.raw([]byte(`{"time":`))
		e.time(ceilSecond(m.NextAttempt))
		e.end('}')
	}
}

// readMaxAttempts turns the zero that means unlimited into -1, as the zero of the field means absent.
func readMaxAttempts(d *decoder, v value, m *Message) *PropertyError {
	n, err := d.int(v, 0, math.MaxInt32)
	if err != nil {
		return err
	}
	if n == 0 {
		n = -1
	}
	m.MaxAttempts = int(n)
	return nil
}

func writeMaxAttempts(e *encoder, m *Message) {
	if m.MaxAttempts != 0 {
		e.int(int64(max(m.MaxAttempts, 0)))
	}
}

func readRetries(d *decoder, v value, m *Message) *PropertyError {
	if !v.isArray() {
		return v.wrong("an array of whole numbers")
	}
	list, err := readList(v, false, func(v value, after *time.Duration) *PropertyError {
		n, err := d.int(v, 0, math.MaxInt32)
		*after = time.Duration(n) * time.Second
		return err
	})
	d.odd = d.odd || list == nil
	if err == nil {
		m.Retries = list
	}
	return err
}

func writeRetries(e *encoder, m *Message) {
	if len(m.Retries) == 0 {
		return
	}
	e.begin('[')
	for i, d := range m.Retries {
		e.next(i)
		e.int(int64(d / time.Second))
	}
	e.end(']')
}
