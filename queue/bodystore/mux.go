package bodystore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/rawurl"
)

// Opener makes a driver of the scheme of an address, in lower case, and the raw text that follows ://. Nothing is
// decoded: what characters mean is for each driver to say. Its errors show no secrets, and it refuses parameters that
// it does not know by name.
type Opener func(ctx context.Context, scheme, rest string) (Driver, error)

// Mux opens stores by the scheme of an address. The zero value knows no scheme. It may be used by several goroutines
// once every scheme is handled.
type Mux struct {
	openers map[string]Opener
	refused map[string]string
}

// Handle has addresses of a scheme opened by open. Case does not matter.
func (m *Mux) Handle(scheme string, open Opener) {
	if m.openers == nil {
		m.openers = make(map[string]Opener)
	}
	m.openers[strings.ToLower(scheme)] = open
}

// Refuse has addresses of a scheme refused for a reason.
func (m *Mux) Refuse(scheme, why string) {
	if m.refused == nil {
		m.refused = make(map[string]string)
	}
	m.refused[strings.ToLower(scheme)] = why
}

// Check returns the error of an address whose scheme Open would refuse. It opens nothing.
func (m *Mux) Check(address string) error {
	scheme, _, found := strings.Cut(address, "://")
	scheme = strings.ToLower(scheme)
	if why, refused := m.refused[scheme]; found && refused {
		return fmt.Errorf("%s: %s", scheme, why)
	}
	if !found || m.openers[scheme] == nil {
		return errors.New("the address has to begin with " + m.known())
	}
	return nil
}

// Open makes a store of an address. The parameter compression=gzip is understood with every scheme. Errors show no
// secrets.
func (m *Mux) Open(ctx context.Context, address string) (*Store, error) {
	if err := m.Check(address); err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(address, "://")
	scheme = strings.ToLower(scheme)
	open := m.openers[scheme]
	rest, compression, given, err := cutCompression(rest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", scheme, err)
	}
	if given && compression != "gzip" {
		return nil, fmt.Errorf("%s: parameter compression is not understood: expected gzip", scheme)
	}
	driver, err := open(ctx, scheme, rest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", scheme, err)
	}
	return &Store{Driver: driver, Gzip: given}, nil
}

func (m *Mux) known() string {
	if len(m.openers) == 0 {
		return "nothing, as no scheme is handled"
	}
	return strings.Join(slices.Sorted(maps.Keys(m.openers)), ", ") + ", and ://"
}

// cutCompression takes the parameter of that name out of an address.
func cutCompression(rest string) (without, value string, given bool, err error) {
	const name = "compression"
	without, params, found := rawurl.CutParams(rest)
	if !found {
		return rest, "", false, nil
	}
	var others []string
	for item := range strings.SplitSeq(params, "&") {
		if key, text, _ := strings.Cut(item, "="); key != name {
			others = append(others, item)
		} else if given {
			return "", "", false, errors.New("parameter compression is given twice")
		} else if value, err = rawurl.Unescape(text); err != nil {
			return "", "", false, fmt.Errorf("parameter compression: %w", err)
		} else {
			given = true
		}
	}
	if len(others) > 0 {
		without += "?" + strings.Join(others, "&")
	}
	return without, value, given, nil
}
