package mailheader

import "bytes"

// TLSOptional reports whether the field is "TLS-Required: No" (RFC 8689 §4): its mail is to arrive, by TLS or not.
func (f Field) TLSOptional() bool {
	return f.Is("tls-required") && bytes.EqualFold(bytes.TrimSpace(f.Value()), []byte("no"))
}

// TLSOptional reports whether such a field is in the header of a mail.
func TLSOptional(mail []byte) bool {
	s := NewScanner(mail)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if f.TLSOptional() {
			return true
		}
	}
	return false
}
