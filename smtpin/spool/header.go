package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// Recipients returns the addresses to which the header of a mail says it is to go: those of To, Cc and Bcc, or of
// Resent-To, Resent-Cc and Resent-Bcc where there are any (RFC 5322 §3.6.6), each once. A name without a domain gets
// the given one. The error names the first that is no address.
func Recipients(header []byte, domain string) ([]string, error) {
	var plain, resent [][]byte
	var isResent bool
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case f.Is("to"), f.Is("cc"), f.Is("bcc"):
			plain = mailheader.AppendRecipients(plain, f.Value())
		case f.Is("resent-to"), f.Is("resent-cc"), f.Is("resent-bcc"):
			isResent = true
			resent = mailheader.AppendRecipients(resent, f.Value())
		}
	}
	if isResent {
		plain = resent
	}
	all := make([]string, len(plain))
	for i, address := range plain {
		all[i] = string(mailheader.AppendUnfolded(nil, address))
	}
	return Qualified(all, domain)
}

// Qualified returns each address once, with the domain where it has none. The error names the first that is no address.
func Qualified(addresses []string, domain string) ([]string, error) {
	out := make([]string, 0, len(addresses))
	seen := make(map[string]bool, len(addresses))
	for _, given := range addresses {
		address := qualified(given, domain)
		if !isAddress(address) {
			return nil, fmt.Errorf("%s is no mail address", quote(given))
		}
		if folded := addr.FoldAddress(address); !seen[folded] {
			seen[folded] = true
			out = append(out, address)
		}
	}
	return out, nil
}

// qualified adds the domain, and takes away a route (RFC 5321 appendix C).
func qualified(address, domain string) string {
	if strings.HasPrefix(address, "@") {
		if _, behind, ok := strings.Cut(address, ":"); ok {
			address = behind
		}
	}
	if domain != "" && address != "" && !strings.Contains(address, "@") {
		address += "@" + domain
	}
	return address
}

func isAddress(address string) bool {
	return addr.Valid(address, addr.Loose|addr.UTF8) &&
		(strings.HasPrefix(address, `"`) || !strings.ContainsAny(address, " \t"))
}

// quote shows what was given, shortened.
func quote(given string) string {
	const most = 100
	if len(given) > most {
		given = given[:most] + "…"
	}
	return fmt.Sprintf("%q", given)
}

// Sender returns the first address in the header fields of these names, which are in lower case and looked for in this
// order; "" when there is none.
func Sender(header []byte, names ...string) string {
	for _, name := range names {
		f, found := mailheader.Find(header, name)
		if !found {
			continue
		}
		for _, address := range mailheader.AppendAddresses(nil, f.Value(), 1) {
			if a := qualified(string(mailheader.AppendUnfolded(nil, address)), ""); isAddress(a) {
				return a
			}
		}
	}
	return ""
}

// Phrase returns a name as it can stand in front of an address (RFC 5322 §3.4, RFC 2047).
func Phrase(name string) string {
	address := (&mail.Address{Name: name, Address: "x@x"}).String()
	return strings.TrimSuffix(address, " <x@x>")
}

// ErrHeaderTooLarge says that a header is larger than 256 KiB.
var ErrHeaderTooLarge = errors.New("the header is larger than 256 KiB")

// ReadHeader reads a mail up to the end of its header, and returns all that was read and what of it is header: nothing
// when the mail begins at once with text. A first line "From " as mailbox files have it is left out.
func ReadHeader(r io.Reader) (head, header []byte, err error) {
	for from, ended := 0, false; ; {
		if head, err = more(head, r); errors.Is(err, io.EOF) {
			ended = true
		} else if err != nil {
			return nil, nil, err
		}
		if line := bytes.IndexByte(head, '\n'); line >= 0 && bytes.HasPrefix(head, []byte("From ")) {
			head, from = head[line+1:], 0
		}
		n, complete := mailheader.Length(head, from)
		switch {
		case (ended || bytes.IndexByte(head, '\n') >= 0) && mailheader.Headless(head):
			return head, nil, nil
		case complete || ended:
			return head, head[:n], nil
		case n > maxHeader:
			return nil, nil, ErrHeaderTooLarge
		}
		from = n
	}
}
