package preflight

import (
	"bytes"
	"net/mail"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/internal/mailsig"
	"github.com/sluicemail/sluice/internal/printable"
)

// What is far from usual.
const (
	largeHeader = 64 << 10
	longLine    = 998 // RFC 5322 §2.1.1
	oldest      = 7 * 24 * time.Hour
	newest      = 24 * time.Hour
)

// shown makes a value of the mail fit to be shown.
func shown(value []byte) string {
	return strconv.Quote(printable.Text(string(value[:min(len(value), 200)]), 100))
}

// readHeader counts the fields, and parses the signatures.
func (v *view) readHeader() {
	odd := false
	scanner := mailheader.NewScanner(v.mail.Text[:v.header])
	for f, ok := scanner.Next(); ok; f, ok = scanner.Next() {
		switch {
		case len(f.Name()) == 0 && !odd:
			odd = true
			v.add(oddLine, "the line "+shown(f.Value())+" is no field")
		case f.Is("dkim-signature"):
			v.readSignature(f.Raw)
		default:
			v.countField(f)
		}
	}
	for n, times := range v.count {
		if times > 1 {
			v.add(repeatedField, strconv.Itoa(times)+" fields "+names[n])
		}
	}
	if v.header > largeHeader {
		v.add(headerLarge, "the header has "+human.Size(int64(v.header)))
	}
}

func (v *view) countField(f mailheader.Field) {
	for n := range nameCount {
		if f.Is(names[n]) {
			if v.count[n]++; v.count[n] == 1 {
				v.first[n] = f
			}
			return
		}
	}
}

func (v *view) readSignature(raw []byte) {
	if v.signed++; v.signed > mostSignatures {
		return
	}
	s, err := mailsig.ParseSignature(raw, mailsig.DKIM)
	switch {
	case s.Algorithm == "rsa-sha1":
		v.add(weakAlgorithm, "the signature of "+s.Domain+" is made with SHA-1")
		return
	case err != nil:
		v.add(badSignature, "the signature of "+printable.Text(s.Domain, 100)+": "+err.Error())
		return
	case v.over(s):
		v.add(expiredSignature, "the signature of "+s.Domain+" ended at "+human.Clock(s.Expires))
	case s.Length >= 0:
		v.add(partialSignature, "")
	}
	v.signatures = append(v.signatures, *s)
}

// checkIdentity looks at Date and Message-ID.
func (v *view) checkIdentity() {
	if v.count[date] == 0 {
		v.add(noDate, "")
	} else if at, err := readDate(string(v.value(date))); err != nil {
		v.add(badDate, "Date is "+shown(v.value(date)))
	} else if age := v.now.Sub(at); age > oldest || age < -newest {
		v.add(oddDate, "Date is "+human.Clock(at))
	}
	if v.count[messageID] == 0 {
		v.add(noMessageID, "")
	} else if id := v.value(messageID); !validID(id) {
		v.add(badMessageID, "Message-ID is "+shown(id))
	}
}

// readDate reads a date; the form that nearly all have is tried first.
func readDate(value string) (time.Time, error) {
	if at, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", value); err == nil {
		return at, nil
	}
	return mail.ParseDate(value)
}

// validID reports whether a value is "<left@right>" (RFC 5322 §3.6.4).
func validID(id []byte) bool {
	if len(id) < 5 || id[0] != '<' || id[len(id)-1] != '>' || bytes.ContainsAny(id[1:len(id)-1], "<> \t\r\n") {
		return false
	}
	left, right, ok := bytes.Cut(id[1:len(id)-1], []byte("@"))
	return ok && len(left) > 0 && len(right) > 0
}
