package arc

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/mailsig"
)

// maxSets is the most that a chain may have (RFC 8617 §4.2.1).
const maxSets = 50

// set is what one host added.
type set struct {
	results []byte
	message *mailsig.Signature
	seal    *mailsig.Signature
}

// The fields of a set.
const (
	resultsField = "arc-authentication-results"
	messageField = "arc-message-signature"
	sealField    = "arc-seal"
)

// collect puts the fields of a mail into sets and judges their form. No sets and no error: the mail has no chain. Sets
// that come with an error are complete, but say themselves that the chain is broken.
func collect(m *mailsig.Message) ([]set, error) {
	n := max(m.Count(resultsField), m.Count(messageField), m.Count(sealField))
	if n == 0 {
		return nil, nil
	}
	if n > maxSets {
		return nil, problem(mailsig.Refused, strconv.Itoa(n)+" sets, more than "+strconv.Itoa(maxSets))
	}
	sets := make([]set, n)
	if err := collectResults(m, sets); err != nil {
		return nil, err
	}
	for _, raw := range m.Fields(messageField) {
		s, err := mailsig.ParseSignature(raw, mailsig.ARCMessage)
		if err != nil {
			return nil, wrap("message signature", err)
		}
		at, err := slot(sets, s.Instance, func(s set) bool { return s.message != nil })
		if err != nil {
			return nil, wrap("message signature", err)
		}
		sets[at].message = s
	}
	for _, raw := range m.Fields(sealField) {
		s, err := mailsig.ParseSignature(raw, mailsig.ARCSeal)
		if err != nil {
			return nil, wrap("seal", err)
		}
		at, err := slot(sets, s.Instance, func(s set) bool { return s.seal != nil })
		if err != nil {
			return nil, wrap("seal", err)
		}
		sets[at].seal = s
	}
	if err := complete(sets); err != nil {
		return nil, err
	}
	return sets, judge(sets)
}

func collectResults(m *mailsig.Message, sets []set) error {
	for _, raw := range m.Fields(resultsField) {
		i, err := resultsInstance(raw)
		if err != nil {
			return wrap("results", err)
		}
		at, err := slot(sets, i, func(s set) bool { return s.results != nil })
		if err != nil {
			return wrap("results", err)
		}
		sets[at].results = raw
	}
	return nil
}

// resultsInstance reads the number that an ARC-Authentication-Results field begins with (RFC 8617 §4.1.1).
func resultsInstance(raw []byte) (int, error) {
	_, value, _ := bytes.Cut(raw, []byte(":"))
	tag, _, found := bytes.Cut(value, []byte(";"))
	name, number, equals := strings.Cut(string(tag[:min(len(tag), 100)]), "=")
	if !found || !equals || strings.Trim(name, " \t\r\n") != "i" {
		return 0, problem(mailsig.Syntax, "no instance")
	}
	return mailsig.Instance(strings.Trim(number, " \t\r\n"))
}

// slot returns the place of an instance. With as many fields of a kind as sets, none beyond the last and none twice,
// there are no gaps.
func slot(sets []set, instance int, taken func(set) bool) (int, error) {
	switch {
	case instance > len(sets):
		return 0, problem(mailsig.Syntax, "instance "+strconv.Itoa(instance)+" of a chain of "+strconv.Itoa(len(sets)))
	case taken(sets[instance-1]):
		return 0, problem(mailsig.Syntax, "instance "+strconv.Itoa(instance)+" twice")
	}
	return instance - 1, nil
}

// complete checks that no set lacks a field.
func complete(sets []set) error {
	for i, s := range sets {
		if s.results == nil || s.message == nil || s.seal == nil {
			return problem(mailsig.Syntax, "set "+strconv.Itoa(i+1)+" is not complete")
		}
	}
	return nil
}

// judge reads what the seals say of the chain before them, from the newest.
func judge(sets []set) error {
	for i := len(sets) - 1; i >= 0; i-- {
		want := "pass"
		if i == 0 {
			want = "none"
		}
		cv, ok := sets[i].seal.Tags.Get("cv")
		switch {
		case !ok:
			return problem(mailsig.Syntax, "seal "+strconv.Itoa(i+1)+" has no cv")
		case cv == "fail":
			return problem(mailsig.Changed, "seal "+strconv.Itoa(i+1)+" says that the chain was broken before")
		case cv != want:
			return problem(mailsig.Syntax, "cv of seal "+strconv.Itoa(i+1)+" is not "+want)
		}
	}
	return nil
}

func problem(kind mailsig.Kind, text string) error { return &mailsig.Problem{Kind: kind, Text: text} }

// wrap says which field an error is about.
func wrap(part string, err error) error {
	return &mailsig.Problem{Kind: mailsig.Syntax, Text: part, Err: err}
}
