package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery/external"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/smtpin/enqueue"
	limits "github.com/sluicemail/sluice/throttle/rules"
)

// Snapshot is the settings as they were at one moment. It is shared: nobody changes it. What two snapshots have alike
// is often the same in memory: a pointer that is the same in both says that nothing has changed behind it.
type Snapshot struct {
	// Locals are the addresses whose mail is accepted from anybody.
	Locals *enqueue.Locals
	// Blocklist is who may not connect or send.
	Blocklist *enqueue.Blocklist
	// Suppressions are the recipients that get no mail.
	Suppressions *rules.Suppressions
	// Names are what local addresses are called in greetings and EHLO, and Labels what the console calls them.
	Names, Labels map[netip.Addr]string
	// Throttles are the limits, floods and warm-ups.
	Throttles *limits.Set
	// Steering is what else is decided about mail while it flows: suppressions, rewrite rules, forced errors, pauses,
	// redirects, pools and response patterns.
	Steering *rules.Set
	// Keys sign mail; they were parsed once.
	Keys *sign.Keys
	// External are the public addresses that mail can leave from beside those of this machine.
	External *external.Table
	// Routes are the domains whose mail goes to a relay; nil: there are none.
	Routes *mx.Routes
	// DNS has addresses of hosts that override those of the DNS; nil: there are none.
	DNS *Hosts
	// Tokens are who may use the REST API.
	Tokens *Tokens

	// Rows are the plain rows that all of this was made of.
	Rows *settings.Rows
	// Broken are the rows left out, rows that could not be read as well as rows that make no sense.
	Broken []settings.Broken
	// Loaded is when the rows were read from the database.
	Loaded time.Time
	// FromCache says that the database was down, or empty, and the rows are those of an earlier run.
	FromCache bool
	// Withheld says that no rows were ever read, and that Steering holds all mail until they are.
	Withheld bool

	broken  [parts][]settings.Broken // by what could not be compiled
	started []rules.Pause            // that Steering was made with
}

// Name returns the name of a local address, or "".
func (s *Snapshot) Name(local netip.Addr) string { return s.Names[local.Unmap().WithZone("")] }

// Hosts are addresses of hosts. A nil *Hosts has none.
type Hosts struct{ addresses map[string][]netip.Addr }

// Addresses returns the addresses of a host (lower case), nil for one that is not among them. The slice is shared. It
// fits mx.Finder.Overrides.
func (h *Hosts) Addresses(host string) []netip.Addr {
	if h == nil {
		return nil
	}
	return h.addresses[host]
}

// Tokens are who may use the REST API. A nil *Tokens has nobody.
type Tokens struct {
	byHash map[[sha256.Size]byte]settings.Token
}

// Find returns the row of a token as a client presents it. Rows that are switched off are not found.
func (t *Tokens) Find(token string) (row settings.Token, ok bool) {
	if t == nil || token == "" {
		return settings.Token{}, false
	}
	// Who does not know a token cannot choose its hash, so that the time that the look-up takes tells nothing.
	row, ok = t.byHash[sha256.Sum256([]byte(token))]
	return row, ok
}

// Len returns the number of tokens.
func (t *Tokens) Len() int {
	if t == nil {
		return 0
	}
	return len(t.byHash)
}

func (t *Tokens) add(row settings.Token) {
	digits, _ := strings.CutPrefix(string(row.Hash), "sha256:")
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != sha256.Size {
		return // was told when the row was read
	}
	if t.byHash == nil {
		t.byHash = make(map[[sha256.Size]byte]settings.Token)
	}
	if _, known := t.byHash[[sha256.Size]byte(sum)]; !known {
		t.byHash[[sha256.Size]byte(sum)] = row
	}
}
