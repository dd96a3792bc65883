package config

import (
	"cmp"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
)

// suite is a cipher suite of TLS 1.0 to 1.2 with the words by which an OpenSSL cipher string selects it (ciphers(1)).
type suite struct {
	id    uint16
	name  string // OpenSSL's name
	words string // blanks around each
	bits  int
	// weak suites are taken only when they are asked for by name, or by the very word that makes them weak: OpenSSL is
	// built without them since version 1.1.0, and ALL does not mean them there.
	weak string
}

// suites lists what crypto/tls has, in the order of OpenSSL's default.
func suites() []suite {
	const (
		ecdsa  = " kEECDH kECDHE ECDHE EECDH ECDH aECDSA ECDSA "
		ecdhe  = " kEECDH kECDHE ECDHE EECDH ECDH aRSA "
		rsa    = " kRSA RSA aRSA "
		gcm128 = "AES AES128 AESGCM SHA256 TLSv1.2 HIGH FIPS "
		gcm256 = "AES AES256 AESGCM SHA384 TLSv1.2 HIGH FIPS "
		chacha = "CHACHA20 SHA256 TLSv1.2 HIGH "
		cbc128 = "AES AES128 CBC SHA SHA1 SSLv3 TLSv1 TLSv1.0 HIGH FIPS "
		cbc256 = "AES AES256 CBC SHA SHA1 SSLv3 TLSv1 TLSv1.0 HIGH FIPS "
		sha256 = "AES AES128 CBC SHA256 TLSv1.2 HIGH FIPS "
		triple = "3DES CBC SHA SHA1 SSLv3 TLSv1 TLSv1.0 MEDIUM "
		rc4    = "RC4 SHA SHA1 SSLv3 TLSv1 TLSv1.0 MEDIUM "
		by3DES = " 3DES "
		byRC4  = " RC4 "
	)
	return []suite{
		{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384", ecdsa + gcm256, 256, ""},
		{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384", ecdhe + gcm256, 256, ""},
		{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305", ecdsa + chacha, 256, ""},
		{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305", ecdhe + chacha, 256, ""},
		{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256", ecdsa + gcm128, 128, ""},
		{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256", ecdhe + gcm128, 128, ""},
		{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE-ECDSA-AES128-SHA256", ecdsa + sha256, 128, ""},
		{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE-RSA-AES128-SHA256", ecdhe + sha256, 128, ""},
		{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE-ECDSA-AES256-SHA", ecdsa + cbc256, 256, ""},
		{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE-RSA-AES256-SHA", ecdhe + cbc256, 256, ""},
		{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE-ECDSA-AES128-SHA", ecdsa + cbc128, 128, ""},
		{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE-RSA-AES128-SHA", ecdhe + cbc128, 128, ""},
		{tls.TLS_RSA_WITH_AES_256_GCM_SHA384, "AES256-GCM-SHA384", rsa + gcm256, 256, ""},
		{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "AES128-GCM-SHA256", rsa + gcm128, 128, ""},
		{tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "AES128-SHA256", rsa + sha256, 128, ""},
		{tls.TLS_RSA_WITH_AES_256_CBC_SHA, "AES256-SHA", rsa + cbc256, 256, ""},
		{tls.TLS_RSA_WITH_AES_128_CBC_SHA, "AES128-SHA", rsa + cbc128, 128, ""},
		{tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, "ECDHE-RSA-DES-CBC3-SHA", ecdhe + triple, 112, by3DES},
		{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, "DES-CBC3-SHA", rsa + triple, 112, by3DES},
		{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, "ECDHE-ECDSA-RC4-SHA", ecdsa + rc4, 128, byRC4},
		{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, "ECDHE-RSA-RC4-SHA", ecdhe + rc4, 128, byRC4},
		{tls.TLS_RSA_WITH_RC4_128_SHA, "RC4-SHA", rsa + rc4, 128, byRC4},
	}
}

// selects reports whether a term of the string, one word or several joined by +, selects the suite; remove says that
// the term takes suites away, where the weak ones are meant too.
func (s suite) selects(term string, remove bool) bool {
	if term == s.name || term == tls.CipherSuiteName(s.id) {
		return true
	}
	strong := remove || s.weak == ""
	for word := range strings.SplitSeq(term, "+") {
		if !strings.Contains(" ALL DEFAULT COMPLEMENTOFDEFAULT ", " "+word+" ") && !strings.Contains(s.words, " "+word+" ") {
			return false
		}
		if word == "COMPLEMENTOFDEFAULT" && s.weak == "" {
			return false
		}
		strong = strong || strings.Contains(s.weak, " "+word+" ")
	}
	return strong
}

// ParseCiphers maps an OpenSSL cipher string, as ciphers(1) defines it, to suites of crypto/tls for TLS 1.0 to 1.2, in
// the order that the string asks for. As in an OpenSSL of today ALL and HIGH mean the suites with RSA key exchange too,
// and neither means RC4 or 3DES, which are taken by name, or by RC4 and 3DES. Missing are the words that ask for
// something which crypto/tls has not. An error says that no suite is left; Go's own choice is to be used then.
//
// Go decides some things itself: the suites of TLS 1.3 are always on, and their names are passed over; of the suites
// that both sides have crypto/tls prefers the one that it thinks best, whatever their order here; @SECLEVEL has no
// effect.
func ParseCiphers(s string) (ids []uint16, missing []string, err error) {
	list := cipherList{all: suites()}
	for _, term := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(": ,;\t", r) }) {
		if !list.apply(term) {
			missing = append(missing, term)
		}
	}
	if len(list.chosen) == 0 {
		return nil, missing, errors.New("no cipher that Go's TLS has is left for TLS 1.2")
	}
	for _, c := range list.chosen {
		ids = append(ids, c.id)
	}
	return ids, missing, nil
}

// cipherList is the list that the terms of a string build up.
type cipherList struct {
	all    []suite
	chosen []suite
	killed []uint16
}

// apply carries out one term; false: it asks for something that is not there.
func (l *cipherList) apply(term string) bool {
	rest := term[1:]
	switch term[0] {
	case '@':
		if term == "@STRENGTH" {
			slices.SortStableFunc(l.chosen, func(a, b suite) int { return cmp.Compare(b.bits, a.bits) })
		}
		return true // @SECLEVEL: Go has its own lower bounds
	case '!':
		for _, c := range l.all {
			if c.selects(rest, true) {
				l.killed = append(l.killed, c.id)
			}
		}
		l.drop(rest)
		return true
	case '-':
		l.drop(rest)
		return true
	case '+':
		moved := l.drop(rest)
		l.chosen = append(l.chosen, moved...)
		return true
	}
	return l.add(term)
}

// drop takes the suites that a term selects off the list and returns them.
func (l *cipherList) drop(term string) (dropped []suite) {
	l.chosen = slices.DeleteFunc(l.chosen, func(c suite) bool {
		out := c.selects(term, true)
		if out {
			dropped = append(dropped, c)
		}
		return out
	})
	return dropped
}

// add appends the suites that a term selects and that are neither on the list nor ruled out.
func (l *cipherList) add(term string) (found bool) {
	if strings.HasPrefix(term, "TLS_AES_") || strings.HasPrefix(term, "TLS_CHACHA20_") {
		return true // TLS 1.3
	}
	for _, c := range l.all {
		if !c.selects(term, false) {
			continue
		}
		found = true
		listed := slices.ContainsFunc(l.chosen, func(other suite) bool { return other.id == c.id })
		if !listed && !slices.Contains(l.killed, c.id) {
			l.chosen = append(l.chosen, c)
		}
	}
	return found
}
