package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Opener makes a back end from the scheme of a URL, in lower case, and the raw text that follows ://. Nothing is
// decoded: what characters mean is for each back end to say. Its errors do not quote passwords, and it refuses
// parameters that it does not know by name.
type Opener func(scheme, rest string) (Authenticator, error)

// Mux opens back ends by the scheme of a URL. The zero value knows no scheme. It may be used by several goroutines once
// every scheme is handled.
//
//	var mux auth.Mux
//	mux.Handle("hardcoded", auth.OpenHardcoded)
//	mux.Handle("https", auth.OpenHTTP)
//	backend, err := mux.Open("hardcoded://user:secret")
type Mux struct {
	openers map[string]Opener
}

// Handle has URLs of a scheme opened by open, instead of an earlier one. Case does not matter.
func (m *Mux) Handle(scheme string, open Opener) {
	if m.openers == nil {
		m.openers = make(map[string]Opener)
	}
	m.openers[strings.ToLower(scheme)] = open
}

// Open makes the back end that a URL stands for. Its errors name the scheme alone, since the rest may hold passwords.
func (m *Mux) Open(url string) (Authenticator, error) {
	scheme, rest, found := strings.Cut(url, "://")
	scheme = strings.ToLower(scheme)
	if !found || !isScheme(scheme) {
		return nil, errors.New("auth: the address has no scheme, expected is " + m.known() + " and ://")
	}
	open := m.openers[scheme]
	if open == nil {
		return nil, fmt.Errorf("auth: there is no %q, expected is %s", scheme, m.known())
	}
	backend, err := open(scheme, rest)
	if err != nil {
		return nil, fmt.Errorf("auth: %s: %w", scheme, err)
	}
	return backend, nil
}

func (m *Mux) known() string {
	if len(m.openers) == 0 {
		return "nothing, for no scheme is handled,"
	}
	names := slices.Sorted(maps.Keys(m.openers))
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
	return names[0]
}

// isScheme reports whether s, in lower case, is short and of the characters of RFC 3986, section 3.1: what is not may
// be a password that went astray.
func isScheme(s string) bool {
	if s == "" || len(s) > 20 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}
