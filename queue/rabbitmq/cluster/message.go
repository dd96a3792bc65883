package cluster

import (
	"encoding/json"
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

// parse reads what somebody said; false when it means nothing here.
func parse(data []byte) (m message, ok bool) {
	if len(data) > maxMessage || json.Unmarshal(data, &m) != nil {
		return message{}, false
	}
	if a := m.Announce; a != nil && (a.ID == "" || len(a.ID) > 255 || len(a.Outbox) > 255) {
		return message{}, false
	}
	return m, true
}
