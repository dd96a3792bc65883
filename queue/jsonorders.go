package queue

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// The tables of what tells how a message is to be sent.

var dkimTable = []property[DKIM]{
	text("domain", func(k *DKIM) *string { return &k.Domain }),
	text("selector", func(k *DKIM) *string { return &k.Selector }),
	secret("key", func(k *DKIM) *string { return &k.Key }),
	define("expire", readExpire, writeExpire),
	texts("headers", false, func(k *DKIM) *[]string { return &k.Headers }),
	flag("report", func(k *DKIM) *bool { return &k.Report }),
	define("protocols", readProtocols, func(e *encoder, k *DKIM) {
		if len(k.Protocols) > 0 {
			e.strings(k.Protocols)
		}
	}),
	choice("canonicalization", `"relaxed" or "simple", or two of them with a slash`,
		func(k *DKIM) *string { return &k.Canonicalization }, normalCanonicalization),
	number("priority", math.MinInt32, math.MaxInt32, func(k *DKIM) *int { return &k.Priority }),
}

// readExpire reads a time, or a number of seconds from when the signature is made.
func readExpire(d *decoder, v value, k *DKIM) *PropertyError {
	if v.isString() {
		if at, err := d.time(v); err == nil {
			k.ExpireAt = at
			return nil
		}
	}
	n, err := d.int(v, 0, math.MaxInt64)
	if err != nil {
		return v.wrong(`a UTC time such as "2030-12-31 23:59:59", or a whole number of seconds`)
	}
	d.odd = d.odd || n == 0
	k.Expire = n
	return nil
}

func writeExpire(e *encoder, k *DKIM) {
	switch {
	case !k.ExpireAt.IsZero():
		e.time(k.ExpireAt)
	case k.Expire != 0:
		e.int(k.Expire)
	}
}

func readProtocols(d *decoder, v value, k *DKIM) *PropertyError {
	list, err := d.texts(v, false)
	if err != nil {
		return err
	}
	for _, p := range list {
		if p != "dkim" && p != "arc" {
			return v.wrong(`an array of "dkim" and "arc"`).got("the string " + strconv.Quote(shorten(p)))
		}
	}
	k.Protocols = list
	return nil
}

func (e *PropertyError) got(what string) *PropertyError {
	e.Got = what
	return e
}

func normalCanonicalization(s string) (string, bool) {
	known := func(s string) bool { return s == "relaxed" || s == "simple" }
	header, body, both := strings.Cut(s, "/")
	return s, s == "" || known(header) && (!both || known(body))
}

func readJSONDKIM(d *decoder, v value, m *Message) *PropertyError {
	list, err := readList(v, true, func(v value, k *DKIM) *PropertyError {
		return readObject(d, dkimTable, v, k, &k.Extra, nil)
	})
	d.odd = d.odd || v.isArray() && len(list) < 2
	if err == nil {
		m.DKIM = list
	}
	return err
}

// writeDKIM writes one key as an object and several as an array.
func writeDKIM(e *encoder, m *Message) {
	one := func(k *DKIM) {
		extra := k.Extra
		if e.record {
			extra = nil // a misspelt name may hide a key
		}
		writeObject(e, dkimTable, k, extra, nil)
	}
	if len(m.DKIM) == 1 {
		one(&m.DKIM[0])
	} else if len(m.DKIM) > 1 {
		e.begin('[')
		for i := range m.DKIM {
			e.next(i)
			one(&m.DKIM[i])
		}
		e.end(']')
	}
}

var deliverByTable = []property[DeliverBy]{
	stamp("time", func(b *DeliverBy) *time.Time { return &b.Time }),
	choice("mode", `"return" or "notify"`, func(b *DeliverBy) *DeliverByMode { return &b.Mode },
		func(s string) (string, bool) {
			s = strings.ToLower(s)
			return s, s == "" || s == string(DeliverByReturn) || s == string(DeliverByNotify)
		}),
	flag("trace", func(b *DeliverBy) *bool { return &b.Trace }),
}

var dsnTable = []property[DSN]{
	define("notify", readNotify, func(e *encoder, d *DSN) {
		if len(d.Notify) > 0 {
			e.strings(d.Notify)
		}
	}),
	choice("ret", `"FULL" or "HDRS"`, func(d *DSN) *string { return &d.Ret }, func(s string) (string, bool) {
		s = strings.ToUpper(s)
		return s, s == "" || s == "FULL" || s == "HDRS"
	}),
	text("orcpt", func(d *DSN) *string { return &d.ORcpt }),
	text("envid", func(d *DSN) *string { return &d.EnvID }),
}

// readNotify reads a list or a comma string. NEVER stands alone (RFC 3461 §4.1).
func readNotify(d *decoder, v value, dsn *DSN) *PropertyError {
	var list []string
	if v.isString() {
		d.odd = true
		if s := v.unquote(); s != "" {
			list = strings.Split(s, ",")
		}
	} else {
		var err *PropertyError
		if list, err = d.texts(v, false); err != nil {
			return err
		}
	}
	for i, s := range list {
		list[i] = strings.ToUpper(strings.TrimSpace(s))
		d.odd = d.odd || list[i] != s
		switch list[i] {
		case "FAILURE", "DELAY", "SUCCESS":
		case "NEVER":
			if len(list) == 1 {
				continue
			}
			return v.wrong("NEVER on its own").got("NEVER among others")
		default:
			return v.wrong("FAILURE, DELAY, SUCCESS or NEVER").got(strconv.Quote(shorten(s)))
		}
	}
	dsn.Notify = list
	return nil
}

