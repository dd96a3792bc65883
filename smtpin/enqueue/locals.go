package enqueue

import (
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/pattern"
)

// Locals is a list of patterns of local addresses. Case makes no difference on either side of the @, and a domain
// beyond ASCII is the same as its A-labels. Whole addresses, and wildcards such as *@example.com, are looked up;
// patterns of other types are tried one after the other.
//
// The zero Locals is empty. Add must not be called once Contains is; Contains may be called concurrently.
type Locals struct {
	exact   map[string]struct{}
	domains map[string]struct{} // of *@domain, with the @
	rest    []*pattern.Pattern
}

// Add adds a pattern of a type that is named as in the settings database: exact, regex, fnmatch or substr. The text of
// all is put beside the whole address. An error tells what is wrong with the pattern; nothing is added then.
func (l *Locals) Add(typ, text string) error {
	t, err := pattern.ParseType(typ)
	if err != nil {
		return err
	}
	if t != pattern.Regex {
		text = foldPattern(text)
	}
	p, err := pattern.Compile(t, text, true)
	if err != nil {
		return err
	}
	if t == pattern.Exact {
		if !addr.Valid(text, addr.Loose|addr.UTF8) {
			return fmt.Errorf("pattern %q of type exact: expected a whole mail address", text)
		}
		add(&l.exact, text)
		return nil
	}
	if suffix, ok := p.Suffix(); ok && strings.LastIndexByte(suffix, '@') == 0 {
		add(&l.domains, suffix)
		return nil
	}
	l.rest = append(l.rest, p)
	return nil
}

func add(set *map[string]struct{}, s string) {
	if *set == nil {
		*set = make(map[string]struct{})
	}
	(*set)[s] = struct{}{}
}

// Contains reports whether a pattern matches an address. It may be the Local of a Backend.
func (l *Locals) Contains(address string) bool {
	address = addr.FoldAddress(address)
	if _, ok := l.exact[address]; ok {
		return true
	}
	if len(l.domains) > 0 {
		if i := strings.LastIndexByte(address, '@'); i >= 0 {
			if _, ok := l.domains[address[i:]]; ok {
				return true
			}
		}
	}
	for _, p := range l.rest {
		if p.Match(address) {
			return true
		}
	}
	return false
}

// foldPattern is addr.FoldAddress for what may be part of an address, or have wildcards.
func foldPattern(text string) string {
	if strings.Contains(text, "@") {
		return addr.FoldAddress(text)
	}
	return strings.ToLower(text)
}
