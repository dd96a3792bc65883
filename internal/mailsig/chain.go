package mailsig

import (
	"bytes"
	"strconv"
	"strings"
)

// ARCSet is what one host on the way of a mail added to its chain (RFC 8617 §4.1).
type ARCSet struct {
	Results []byte     // the field ARC-Authentication-Results
	Message *Signature // in ARC-Message-Signature
	Seal    *Signature // in ARC-Seal
}

// Ended reports whether the seal says that the chain was broken: no set may follow (RFC 8617 §5.1).
func (s *ARCSet) Ended() bool {
	cv, _ := s.Seal.Tags.Get("cv")
	return cv == "fail"
}

// MaxInstance is where chains end (RFC 8617 §4.2.1).
const MaxInstance = 50

// The fields of a set.
const (
	resultsField = "arc-authentication-results"
	messageField = "arc-message-signature"
	sealField    = "arc-seal"
)

// Chain puts the fields of a mail into sets and judges their form. No sets and no error: the mail has no chain. Sets
// that come with an error are complete, but say themselves that the chain is broken.
func (m *Message) Chain() ([]ARCSet, error) {
	n := max(m.Count(resultsField), m.Count(messageField), m.Count(sealField))
	if n == 0 {
		return nil, nil
	}
	if n > MaxInstance {
		return nil, problem(Refused, strconv.Itoa(n)+" sets, more than "+strconv.Itoa(MaxInstance))
	}
	sets := make([]ARCSet, n)
	if err := collectResults(m, sets); err != nil {
		return nil, err
	}
	for _, raw := range m.Fields(messageField) {
		s, err := ParseSignature(raw, ARCMessage)
		if err != nil {
			return nil, wrap("message signature", err)
		}
		at, err := slot(sets, s.Instance, func(s ARCSet) bool { return s.Message != nil })
		if err != nil {
			return nil, wrap("message signature", err)
		}
		sets[at].Message = s
	}
	for _, raw := range m.Fields(sealField) {
		s, err := ParseSignature(raw, ARCSeal)
		if err != nil {
			return nil, wrap("seal", err)
		}
		at, err := slot(sets, s.Instance, func(s ARCSet) bool { return s.Seal != nil })
		if err != nil {
			return nil, wrap("seal", err)
		}
		sets[at].Seal = s
	}
	if err := complete(sets); err != nil {
		return nil, err
	}
	return sets, judge(sets)
}

func collectResults(m *Message, sets []ARCSet) error {
	for _, raw := range m.Fields(resultsField) {
		i, err := resultsInstance(raw)
		if err != nil {
			return wrap("results", err)
		}
		at, err := slot(sets, i, func(s ARCSet) bool { return s.Results != nil })
		if err != nil {
			return wrap("results", err)
		}
		sets[at].Results = raw
	}
	return nil
}

// resultsInstance reads the number that an ARC-Authentication-Results field begins with (RFC 8617 §4.1.1).
func resultsInstance(raw []byte) (int, error) {
	_, value, _ := bytes.Cut(raw, []byte(":"))
	tag, _, found := bytes.Cut(value, []byte(";"))
	name, number, equals := strings.Cut(string(tag[:min(len(tag), 100)]), "=")
	if !found || !equals || strings.Trim(name, " \t\r\n") != "i" {
		return 0, problem(Syntax, "no instance")
	}
	return instance(strings.Trim(number, " \t\r\n"))
}

// slot returns the place of an instance. With as many fields of a kind as sets, none beyond the last and none twice,
// there are no gaps.
func slot(sets []ARCSet, instance int, taken func(ARCSet) bool) (int, error) {
	switch {
	case instance > len(sets):
		return 0, problem(Syntax, "instance "+strconv.Itoa(instance)+" of a chain of "+strconv.Itoa(len(sets)))
	case taken(sets[instance-1]):
		return 0, problem(Syntax, "instance "+strconv.Itoa(instance)+" twice")
	}
	return instance - 1, nil
}

// complete checks that no set lacks a field.
func complete(sets []ARCSet) error {
	for i, s := range sets {
		if s.Results == nil || s.Message == nil || s.Seal == nil {
			return problem(Syntax, "set "+strconv.Itoa(i+1)+" is not complete")
		}
	}
	return nil
}

// judge reads what the seals say of the chain before them, from the newest.
func judge(sets []ARCSet) error {
	for i := len(sets) - 1; i >= 0; i-- {
		want := "pass"
		if i == 0 {
			want = "none"
		}
		cv, ok := sets[i].Seal.Tags.Get("cv")
		switch {
		case !ok:
			return problem(Syntax, "seal "+strconv.Itoa(i+1)+" has no cv")
		case cv == "fail":
			return problem(Changed, "seal "+strconv.Itoa(i+1)+" says that the chain was broken before")
		case cv != want:
			return problem(Syntax, "cv of seal "+strconv.Itoa(i+1)+" is not "+want)
		}
	}
	return nil
}

// Covered returns the fields that a seal is over (RFC 8617 §5.1.1): the sets before it, and two fields of its own set.
func Covered(before []ARCSet, results, message []byte) [][]byte {
	fields := make([][]byte, 0, 3*len(before)+2)
	for _, s := range before {
		fields = append(fields, s.Results, s.Message.Raw, s.Seal.Raw)
	}
	return append(fields, results, message)
}

// wrap says which field an error is about.
func wrap(part string, err error) error {
	return &Problem{Kind: Syntax, Text: part, Err: err}
}

// LastInstance is the highest number that a field of a chain bears, whatever else is wrong with the chain; 0: there is
// no such field.
func (m *Message) LastInstance() int {
	last := 0
	note := func(i int, err error) {
		if err == nil {
			last = max(last, i)
		}
	}
	for _, raw := range m.Fields(resultsField) {
		note(resultsInstance(raw))
	}
	for name, style := range map[string]Style{messageField: ARCMessage, sealField: ARCSeal} {
		for _, raw := range m.Fields(name) {
			s, _ := ParseSignature(raw, style)
			note(s.Instance, nil)
		}
	}
	return max(last, m.Count(resultsField), m.Count(messageField), m.Count(sealField))
}