var queuesTable = []property[Queues]{
	override("results", func(q *Queues) **string { return &q.Results }),
	override("failure", func(q *Queues) **string { return &q.Failure }),
	override("success", func(q *Queues) **string { return &q.Success }),
	override("retry", func(q *Queues) **string { return &q.Retry }),
	override("dsn", func(q *Queues) **string { return &q.DSN }),
}

// override is the name of a queue, or null to switch it off.
func override(name string, field func(*Queues) **string) property[Queues] {
	p := define(name, func(d *decoder, v value, q *Queues) *PropertyError {
		s := ""
		if !v.isNull() {
			var err *PropertyError
			if s, err = d.text(v); err != nil {
				err.Want = "the name of a queue, or null"
				return err
			}
		}
		*field(q) = &s
		return nil
	}, func(e *encoder, q *Queues) {
		switch s := *field(q); {
		case s == nil:
		case *s == "":
			e.raw([]byte("null"))
		default:
			e.string(*s)
		}
	})
	p.null = true
	return p
}

var smarthostTable = []property[Smarthost]{
	text("hostname", func(s *Smarthost) *string { return &s.Hostname }),
	define("name", readSmarthostName, nil),
	number("port", 0, 65535, func(s *Smarthost) *int { return &s.Port }),
	text("username", func(s *Smarthost) *string { return &s.Username }),
	secret("password", func(s *Smarthost) *string { return &s.Password }),
	flag("plaintext", func(s *Smarthost) *bool { return &s.Plaintext }),
}

// readSmarthostName reads the name that hostname had in MailerQ 4.
func readSmarthostName(d *decoder, v value, s *Smarthost) *PropertyError {
	name, err := d.text(v)
	if err == nil && s.Hostname == "" {
		s.Hostname = name
	}
	d.odd = true
	return err
}

var smarthostProperty = nested("smarthost", smarthostTable, func(m *Message) **Smarthost { return &m.Smarthost })

// readJSONSmarthost demands a host name: without one the mail would leave for hosts that nobody meant.
func readJSONSmarthost(d *decoder, v value, m *Message) *PropertyError {
	if err := smarthostProperty.read(d, v, m); err != nil {
		return err
	}
	if m.Smarthost.Hostname == "" {
		m.Smarthost = nil
		return &PropertyError{Property: "hostname", Want: "the name of a host", Got: "nothing"}
	}
	return nil
}

func writeSmarthost(e *encoder, m *Message) { smarthostProperty.write(e, m) }

func normalSecurity(s string) (string, bool) {
	switch Security(s) {
	case "", Optional, Opportunistic, Required, Verified:
		return s, true
	}
	return "", false
}

// readMIME only remembers the mail: how it is encoded may come later.
func readMIME(d *decoder, v value, _ *Message) *PropertyError {
	if !v.isString() && !v.isObject() {
		return v.wrong("a string or an object")
	}
	d.mime = v
	return nil
}

func readMIMEEncoding(d *decoder, v value, _ *Message) *PropertyError {
	if !v.isString() || !strings.EqualFold(v.unquote(), "base64") {
		return v.wrong(`"base64"`)
	}
	d.coding = v
	return nil
}

func writeMIME(e *encoder, m *Message) {
	switch {
	case e.record:
	case m.Body != nil:
		e.mime(m.Body)
	default:
		e.raw(m.Compose)
	}
}

// finishMIME turns what readMIME remembered into the mail.
func (d *decoder) finishMIME(m *Message) *PropertyError {
	if d.mime == nil {
		return nil
	}
	if d.mime.isObject() {
		m.Compose = rawjson.Compact(d.mime)
		return nil
	}
	inner := d.mime[1 : len(d.mime)-1]
	data := rawjson.AppendUnquoted(make([]byte, 0, len(inner)), inner)
	if d.coding != nil {
		n, err := base64.StdEncoding.Decode(data, data)
		if err != nil {
			keep(&m.Extra, "mime", rawjson.Compact(d.mime))
			keep(&m.Extra, "mime-encoding", rawjson.Compact(d.coding))
			return &PropertyError{Property: "mime", Want: "base64, as mime-encoding says", Got: err.Error()}
		}
		data = data[:n]
	}
	m.Body = Bytes(crlf(data))
	return nil
}

// crlf makes every line end CRLF: a bare LF gets its CR. It copies only when there is one.
func crlf(data []byte) []byte {
	bare := 0
	for at := 0; ; at++ {
		n := bytes.IndexByte(data[at:], '\n')
		if n < 0 {
			break
		}
		if at += n; at == 0 || data[at-1] != '\r' {
			bare++
		}
	}
	if bare == 0 {
		return data
	}
	out := make([]byte, 0, len(data)+bare)
	for i, c := range data {
		if c == '\n' && (i == 0 || data[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
