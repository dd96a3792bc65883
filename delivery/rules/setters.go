package rules

import (
	"bytes"
	"errors"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/rawjson"
	"github.com/sluicemail/sluice/queue"
)

// setter sets a property of a message.
type setter struct {
	path  []string
	known *property      // nil: nobody knows the property
	ready *queue.Message // has the value, when path is one known property as a whole
	raw   []byte         // the value; nil removes
}

// compileSetter reads the property and the value of an action of type set. pools nil: pools are not checked.
func compileSetter(pointer, text string, pools *pools) (*setter, error) {
	path, err := parsePointer(pointer)
	if err != nil {
		return nil, err
	}
	s := &setter{path: path, known: knownProperty(path[0])}
	switch {
	case s.known != nil && s.known.fixed != "":
		return nil, wrong("property", " %q: expected one that may change; %s", path[0], s.known.fixed)
	case path[0] == "raw":
		return nil, wrong("property", " %q: expected one that may change; it is what could not be read", path[0])
	}
	raw, isJSON := parseValue(text)
	err = s.take(raw)
	if err != nil && isJSON && strings.IndexByte(`"{[`, raw[0]) < 0 && s.take(rawjson.AppendString(nil, text)) == nil {
		err = nil // text that happens to be JSON, such as a pool of the name 7
	}
	if err != nil {
		return nil, err
	}
	return s, s.checkPool(pools)
}

// take tries a value on an empty message and keeps it.
func (s *setter) take(raw []byte) error {
	s.raw = raw
	if isNull(raw) && (s.known == nil || len(s.path) == 1 || s.path[0] != "queues") {
		s.raw = nil
	}
	if s.known == nil {
		return nil
	}
	whole, ok := edit(emptyOf(s.path[0]), s.path[1:], s.raw)
	if !ok {
		return wrong("property", ": expected a number, or -, in the place of a name in an array")
	}
	if whole == nil {
		whole = []byte("null")
	}
	ready, err := readPart(s.path[0], whole)
	if err := s.explain(err); err != nil {
		return err
	}
	if len(s.path) > 1 {
		return nil
	}
	s.ready = ready
	return checkAddresses(s.path[0], ready)
}

// emptyOf is what a property is edited from that a message lacks; nil: an object.
func emptyOf(name string) []byte {
	switch name {
	case "ips", "tags", "retries", "dkim":
		return []byte("[]")
	}
	return nil
}

// explain makes an error of what is wrong with the value, if it is that: what else an empty message lacks, others may
// have.
func (s *setter) explain(err error) error {
	if err == nil {
		return nil
	}
	p, ok := errors.AsType[*queue.PropertyError](err)
	if !ok {
		return wrong("value", ": expected JSON, or text")
	}
	here, there := places(strings.Join(s.path, ".")), places(p.Property)
	if !strings.HasPrefix(there+".", here+".") && !strings.HasPrefix(here+".", there+".") {
		return nil
	}
	if s.path[0] == "dkim" || s.path[0] == "smarthost" {
		return wrong("value", ": expected %s for %s", p.Want, p.Property)
	}
	return wrong("value", ": expected %s for %s, got %s", p.Want, p.Property, p.Got)
}

// places lets all places in arrays look alike.
func places(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if p == "-" || p != "" && strings.Trim(p, "0123456789") == "" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, ".")
}

// checkAddresses checks what queue.Unmarshal takes as it is.
func checkAddresses(name string, m *queue.Message) error {
	switch name {
	case "recipient":
		if !addr.Valid(m.Recipient, addr.Loose|addr.UTF8) {
			return wrong("value", " %q: expected the address of a recipient", m.Recipient)
		}
	case "envelope":
		if m.Envelope != "" && !addr.Valid(m.Envelope, addr.Loose|addr.UTF8) {
			return wrong("value", " %q: expected the address of a sender, or nothing", m.Envelope)
		}
	case "ips":
		for _, text := range m.IPs {
			if _, err := parseAddr(text); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *setter) checkPool(pools *pools) error {
	if s.ready != nil && s.path[0] == "pool" && s.ready.Pool != "" && pools != nil &&
		!pools.has(strings.ToLower(s.ready.Pool)) {
		return wrong("value", " %q: expected the name of a pool", s.ready.Pool)
	}
	return nil
}

// set sets the property and reports whether rules may select the message otherwise by that. A message that the value
// does not fit is left as it is.
func (s *setter) set(m *queue.Message) (selects bool) {
	name := s.path[0]
	switch {
	case s.ready != nil:
		s.known.assign(m, s.ready)
		if s.known.own != nil {
			s.known.own(m)
		}
		putExtra(&m.Extra, name, bytes.Clone(s.ready.Extra[name]))
		return s.known.selects
	case s.known == nil:
		if raw, ok := edit(compacted(m.Extra[name]), s.path[1:], s.raw); ok {
			putExtra(&m.Extra, name, raw)
		}
		return false
	}
	before := compacted(part(s.known, name, m))
	if before == nil {
		before = emptyOf(name)
	}
	raw, ok := edit(before, s.path[1:], s.raw)
	if !ok || raw == nil {
		return false
	}
	got, err := readPart(name, raw)
	if err != nil || checkAddresses(name, got) != nil {
		return false
	}
	s.known.assign(m, got)
	putExtra(&m.Extra, name, got.Extra[name])
	return s.known.selects
}
