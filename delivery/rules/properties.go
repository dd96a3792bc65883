package rules

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/sluicemail/sluice/internal/rawjson"
	"github.com/sluicemail/sluice/queue"
)

// markDelays is the property in which a message says which rewrite rules have delayed it already.
const markDelays = "rewrite-delays"

// property is a known property of messages.
type property struct {
	// assign lets dst have what src has, in shared memory.
	assign func(dst, src *queue.Message)
	// own copies what m refers to, so that it is shared with nobody; nil: it refers to nothing.
	own func(m *queue.Message)
	// fixed says why it cannot be set; "": it can.
	fixed string
	// selects says that rules select messages by it.
	selects bool
	// mail: it is the mail, and cannot be looked at as a property either.
	mail bool
}

const (
	factOfIntake = "it tells how the message came in"
	mailItself   = "it is the mail itself; set /headers to change header fields"
)

// knownProperty returns a property by its name; nil: it is one that nobody knows.
func knownProperty(name string) *property {
	if p, ok := fixedProperty(name); ok {
		return &p
	}
	if p, ok := deliveryProperty(name); ok {
		return &p
	}
	if p, ok := ownedProperty(name); ok {
		return &p
	}
	return nil
}

// fixedProperty knows the properties that no rule sets.
func fixedProperty(name string) (property, bool) {
	fact := func(assign func(dst, src *queue.Message)) (property, bool) {
		return property{assign: assign, fixed: factOfIntake}, true
	}
	switch name {
	case "message-id":
		return fact(func(dst, src *queue.Message) { dst.ID = src.ID })
	case "received":
		return fact(func(dst, src *queue.Message) { dst.Received = src.Received })
	case "hostname":
		return fact(func(dst, src *queue.Message) { dst.Hostname = src.Hostname })
	case "connection":
		return fact(func(dst, src *queue.Message) { dst.Connection = src.Connection })
	case "spool":
		return fact(func(dst, src *queue.Message) { dst.Spool = src.Spool })
	case "cli":
		return fact(func(dst, src *queue.Message) { dst.CLI = src.CLI })
	case "http":
		return fact(func(dst, src *queue.Message) { dst.HTTP = src.HTTP })
	case "checks":
		return fact(func(dst, src *queue.Message) { dst.Checks = src.Checks })
	case "results":
		return property{assign: func(dst, src *queue.Message) { dst.Results = src.Results },
			fixed: "it tells what happened at earlier attempts"}, true
	case "extracted":
		return property{assign: func(dst, src *queue.Message) { dst.Extracted = src.Extracted },
			fixed: "it is made when results are published"}, true
	case "nextattempt":
		return property{assign: func(dst, src *queue.Message) { dst.NextAttempt = src.NextAttempt },
			fixed: "use the action delay, or retry"}, true
	case "key":
		return property{assign: func(dst, src *queue.Message) { dst.Key = src.Key }, fixed: mailItself}, true
	case "mime":
		return property{assign: func(dst, src *queue.Message) { dst.Compose = src.Compose }, fixed: mailItself, mail: true},
			true
	case "mime-encoding":
		return property{assign: func(*queue.Message, *queue.Message) {}, fixed: mailItself, mail: true}, true
	case markDelays, "delayed-by":
		return property{assign: func(*queue.Message, *queue.Message) {},
			fixed: "it tells which rules have delayed the message"}, true
	}
	return property{}, false
}

// deliveryProperty knows the properties that are values.
func deliveryProperty(name string) (property, bool) {
	value := func(assign func(dst, src *queue.Message)) (property, bool) {
		return property{assign: assign}, true
	}
	switch name {
	case "envelope":
		return value(func(dst, src *queue.Message) { dst.Envelope = src.Envelope })
	case "recipient":
		return property{assign: func(dst, src *queue.Message) { dst.Recipient = src.Recipient }, selects: true}, true
	case "keepmime":
		return value(func(dst, src *queue.Message) { dst.KeepMIME = src.KeepMIME })
	case "pool":
		return property{assign: func(dst, src *queue.Message) { dst.Pool = src.Pool }, selects: true}, true
	case "maxdelivertime":
		return value(func(dst, src *queue.Message) { dst.MaxDeliverTime = src.MaxDeliverTime })
	case "maxattempts":
		return value(func(dst, src *queue.Message) { dst.MaxAttempts = src.MaxAttempts })
	case "force":
		return value(func(dst, src *queue.Message) { dst.Force = src.Force })
	case "inlinecss":
		return value(func(dst, src *queue.Message) { dst.InlineCSS = src.InlineCSS })
	case "priority":
		return value(func(dst, src *queue.Message) { dst.Priority = src.Priority })
	case "security":
		return value(func(dst, src *queue.Message) { dst.Security = src.Security })
	case "requiretls":
		return value(func(dst, src *queue.Message) { dst.RequireTLS = src.RequireTLS })
	case "holduntil":
		return value(func(dst, src *queue.Message) { dst.HoldUntil = src.HoldUntil })
	case "tls-optional":
		return value(func(dst, src *queue.Message) { dst.TLSOptional = src.TLSOptional })
	}
	return property{}, false
}

