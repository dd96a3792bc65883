package queue

import (
	"math"
	"time"
)

// resultTable describes a result. What is not known or not understood in one is kept, never an error: it is a report, not
// an order.
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
	flag("dsn", func(r *Result) *bool { return &r.DSN }),
	text("authentication", func(r *Result) *string { return &r.Authentication }),
	nested("cipher", cipherTable, func(r *Result) **Cipher { return &r.Cipher }),
	nested("certificate", certificateTable, func(r *Result) **Certificate { return &r.Certificate }),
}

var sentTable = []property[Sent]{
	number("connection", 0, math.MaxInt64, func(s *Sent) *int64 { return &s.Connection }),
	number("data", 0, math.MaxInt64, func(s *Sent) *int64 { return &s.Data }),
}

var cipherTable = []property[Cipher]{
	text("name", func(c *Cipher) *string { return &c.Name }),
	count("bits", func(c *Cipher) *int { return &c.Bits }),
	count("algbits", func(c *Cipher) *int { return &c.AlgBits }),
	text("version", func(c *Cipher) *string { return &c.Version }),
	count("id", func(c *Cipher) *int { return &c.ID }),
}

var certificateTable = []property[Certificate]{
	stamp("notbefore", func(c *Certificate) *time.Time { return &c.NotBefore }),
	stamp("notafter", func(c *Certificate) *time.Time { return &c.NotAfter }),
	count("version", func(c *Certificate) *int { return &c.Version }),
	flag("verified", func(c *Certificate) *bool { return &c.Verified }),
	text("result", func(c *Certificate) *string { return &c.Result }),
	texts("keyusage", false, func(c *Certificate) *[]string { return &c.KeyUsage }),
	flag("self-signed", func(c *Certificate) *bool { return &c.SelfSigned }),
	text("subject", func(c *Certificate) *string { return &c.Subject }),
	text("issuer", func(c *Certificate) *string { return &c.Issuer }),
	texts("altnames", false, func(c *Certificate) *[]string { return &c.AltNames }),
}

func readJSONResult(v value, r *Result) *PropertyError {
	if !v.isObject() {
		return v.wrong("an object")
	}
	var d decoder
	_ = readObject(&d, resultTable, v, r, &r.Extra, true)
	return nil
}

// UnmarshalResult reads the JSON of one result. Members that are not known, or not of the type they should be, are kept
// in Extra. The error is a *SyntaxError when data is not a JSON object.
func UnmarshalResult(data []byte) (*Result, error) {
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	v := value(trimSpace(data))
	r := new(Result)
	if err := readJSONResult(v, r); err != nil {
		return nil, &SyntaxError{Reason: "expected an object, got " + err.Got}
	}
	return r, nil
}

// AppendJSON appends the JSON of the result to dst.
func (r *Result) AppendJSON(dst []byte) []byte {
	e := encoder{dst: dst}
	writeObject(&e, resultTable, r, r.Extra)
	return e.dst
}

// AppendRecord does what AppendJSON does: there are no secrets in a result. It makes *Result a monitor.Record.
func (r *Result) AppendRecord(dst []byte) []byte { return r.AppendJSON(dst) }
