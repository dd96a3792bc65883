package smtpout

import (
	"bytes"
	"encoding/json"
	"mime"
	netmail "net/mail"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

var jsonTrue = json.RawMessage("true")

// says reports whether a property is true.
func says(m *queue.Message, property string) bool { return bytes.Equal(m.Extra[property], jsonTrue) }

// international reports whether a mail, which has bytes beyond ASCII, has them in its header and came with SMTPUTF8: it
// needs that then (RFC 6531 §3.4). In the header of other mail they are somebody's mistake, with which it goes all the
// same.
func international(m *queue.Message, body queue.Body) (bool, error) {
	if !says(m, queue.PropertySMTPUTF8) {
		return false, nil
	}
	header, err := mailbody.Header(body, maxSigned)
	if err != nil {
		return false, &readError{err}
	}
	return beyondASCII(header), nil
}

// lacksUTF8 is why a mail that needs SMTPUTF8 cannot go to a remote without (RFC 6531 §3.5).
func lacksUTF8(state queue.ResultState, what string) *fault {
	return &fault{state, 553, "5.6.7", what + " needs SMTPUTF8, which the remote does not offer"}
}

// plainHeader returns a mail whose header goes without SMTPUTF8: domains become A-labels, texts and names encoded
// words. The error is a *fault when there is something that cannot be written in ASCII: the local part of an address,
// most likely.
func plainHeader(body queue.Body) (queue.Body, error) {
	header, err := mailbody.Header(body, maxSigned)
	if err != nil {
		return nil, &readError{err}
	}
	out := make([]byte, 0, len(header)+len(header)/4)
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if !beyondASCII(f.Raw) {
			out = append(out, f.Raw...)
			continue
		}
		value, ok := plainField(f)
		if !ok {
			return nil, lacksUTF8(queue.StateMailFrom, "the header field "+printable(string(f.Name())))
		}
		out = mailheader.AppendField(out, string(f.Name()), value)
	}
	return mailbody.Join(append(out, header[s.Offset():]...), body, int64(len(header))), nil
}

// plainField writes the value of a field in ASCII; not ok is one that cannot be.
func plainField(f mailheader.Field) (value string, ok bool) {
	text := string(mailheader.AppendUnfolded(nil, f.Value()))
	switch name := strings.ToLower(string(f.Name())); name {
	case "from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-reply-to", "resent-to",
		"resent-cc", "resent-bcc", "disposition-notification-to", "errors-to", "return-receipt-to":
		return plainAddresses(text)
	case "content-type", "content-disposition":
		kind, params, err := mime.ParseMediaType(text)
		if err != nil {
			return "", false
		}
		value = mime.FormatMediaType(kind, params)
		return value, value != "" && addr.IsASCII(value)
	case "received": // of interest to people only
		return strings.Map(asciiOrMark, text), true
	case "message-id", "in-reply-to", "references", "return-path", "mime-version", "content-transfer-encoding",
		"content-id", "date", "dkim-signature", "":
		return "", false
	}
	return encodedWords(text), true
}

func asciiOrMark(r rune) rune {
	if r >= 0x80 {
		return '?'
	}
	return r
}

// plainAddresses writes addresses with names as encoded words and domains as A-labels.
func plainAddresses(text string) (string, bool) {
	list, err := netmail.ParseAddressList(text)
	if err != nil {
		return "", false
	}
	parts := make([]string, len(list))
	for i, a := range list {
		if !addr.IsASCII(a.Address) {
			var ok bool
			if a.Address, ok = asciiDomain(a.Address); !ok {
				return "", false
			}
		}
		parts[i] = a.String()
	}
	return strings.Join(parts, ", "), true
}

// encodedWords writes a text as RFC 2047 has it.
func encodedWords(text string) string {
	return mime.QEncoding.Encode("utf-8", strings.ToValidUTF8(text, "?"))
}
