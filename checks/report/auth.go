package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// Auth is an aggregate report on DMARC (RFC 7489 §7.2, RFC 9990): how mail that bears a domain fared at one receiver.
type Auth struct {
	Organisation string
	Email        string
	Contact      string // extra_contact_info
	ID           string
	Begin, End   time.Time
	Errors       []string
	Policy       AuthPolicy
	Records      []AuthRecord
}

// AuthPolicy is the policy that the receiver found.
type AuthPolicy struct {
	Domain          string `xml:"domain"`
	DKIM            string `xml:"adkim"` // alignment: "r" or "s"
	SPF             string `xml:"aspf"`
	Policy          string `xml:"p"` // none, quarantine, reject
	Subdomains      string `xml:"sp"`
	NonExistent     string `xml:"np"`
	Percent         string `xml:"pct"`
	FailureOptions  string `xml:"fo"`
	Testing         string `xml:"testing"`
	DiscoveryMethod string `xml:"discovery_method"` // "psl" or "treewalk"
}

// AuthRecord is mail that came from one address and fared alike.
type AuthRecord struct {
	Source       netip.Addr // zero: not told, or nonsense
	Count        int64
	Disposition  string // none, quarantine, reject; pass in newer reports
	DKIM, SPF    string // aligned: pass or fail
	Reasons      []AuthReason
	HeaderFrom   string
	EnvelopeFrom string
	EnvelopeTo   string
	DKIMResults  []AuthResult
	SPFResults   []AuthResult
}

// AuthReason is why the receiver did not do what the policy asks for.
type AuthReason struct {
	Type    string `xml:"type"`
	Comment string `xml:"comment"`
}

// AuthResult is one result of DKIM or SPF. What has no meaning for it is empty.
type AuthResult struct {
	Domain   string `xml:"domain"`
	Selector string `xml:"selector"`
	Scope    string `xml:"scope"`
	Result   string `xml:"result"`
	Human    string `xml:"human_result"`
}

// authXML is a report but for its records, as it is written.
type authMetadata struct {
	Organisation string       `xml:"org_name"`
	Email        string       `xml:"email"`
	Contact      string       `xml:"extra_contact_info"`
	ID           string       `xml:"report_id"`
	Begin        string       `xml:"date_range>begin"`
	End          string       `xml:"date_range>end"`
	Errors       list[string] `xml:"error"`
}

type authRecord struct {
	Source       string           `xml:"row>source_ip"`
	Count        string           `xml:"row>count"`
	Disposition  string           `xml:"row>policy_evaluated>disposition"`
	DKIM         string           `xml:"row>policy_evaluated>dkim"`
	SPF          string           `xml:"row>policy_evaluated>spf"`
	Reasons      list[AuthReason] `xml:"row>policy_evaluated>reason"`
	HeaderFrom   string           `xml:"identifiers>header_from"`
	EnvelopeFrom string           `xml:"identifiers>envelope_from"`
	EnvelopeTo   string           `xml:"identifiers>envelope_to"`
	DKIMResults  list[AuthResult] `xml:"auth_results>dkim"`
	SPFResults   list[AuthResult] `xml:"auth_results>spf"`
}

func readAuth(leaves []leaf) (*Auth, error) {
	return firstReadable(leaves, DMARC, parseAuth)
}

// parseAuth reads a report element by element, so that a large one needs no more memory than its records.
func parseAuth(l *leaf) (*Auth, error) {
	unpacked, err := l.unpacked(maxUnpacked)
	if err != nil {
		return nil, err
	}
	g := &guard{in: unpacked, most: maxElement}
	d := xml.NewDecoder(g)
	d.Strict = false
	d.CharsetReader = latin1
	a := &Auth{}
	var memory kept
	for depth := 0; ; {
		g.renew()
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			depth, err = a.token(d, token, depth, &memory)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line(d), err)
		}
	}
	if a.Policy.Domain == "" {
		return nil,
			errors.New("it names no domain: expected an element policy_published with a domain (RFC 7489, appendix C)")
	}
	return a, nil
}

