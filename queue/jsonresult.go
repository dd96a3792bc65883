package queue

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// resultTable describes a result. What is not known or not understood in one is kept, never an error: it is a report,
// not an order.
var resultTable = []property[Result]{
	text("state", func(r *Result) *ResultState { return &r.State }),
	text("result", func(r *Result) *Outcome { return &r.Result }),
	stamp("time", func(r *Result) *time.Time { return &r.Time }),
	text("mta", func(r *Result) *string { return &r.MTA }),
	text("from", func(r *Result) *string { return &r.From }),
	text("to", func(r *Result) *string { return &r.To }),
	count("messages", func(r *Result) *int { return &r.Messages }),
	nested("sent", sentTable, func(r *Result) **Sent { return &r.Sent }),
	count("code", func(r *Result) *int { return &r.Code }),
	text("status", func(r *Result) *string { return &r.Status }),
	text("description", func(r *Result) *string { return &r.Description }),
	text("class", func(r *Result) *Class { return &r.Class }),
	define("dsn", readAnnounced, writeAnnounced),
	text("authentication", func(r *Result) *string { return &r.Authentication }),
	nested("cipher", cipherTable, func(r *Result) **Cipher { return &r.Cipher }),
	nested("certificate", certificateTable, func(r *Result) **Certificate { return &r.Certificate }),
	nested("tls-policy", tlsPolicyTable, func(r *Result) **TLSPolicy { return &r.TLSPolicy }),
}

var sentTable = []property[Sent]{
	always(number("connection", 0, math.MaxInt64, func(s *Sent) *int64 { return &s.Connection }), "0"),
	always(number("data", 0, math.MaxInt64, func(s *Sent) *int64 { return &s.Data }), "0"),
}

var cipherTable = []property[Cipher]{
	text("name", func(c *Cipher) *string { return &c.Name }),
	count("bits", func(c *Cipher) *int { return &c.Bits }),
	count("algbits", func(c *Cipher) *int { return &c.AlgBits }),
	text("version", func(c *Cipher) *string { return &c.Version }),
	count("id", func(c *Cipher) *int { return &c.ID }),
	text("group", func(c *Cipher) *string { return &c.Group }),
	flag("resumed", func(c *Cipher) *bool { return &c.Resumed }),
}

var certificateTable = []property[Certificate]{
	stamp("notbefore", func(c *Certificate) *time.Time { return &c.NotBefore }),
	stamp("notafter", func(c *Certificate) *time.Time { return &c.NotAfter }),
	count("version", func(c *Certificate) *int { return &c.Version }),
	always(flag("verified", func(c *Certificate) *bool { return &c.Verified }), "false"),
	text("result", func(c *Certificate) *string { return &c.Result }),
	always(count("keyusage", func(c *Certificate) *int { return &c.KeyUsage }), "0"),
	always(flag("self-signed", func(c *Certificate) *bool { return &c.SelfSigned }), "false"),
	nested("subject", nameTable, func(c *Certificate) **Name { return &c.Subject }),
	nested("issuer", nameTable, func(c *Certificate) **Name { return &c.Issuer }),
	texts("altnames", false, func(c *Certificate) *[]string { return &c.AltNames }),
}

var tlsPolicyTable = []property[TLSPolicy]{
	text("type", func(p *TLSPolicy) *string { return &p.Type }),
	text("mode", func(p *TLSPolicy) *string { return &p.Mode }),
	text("failure", func(p *TLSPolicy) *string { return &p.Failure }),
	text("reason", func(p *TLSPolicy) *string { return &p.Reason }),
}

var nameTable = []property[Name]{
	text("common", func(n *Name) *string { return &n.Common }),
	text("country", func(n *Name) *string { return &n.Country }),
	text("state", func(n *Name) *string { return &n.State }),
	text("locality", func(n *Name) *string { return &n.Locality }),
	text("organization", func(n *Name) *string { return &n.Organization }),
	text("unit", func(n *Name) *string { return &n.Unit }),
}

func readAnnounced(d *decoder, v value, r *Result) *PropertyError {
	announced, err := d.bool(v)
	r.DSN = announced
	return err
}

// writeAnnounced writes false, too, where the remote had its say: it answered EHLO or HELO before.
func writeAnnounced(e *encoder, r *Result) {
	switch {
	case r.DSN:
		e.raw([]byte("true"))
	case r.State == StateMailFrom, r.State == StateRcptTo, r.State == StateData, r.State == StateMessage:
		e.raw([]byte("false"))
	}
}

// resultReader reads results, and compares each with what would be written of it in the same piece of memory.
type resultReader struct {
	d decoder
	e encoder
}

func (x *resultReader) read(v value, r *Result) *PropertyError {
	if !v.isObject() {
		return v.wrong("an object")
	}
	var forms map[string]json.RawMessage // instead of these, the whole is kept
	x.d = decoder{}
	_ = readObject(&x.d, resultTable, v, r, &r.Extra, &forms)
	x.e.dst = x.e.dst[:0]
	r.write(&x.e)
	if !bytes.Equal(x.e.dst, v) {
		if form := rawjson.Compact(v); !bytes.Equal(x.e.dst, form) {
			r.form = form
		}
	}
	return nil
}

// write writes a result as it came, unless it was changed since.
func (r *Result) write(e *encoder) {
	start := len(e.dst)
	writeObject(e, resultTable, r, r.Extra, nil)
	if r.form == nil {
		return
	}
	var came Result
	if new(resultReader).read(value(r.form), &came) != nil {
		return
	}
	came.form = nil
	var meant encoder
	came.write(&meant)
	if bytes.Equal(meant.dst, e.dst[start:]) {
		e.dst = append(e.dst[:start], r.form...)
	}
}

// UnmarshalResult reads the JSON of one result. Members that are not known, or not of the type they should be, are kept
// in Extra. The error is a *SyntaxError when data is not a JSON object.
func UnmarshalResult(data []byte) (*Result, error) {
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	v := value(rawjson.TrimSpace(data))
	r := new(Result)
	if err := new(resultReader).read(v, r); err != nil {
		return nil, &SyntaxError{Reason: "expected an object, got " + err.Got}
	}
	return r, nil
}

// AppendJSON appends the JSON of the result to dst.
func (r *Result) AppendJSON(dst []byte) []byte {
	e := encoder{dst: dst}
	r.write(&e)
	return e.dst
}

// AppendRecord does what AppendJSON does: there are no secrets in a result. It makes *Result a monitor.Record.
func (r *Result) AppendRecord(dst []byte) []byte { return r.AppendJSON(dst) }
