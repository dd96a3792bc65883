package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
)

// Suppression is why an address gets no mail, and with which result its messages end.
type Suppression struct {
	Code        int    // 4yz or 5yz
	Status      string // enhanced status code
	Description string
}

// Suppressions is a list of addresses and domains that get no mail. Case makes no difference, and a domain beyond ASCII
// is the same as its A-labels. An address counts before its domain; domains under a listed one are not listed. An
// address can be listed by its hash, so that the list does not tell whose it is: by the HMAC-SHA256 with a key, or by
// its SHA-256, which whoever has the list can find out by trying addresses.
//
// The zero Suppressions is empty. Key is set before the first Add. Add must not be called once Find is; Find may be
// called concurrently. Millions of entries are meant to fit: one costs its text and some 40 bytes.
type Suppressions struct {
	// Key is that of keyed hashes. Empty: addresses match none.
	Key string

	// addresses, domains with an @ in front, and the 32 bytes of hashes, to an index in reasons
	entries map[string]uint32
	reasons []Suppression
	known   map[Suppression]uint32 // of reasons, so that equal ones are kept once
	repeats int                    // how often an entry was added that was listed already
	hashes  bool                   // there are, or were, hashes among them; keyed ones
	keyed   bool

	base *Suppressions       // what is listed beside entries, but for what is gone; nil: nothing
	gone map[string]struct{} // of base
}

// maxDerived bounds by how many entries a derived list differs from the one it shares the others with.
const maxDerived = 10_000

// Derive returns a list with the same entries, which can be changed while s, which it shares them with, goes on being
// read. So a few changes of a long list cost little. It returns nil when a new list is the better choice, for there
// were many changes.
func (s *Suppressions) Derive() *Suppressions {
	if s.base == nil {
		return &Suppressions{Key: s.Key, base: s, gone: map[string]struct{}{}, repeats: s.repeats, hashes: s.hashes,
			keyed: s.keyed}
	}
	if len(s.entries)+len(s.gone) >= maxDerived {
		return nil
	}
	return &Suppressions{Key: s.Key, keyed: s.keyed, entries: maps.Clone(s.entries), reasons: slices.Clone(s.reasons), known: maps.Clone(s.known),
		repeats: s.repeats, hashes: s.hashes,
		base: s.base, gone: maps.Clone(s.gone)}
}

// Remove removes an entry that was added in these words. It returns false, and removes nothing, when that is not
// possible because entries were added that were listed already: one of them may have to take the place of the one
// removed.
func (s *Suppressions) Remove(value, typ string) bool {
	key, err := suppressionKey(strings.TrimSpace(value), typ)
	switch {
	case s.repeats > 0:
		return false
	case err != nil: // and so it was never added
	case s.base != nil && s.base.listed(key):
		s.gone[key] = struct{}{}
		delete(s.entries, key)
	default:
		delete(s.entries, key)
	}
	return true
}

// find returns the reason of an entry.
func (s *Suppressions) find(key string) (why Suppression, ok bool) {
	if i, listed := s.entries[key]; listed {
		return s.reasons[i], true
	}
	if s.base != nil {
		if _, gone := s.gone[key]; !gone {
			return s.base.find(key)
		}
	}
	return Suppression{}, false
}

func (s *Suppressions) listed(key string) bool {
	_, listed := s.find(key)
	return listed
}

// Reserve makes room for n entries, which saves copying when many are to be added.
func (s *Suppressions) Reserve(n int) {
	if s.entries == nil {
		s.entries = make(map[string]uint32, n)
	}
}

// Add adds an address (type "address"), a domain (type "domain"), or the hash in hexadecimal of an address in lower
// case, its domain in A-labels (type "hmac" with Key, "sha256" without). A zero code stands for 550, an empty status
// for 5.1.1, an empty description for a text of ours. Of equal entries the first counts. An error tells what is wrong;
// nothing is added then.
func (s *Suppressions) Add(value, typ string, why Suppression) error {
	key, err := suppressionKey(strings.TrimSpace(value), typ)
	if err != nil {
		return err
	}
	if why.Code == 0 {
		why.Code = 550
	}
	if why.Code < 400 || why.Code > 599 {
		return fmt.Errorf("code %d: expected one from 400 to 599, or 0", why.Code)
	}
	if why.Status == "" {
		why.Status = fmt.Sprintf("%d.1.1", why.Code/100)
	}
	if why.Description == "" {
		why.Description = "the recipient is on the suppression list"
	}
	s.Reserve(0)
	s.hashes, s.keyed = s.hashes || typ == hashed, s.keyed || typ == keyed
	if s.listed(key) {
		s.repeats++
	} else {
		s.entries[key] = s.reason(why)
	}
	return nil
}