// ownedProperty knows the properties that refer to memory.
func ownedProperty(name string) (property, bool) {
	owned := func(assign func(dst, src *queue.Message), own func(m *queue.Message)) (property, bool) {
		return property{assign: assign, own: own}, true
	}
	switch name {
	case "data":
		return owned(func(dst, src *queue.Message) { dst.Data = src.Data },
			func(m *queue.Message) { m.Data = bytes.Clone(m.Data) })
	case "ips":
		return property{assign: func(dst, src *queue.Message) { dst.IPs = src.IPs },
			own: func(m *queue.Message) { m.IPs = slices.Clone(m.IPs) }, selects: true}, true
	case "retries":
		return owned(func(dst, src *queue.Message) { dst.Retries = src.Retries },
			func(m *queue.Message) { m.Retries = slices.Clone(m.Retries) })
	case "tags":
		return property{assign: func(dst, src *queue.Message) { dst.Tags = src.Tags },
			own: func(m *queue.Message) { m.Tags = slices.Clone(m.Tags) }, selects: true}, true
	case "dkim":
		return owned(func(dst, src *queue.Message) { dst.DKIM = src.DKIM }, ownDKIM)
	case "deliverby":
		return owned(func(dst, src *queue.Message) { dst.DeliverBy = src.DeliverBy },
			func(m *queue.Message) { m.DeliverBy = fresh(m.DeliverBy) })
	case "dsn":
		return owned(func(dst, src *queue.Message) { dst.DSN = src.DSN }, ownDSN)
	case "queues":
		return owned(func(dst, src *queue.Message) { dst.Queues = src.Queues }, ownQueues)
	case "smarthost":
		return owned(func(dst, src *queue.Message) { dst.Smarthost = src.Smarthost },
			func(m *queue.Message) { m.Smarthost = fresh(m.Smarthost) })
	case "headers":
		return owned(func(dst, src *queue.Message) { dst.Headers = src.Headers }, ownHeaders)
	}
	return property{}, false
}

// fresh returns a pointer to a copy; nil of nil.
func fresh[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func ownDKIM(m *queue.Message) {
	m.DKIM = slices.Clone(m.DKIM)
	for i := range m.DKIM {
		k := &m.DKIM[i]
		k.Headers, k.Protocols, k.Extra = slices.Clone(k.Headers), slices.Clone(k.Protocols), cloneExtra(k.Extra)
	}
}

func ownDSN(m *queue.Message) {
	if m.DSN = fresh(m.DSN); m.DSN != nil {
		m.DSN.Notify = slices.Clone(m.DSN.Notify)
	}
}

func ownQueues(m *queue.Message) {
	if m.Queues = fresh(m.Queues); m.Queues != nil {
		q := m.Queues
		*q = queue.Queues{Results: fresh(q.Results), Failure: fresh(q.Failure), Success: fresh(q.Success),
			Retry: fresh(q.Retry), DSN: fresh(q.DSN)}
	}
}

func ownHeaders(m *queue.Message) {
	if m.Headers = fresh(m.Headers); m.Headers != nil {
		h := m.Headers
		*h = queue.HeaderEdits{Remove: slices.Clone(h.Remove), Prepend: slices.Clone(h.Prepend),
			Append:  slices.Clone(h.Append),
			Replace: slices.Clone(h.Replace), Update: slices.Clone(h.Update)}
	}
}

func cloneExtra(extra map[string]json.RawMessage) map[string]json.RawMessage {
	extra = maps.Clone(extra)
	for name, raw := range extra {
		extra[name] = bytes.Clone(raw)
	}
	return extra
}

// putExtra sets a property that nobody knows, or removes it when raw is nil, in a map of the message's own.
func putExtra(extra *map[string]json.RawMessage, name string, raw []byte) {
	if _, there := (*extra)[name]; raw == nil && !there {
		return
	}
	next := make(map[string]json.RawMessage, len(*extra)+1)
	maps.Copy(next, *extra)
	if raw == nil {
		delete(next, name)
	} else {
		next[name] = raw
	}
	*extra = next
}

// somebody stands for a recipient where only another property matters: without one, no message can be read.
const somebody = "somebody@example.invalid"

// part returns the JSON of one known property of a message; nil: it has none.
func part(p *property, name string, m *queue.Message) []byte {
	one := queue.Message{Recipient: somebody}
	p.assign(&one, m)
	if raw, there := m.Extra[name]; there {
		one.Extra = map[string]json.RawMessage{name: raw}
	}
	raw, err := queue.AppendJSON(nil, &one)
	if err != nil {
		return nil
	}
	return child(raw, name)
}

// readPart makes a message of one property.
func readPart(name string, raw []byte) (*queue.Message, error) {
	text := make([]byte, 0, len(raw)+80)
	text = append(text, '{')
	if name != "recipient" {
		text = append(text, `"recipient":"`+somebody+`",`...)
	}
	text = append(append(rawjson.AppendString(text, name), ':'), raw...)
	return queue.Unmarshal(append(text, '}'))
}
