package sign

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicemail/sluice/internal/mailsig"
	"github.com/sluicemail/sluice/queue"
)

// set says how a mail that gets so many DKIM-Signatures is sealed; nil: it is not.
func (s *Signer) set(w *work, keys []*key, signatures int, now time.Time) *mailsig.Set {
	k := sealer(keys)
	if k == nil {
		return nil
	}
	set := received(w.mail, w.m)
	if set == nil {
		return nil
	}
	set.Draft = k.draft(w.mail, now)
	set.Draft.Expires, set.Draft.Report = time.Time{}, false
	for range min(w.mail.Count("dkim-signature")+signatures, maxEach) {
		set.Draft.Fields = append(set.Draft.Fields, "DKIM-Signature")
	}
	if s.Results != nil {
		set.Results = s.Results(w.m, set.Instance)
	} else {
		set.Results = fmt.Appendf(nil, "ARC-Authentication-Results: i=%d; %s; none\r\n", set.Instance, k.domain)
	}
	return set
}

// sealer returns the key that seals: the first for ARC, an RSA key before others, since few programs that verify chains
// know Ed25519. A set has room for one.
func sealer(keys []*key) *key {
	var first *key
	for _, k := range keys {
		if !k.arc {
			continue
		}
		if _, is := k.signer.Public().(*rsa.PublicKey); is {
			return k
		}
		if first == nil {
			first = k
		}
	}
	return first
}

// received begins the set that follows those a mail came with, according to what was found out about them then. It is
// nil where there can be none: the chain is full, it has ended with a set that says so (RFC 8617 §5.1), or nobody
// looked whether it holds.
func received(mail *mailsig.Message, m *queue.Message) *mailsig.Set {
	last := mail.LastInstance()
	set := &mailsig.Set{Instance: last + 1, Chain: "fail"}
	if last >= mailsig.MaxInstance {
		return nil
	}
	sets, err := mail.Chain()
	if last == 0 {
		set.Chain = "none"
		return set
	}
	if err != nil {
		if len(sets) > 0 && sets[len(sets)-1].Ended() {
			return nil
		}
		return set
	}
	switch found(m.Checks, len(sets)) {
	case "pass":
		set.Chain, set.Before = "pass", sets
	case "fail":
	default:
		return nil
	}
	return set
}

// found is what the check "arc" found of a chain of so many sets; "": it was not made, or not of this chain.
func found(results []json.RawMessage, sets int) string {
	for _, raw := range results {
		var r struct {
			ARC      string
			Instance int
		}
		if json.Unmarshal(raw, &r) == nil && r.ARC != "" && (r.Instance == sets || r.ARC != "pass") {
			return r.ARC
		}
	}
	return ""
}