// The types of entries that are hashes.
const (
	hashed = "sha256"
	keyed  = "hmac"
)

// HashAddress returns the value and the type of the entry that lists an address by its hash: with a key, or without one
// when that is empty.
func HashAddress(key, address string) (value, typ string) {
	if address = addr.FoldAddress(address); key == "" {
		sum := sha256.Sum256([]byte(address))
		return hex.EncodeToString(sum[:]), hashed
	}
	sum := mac(key, address)
	return hex.EncodeToString(sum[:]), keyed
}

// mac is the HMAC-SHA256 (RFC 2104 §2), without the allocations of package hmac.
func mac(key, text string) [sha256.Size]byte {
	var block [sha256.BlockSize]byte
	var inner [sha256.BlockSize + 512]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	if len(key) <= len(block) {
		copy(block[:], key)
	} else {
		sum := sha256.Sum256(append(inner[:0], key...))
		copy(block[:], sum[:])
	}
	for i, c := range block {
		inner[i], outer[i] = c^0x36, c^0x5c
	}
	sum := sha256.Sum256(append(inner[:len(block)], text...))
	copy(outer[len(block):], sum[:])
	return sha256.Sum256(outer[:])
}

func suppressionKey(value, typ string) (string, error) {
	if typ == "" { // an @ tells
		if typ = "domain"; strings.LastIndexByte(value, '@') > 0 {
			typ = "address"
		}
	}
	switch typ {
	case "address":
		if local, _ := addr.Split(value); local == "" || !addr.Valid(value, addr.Loose|addr.UTF8) {
			return "", fmt.Errorf("value %q: expected a mail address", value)
		}
		return addr.FoldAddress(value), nil
	case "domain":
		domain := addr.Fold(strings.TrimPrefix(value, "@"))
		if !addr.ValidDomain(domain, addr.Loose|addr.UTF8) {
			return "", fmt.Errorf("value %q: expected a domain", value)
		}
		return "@" + domain, nil
	case hashed, keyed:
		sum, err := hex.DecodeString(value)
		if err != nil || len(sum) != sha256.Size {
			return "", fmt.Errorf("value %q: expected 64 hexadecimal digits, the hash of an address", value)
		}
		return string(sum), nil
	}
	return "", fmt.Errorf("type %q: expected address, domain, hmac or sha256", typ)
}

// reason returns the index of why, which is remembered once.
func (s *Suppressions) reason(why Suppression) uint32 {
	i, known := s.known[why]
	if !known {
		if s.known == nil {
			s.known = make(map[Suppression]uint32)
		}
		i = uint32(len(s.reasons))
		s.reasons = append(s.reasons, why)
		s.known[why] = i
	}
	return i
}

// Find returns why a recipient gets no mail; ok is false when nothing is against it. It allocates nothing for an
// address in lower case and ASCII.
func (s *Suppressions) Find(recipient string) (why Suppression, ok bool) {
	if s.Len() == 0 {
		return Suppression{}, false
	}
	recipient = addr.FoldAddress(recipient)
	if why, ok := s.find(recipient); ok {
		return why, true
	}
	if s.hashes {
		sum := sha256.Sum256([]byte(recipient))
		if why, ok := s.find(string(sum[:])); ok {
			return why, true
		}
	}
	if s.keyed && s.Key != "" {
		sum := mac(s.Key, recipient)
		if why, ok := s.find(string(sum[:])); ok {
			return why, true
		}
	}
	if at := strings.LastIndexByte(recipient, '@'); at >= 0 {
		return s.find(recipient[at:])
	}
	return Suppression{}, false
}

// Len returns the number of entries.
func (s *Suppressions) Len() int {
	if s.base == nil {
		return len(s.entries)
	}
	return s.base.Len() - len(s.gone) + len(s.entries)
}