// token reads on behind a token, and returns how deep in the document that is.
func (a *Auth) token(d *xml.Decoder, token xml.Token, depth int, memory *kept) (int, error) {
	switch t := token.(type) {
	case xml.EndElement:
		return depth - 1, nil
	case xml.StartElement:
		read, err := a.element(d, t, memory)
		if read || err != nil {
			return depth, err
		}
		if depth++; depth > maxNested {
			return depth, tooMany(maxNested, "elements within each other")
		}
		memory.add(64) // it takes none, but time
		return depth, memory.err()
	}
	return depth, nil
}

func line(d *xml.Decoder) int { l, _ := d.InputPos(); return l }

// list is a list of elements that ends where it becomes longer than any that makes sense.
type list[T any] []T

// maxList is the length of a list. A mail with more signatures than that has other problems.
const maxList = 100

// UnmarshalXML implements xml.Unmarshaler; it is called for each element.
func (l *list[T]) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if len(*l) >= maxList {
		return d.Skip()
	}
	var v T
	if err := d.DecodeElement(&v, &start); err != nil {
		return err
	}
	*l = append(*l, v)
	return nil
}

// element reads an element of a report with all that is in it; false: it is no element that is known.
func (a *Auth) element(d *xml.Decoder, start xml.StartElement, memory *kept) (bool, error) {
	switch start.Name.Local {
	case "report_metadata":
		var m authMetadata
		if err := d.DecodeElement(&m, &start); err != nil {
			return true, err
		}
		a.Organisation, a.Email, a.Contact, a.ID = m.Organisation, strings.TrimSpace(m.Email), m.Contact,
			strings.TrimSpace(m.ID)
		a.Begin, a.End, a.Errors = unixTime(m.Begin), unixTime(m.End), m.Errors
	case "policy_published":
		return true, d.DecodeElement(&a.Policy, &start)
	case "record":
		var r authRecord
		if err := d.DecodeElement(&r, &start); err != nil {
			return true, err
		}
		if memory.record(&r); memory.err() != nil {
			return true, memory.err()
		}
		a.Records = append(a.Records, r.record())
	default:
		return false, nil
	}
	return true, nil
}

// record counts a record.
func (k *kept) record(r *authRecord) {
	k.add(400, r.Disposition, r.DKIM, r.SPF, r.HeaderFrom, r.EnvelopeFrom, r.EnvelopeTo)
	for _, v := range r.Reasons {
		k.add(48, v.Type, v.Comment)
	}
	for _, all := range []list[AuthResult]{r.DKIMResults, r.SPFResults} {
		for _, v := range all {
			k.add(160, v.Domain, v.Selector, v.Scope, v.Result, v.Human)
		}
	}
}

func (r *authRecord) record() AuthRecord {
	source, _ := netip.ParseAddr(strings.TrimSpace(r.Source))
	return AuthRecord{Source: source, Count: int64(number(r.Count, 0)), Disposition: r.Disposition, DKIM: r.DKIM,
		SPF: r.SPF, Reasons: r.Reasons,
		HeaderFrom: r.HeaderFrom, EnvelopeFrom: r.EnvelopeFrom, EnvelopeTo: r.EnvelopeTo, DKIMResults: r.DKIMResults,
		SPFResults: r.SPFResults}
}

func unixTime(text string) time.Time {
	n := number(text, 0)
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

// latin1 reads what does not say that it is UTF-8: names and addresses are ASCII, and other texts are read well enough
// so.
func latin1(charset string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252":
		return &latin1Reader{in: in}, nil
	}
	return nil, fmt.Errorf("charset %q: expected UTF-8", charset)
}

// latin1Reader turns ISO 8859-1 into UTF-8.
type latin1Reader struct {
	in   io.Reader
	left []byte // the second byte of a character that did not fit
}

func (r *latin1Reader) Read(p []byte) (n int, err error) {
	if len(r.left) > 0 {
		n = copy(p, r.left)
		r.left = r.left[n:]
		return n, nil
	}
	raw := make([]byte, max(1, len(p)/2))
	m, err := r.in.Read(raw)
	var out []byte
	for _, c := range raw[:m] {
		out = append(out, string(rune(c))...)
	}
	n = copy(p, out)
	r.left = out[n:]
	if len(r.left) > 0 {
		err = nil
	}
	return n, err
}
