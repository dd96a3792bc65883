package queue

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// Property returns the text of the property with this path, and whether the message has it: "recipient",
// "connection.remote-ip", "results.0.code". An underscore in the path matches a dash. Arrays look as in MailerQ's logs,
// [ "a", "b" ]; objects are JSON. As in AppendRecord, neither the mail nor secrets can be had.
func (m *Message) Property(path string) (string, bool) {
	if m == nil {
		return "", false
	}
	switch path { // what most log lines ask for
	case "envelope":
		return m.Envelope, m.Envelope != ""
	case "recipient":
		return m.Recipient, m.Recipient != ""
	case "message-id", "message_id":
		return m.ID, m.ID != ""
	}
	return lookup(messageTable, m, m.Extra, m.forms, path)
}

// Property returns the text of the property with this path, and whether the result has it; see [Message.Property].
func (r *Result) Property(path string) (string, bool) {
	if r == nil {
		return "", false
	}
	switch path {
	case "state":
		return string(r.State), r.State != ""
	case "result":
		return string(r.Result), r.Result != ""
	case "code":
		if r.Code != 0 {
			return strconv.Itoa(r.Code), true
		}
		return "", false
	case "status":
		return r.Status, r.Status != ""
	case "description":
		return r.Description, r.Description != ""
	case "class":
		return string(r.Class), r.Class != ""
	case "from":
		return r.From, r.From != ""
	case "to":
		return r.To, r.To != ""
	}
	return lookup(resultTable, r, r.Extra, nil, path)
}

// lookup writes the property that the path begins with and follows the rest of the path into it.
func lookup[T any](table []property[T], t *T, extra, forms map[string]json.RawMessage, path string) (string, bool) {
	name, rest, _ := strings.Cut(path, ".")
	for i := range table {
		p := &table[i]
		if p.write == nil || !sameName(p.name, name) {
			continue
		}
		var room [256]byte
		e := encoder{dst: room[:0], record: true}
		p.write(&e, t)
		if p.private {
			return follow(value(e.dst), rest)
		}
		if form := forms[p.name]; form != nil && p.says(value(form), e.dst) {
			return follow(value(form), rest)
		}
		if len(e.dst) > 0 {
			e.join(extra[p.name])
			return follow(value(e.dst), rest)
		}
	}
	for key, raw := range extra {
		// A name of an unknown property may itself have dots.
		if len(raw) == 0 || len(key) > len(path) || !sameName(key, path[:len(key)]) {
			continue
		}
		if rest := path[len(key):]; rest == "" || rest[0] == '.' {
			if i := find(table, key); i < 0 || !table[i].private {
				return follow(value(raw), strings.TrimPrefix(rest, "."))
			}
		}
	}
	return "", false
}

// follow goes down the path and returns the text of what is there.
func follow(v value, path string) (string, bool) {
	for path != "" && len(v) > 0 {
		var name string
		name, path, _ = strings.Cut(path, ".")
		v = v.child(name)
	}
	if len(v) == 0 || v.isNull() {
		return "", false
	}
	if v.isObject() {
		return string(v), true
	}
	if !v.isArray() {
		return v.scalar(), true
	}
	list := []byte{'['}
	rawjson.Elements(v, func(i int, v value) bool {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(append(list, ' '), v...)
		return true
	})
	return string(append(list, " ]"...)), true
}

// child returns a member of an object or an element of an array; nil when there is none.
func (v value) child(name string) (found value) {
	switch {
	case v.isObject():
		rawjson.Members(v, func(key []byte, member value) bool {
			if sameName(key, name) {
				found = member
			}
			return true
		})
	case v.isArray():
		rawjson.Elements(v, func(i int, element value) bool {
			if strconv.Itoa(i) == name {
				found = element
			}
			return found == nil
		})
	}
	return found
}

// sameName compares names, an underscore in the wanted one matching a dash.
func sameName[S string | []byte](name S, wanted string) bool {
	if len(name) != len(wanted) {
		return false
	}
	for i := range len(name) {
		if name[i] != wanted[i] && (name[i] != '-' || wanted[i] != '_') {
			return false
		}
	}
	return true
}
