package sign

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/queue"
)

// Spec is a key of the settings, in plain values.
type Spec struct {
	Name string // where it stands, for errors: "dkim_keys 12"; empty: the name of its record in the DNS
	// Key has what the property dkim of a message has. An item of Headers or Protocols may be a list with commas
	// between, as the columns of the settings are.
	Key     queue.DKIM
	Expires string // text of the settings' column: a UTC time, or seconds; used when Key has neither
	// Patterns say which mail the key signs, by the domain of From; any that matches is enough. Without any it signs
	// the mail of its own domain.
	Patterns []Pattern
	CheckDNS bool // sign only while the DNS has the matching public key
}

// Pattern is a pattern of From domains.
type Pattern struct {
	ID   int64  // where it stands, for [Problem]
	Type string // exact, regex, fnmatch (or wildcard), substr (or substring), or global: all mail
	Text string // empty for global
}

// Problem is a key or a pattern that makes no sense and was left out.
type Problem struct {
	Key     int      // index of the Spec
	Pattern *Pattern // nil: the key itself
	Err     error    // never shows the key
	name    string
}

// Error names the key and what is wrong.
func (p *Problem) Error() string { return p.name + ": " + p.Err.Error() }

// Unwrap returns what is wrong.
func (p *Problem) Unwrap() error { return p.Err }

// Keys are the keys of one snapshot of the settings, compiled. They do not change, and may be used concurrently. A nil
// *Keys has no keys.
type Keys struct {
	exact  map[string][]*key
	suffix map[string][]*key // of patterns "*.example.com": ".example.com"
	others []patternKey
	global []*key
	all    []*key
}

type patternKey struct {
	pattern *pattern.Pattern
	key     *key
}

// Compile makes Keys of what the settings say. A key or a pattern that makes no sense is left out and reported by a
// *[Problem] of its own; the rest is usable. A key whose patterns are all broken signs nothing.
// The cache, which may be nil, spares parsing keys again that were there before.
func Compile(specs []Spec, cache *KeyCache) (*Keys, []error) {
	out := &Keys{exact: make(map[string][]*key), suffix: make(map[string][]*key)}
	var broken []error
	for i := range specs {
		for _, p := range out.add(&specs[i], cache) {
			p.Key, p.name = i, specs[i].name()
			broken = append(broken, p)
		}
	}
	return out, broken
}

func (s *Spec) name() string {
	if s.Name != "" {
		return s.Name
	}
	return fmt.Sprintf("DKIM key %.300q", s.Key.String())
}

// add compiles one key and returns what is broken about it.
func (ks *Keys) add(s *Spec, cache *KeyCache) (broken []*Problem) {
	spec := s.Key
	spec.Headers, spec.Protocols = items(spec.Headers), items(spec.Protocols)
	if err := readExpire(&spec, s.Expires); err != nil {
		return []*Problem{{Err: err}}
	}
	for _, p := range spec.Protocols {
		if p != "dkim" && p != "arc" {
			return []*Problem{{Err: fmt.Errorf("protocols: expected dkim and arc, got %.80q", p)}}
		}
	}
	k, bad := newKey(&spec, cache)
	if bad != nil {
		return []*Problem{{Err: bad}}
	}
	if s.CheckDNS {
		k.checkDNS, k.public = true, fingerprint(k.signer)
	}
	ks.all = append(ks.all, k)
	if len(s.Patterns) == 0 {
		ks.exact[k.domain] = append(ks.exact[k.domain], k)
	}
	for i, p := range s.Patterns {
		if err := ks.addPattern(p, k); err != nil {
			broken = append(broken, &Problem{Pattern: &s.Patterns[i], Err: err})
		}
	}
	return broken
}

func (ks *Keys) addPattern(p Pattern, k *key) error {
	if strings.EqualFold(p.Type, "global") {
		ks.global = append(ks.global, k)
		return nil
	}
	typ, err := pattern.ParseType(p.Type)
	if err != nil {
		return err
	}
	if typ == pattern.Exact && p.Text != "" {
		domain := addr.Fold(p.Text)
		ks.exact[domain] = append(ks.exact[domain], k)
		return nil
	}
	compiled, err := pattern.Compile(typ, p.Text, true)
	if err != nil {
		return err
	}
	if suffix, ok := compiled.Suffix(); ok && suffix[0] == '.' {
		ks.suffix[suffix] = append(ks.suffix[suffix], k)
		return nil
	}
	ks.others = append(ks.others, patternKey{compiled, k})
	return nil
}

// items takes lists with commas between apart.
func items(list []string) (out []string) {
	for _, s := range list {
		for item := range strings.SplitSeq(s, ",") {
			if item = strings.TrimSpace(item); item != "" {
				out = append(out, item)
			}
		}
	}
	return out
}

// readExpire reads the settings' text of how long signatures are valid.
func readExpire(k *queue.DKIM, text string) error {
	text = strings.TrimSpace(text)
	if k.Expire != 0 || !k.ExpireAt.IsZero() || text == "" {
		return nil
	}
	if at, ok := queue.ParseTime(text); ok {
		k.ExpireAt = at
		return nil
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' || len(text) > 12 {
			return fmt.Errorf("expire: expected a UTC time or seconds, got %.80q", text)
		}
		k.Expire = k.Expire*10 + int64(text[i]-'0')
	}
	return nil
}

// Len returns how many keys there are.
func (ks *Keys) Len() int {
	if ks == nil {
		return 0
	}
	return len(ks.all)
}

// Seals reports whether one of the keys is for ARC.
func (ks *Keys) Seals() bool {
	return ks != nil && slices.ContainsFunc(ks.all, func(k *key) bool { return k.arc })
}

// Weak tells of each key that should not be used any more: the name of its record, and why.
func (ks *Keys) Weak() []string {
	if ks == nil {
		return nil
	}
	var weak []string
	for _, k := range ks.all {
		if why := Weakness(k.signer); why != "" {
			weak = append(weak, k.record()+": "+why)
		}
	}
	return weak
}

// Records names the records of the keys that sign mail from a domain, keys that depend on the DNS included, topmost
// first.
func (ks *Keys) Records(domain string) []string {
	found := ks.match(addr.Fold(domain))
	byPriority(found)
	names := make([]string, len(found))
	for i, k := range found {
		names[i] = k.record()
	}
	return names
}

// match returns the keys for mail from a domain, each once.
func (ks *Keys) match(domain string) []*key {
	if ks == nil {
		return nil
	}
	var found []*key
	add := func(k *key) {
		if !slices.Contains(found, k) {
			found = append(found, k)
		}
	}
	for _, k := range ks.global {
		add(k)
	}
	for _, k := range ks.exact[domain] {
		add(k)
	}
	for i := range len(domain) {
		if domain[i] == '.' {
			for _, k := range ks.suffix[domain[i:]] {
				add(k)
			}
		}
	}
	for _, p := range ks.others {
		if p.pattern.Match(domain) {
			add(p.key)
		}
	}
	return found
}
