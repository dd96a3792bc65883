package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Instance is what a member tells of itself.
type Instance struct {
	ID     string       `json:"id"`            // different for every start
	Host   string       `json:"host"`          // name of the machine
	URL    string       `json:"url,omitempty"` // of the console
	IPs    []netip.Addr `json:"ips"`           // that mail can leave from
	Outbox string       `json:"outbox"`        // the queue that it reads; "" when others cannot publish to it

	Seen time.Time `json:"-"` // when it was last heard of
}

// message is what is said over the exchange.
type message struct {
	From     string    `json:"from,omitempty"`
	Hello    bool      `json:"hello,omitempty"`
	Reload   bool      `json:"reload,omitempty"`
	Announce *Instance `json:"announce,omitempty"`
	Leave    string    `json:"leave,omitempty"`
}

// maxMessage is the largest message that is looked at.
const maxMessage = 1 << 20

func (m message) text() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // it has only strings and addresses
	}
	return text
}

// parse reads what somebody said. The error says what is wrong with it.
func parse(data []byte) (m message, err error) {
	if len(data) > maxMessage {
		return message{}, fmt.Errorf("it has %d bytes, expected %d at most", len(data), maxMessage)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		m = message{}
		if json.Unmarshal(tidied(data), &m) != nil {
			return message{}, err
		}
	}
	if a := m.Announce; a != nil && !a.sound() {
		return message{}, errors.New("the instance announced has no id, or a name longer than 255 bytes")
	}
	return m, nil
}

func (i *Instance) sound() bool { return i.ID != "" && len(i.ID) <= 255 && len(i.Outbox) <= 255 }

// tidied makes JSON of objects whose members end with semicolons, as in MailerQ's documentation (cluster.md, 5.13: the
// text to publish is { "reload": true; }), or with one comma too many.
func tidied(data []byte) []byte {
	out := make([]byte, 0, len(data))
	comma, text := false, false // one waits to be written; we are within a string
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text:
			out = append(out, c)
			if c == '\\' && i+1 < len(data) {
				i++
				out = append(out, data[i])
			}
			text = c != '"'
		case c == ';' || c == ',':
			comma = true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			if comma && c != '}' && c != ']' {
				out = append(out, ',')
			}
			comma, text = false, c == '"'
			out = append(out, c)
		}
	}
	return out
}
