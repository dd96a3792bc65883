package smtpin

import (
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/internal/addr"
)

// badValue refuses a parameter whose value is malformed, or that comes twice.
func badValue(key string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 4}, Message: "Malformed parameter " + key}
}

// unknownParam refuses a parameter that was not offered (RFC 5321 §4.1.1.11).
func unknownParam(key string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: 555, EnhancedCode: smtp.EnhancedCode{5, 5, 4},
		Message: "Parameter " + key + " is not offered here"}
}

// eachParam calls f with the parameters in s, keys in upper case, until one is refused.
func eachParam(s string, f func(key, value string, has bool) *smtp.SMTPError) *smtp.SMTPError {
	var seen [16]string
	count := 0
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		var word string
		word, s, _ = strings.Cut(s, " ")
		key, value, has := strings.Cut(word, "=")
		if !isKey(key) || has && value == "" {
			return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 4}, Message: "Malformed parameter"}
		}
		key = strings.ToUpper(key)
		for _, k := range seen[:count] {
			if k == key {
				return badValue(key)
			}
		}
		if err := f(key, value, has); err != nil {
			return err
		}
		if count == len(seen) {
			return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 4}, Message: "Too many parameters"}
		}
		seen[count] = key
		count++
	}
	return nil
}

// isKey checks an esmtp-keyword (RFC 5321 §4.1.2).
func isKey(s string) bool {
	if s == "" || s[0] == '-' || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		default:
			return false
		}
	}
	return true
}

// mailParams reads the parameters of MAIL.
func (c *session) mailParams(opts *MailOptions, s string) *smtp.SMTPError {
	if s == "" {
		return nil
	}
	return eachParam(s, func(key, value string, has bool) *smtp.SMTPError {
		switch key {
		case "SIZE":
			return c.sizeParam(opts, value)
		case "BODY":
			opts.Body = smtp.BodyType(strings.ToUpper(value))
			binary := opts.Body == smtp.BodyBinaryMIME && c.srv.binaryMIME()
			if opts.Body != smtp.Body7Bit && opts.Body != smtp.Body8BitMIME && !binary {
				return badValue(key)
			}
			return nil
		case "AUTH":
			if value == "" {
				return badValue(key)
			}
			authParam(opts, value)
			return nil
		case "SMTPUTF8", "REQUIRETLS":
			return c.flagParam(opts, key, has)
		case "RET", "ENVID":
			if c.srv.DSN {
				return dsnMailParam(opts, key, value)
			}
		}
		return c.extensionParam(opts, key, value)
	})
}

// sizeParam reads SIZE= (RFC 1870).
func (c *session) sizeParam(opts *MailOptions, value string) *smtp.SMTPError {
	size, err := strconv.ParseUint(value, 10, 63)
	if err != nil && !digits(value) {
		return badValue("SIZE")
	}
	if limit := c.srv.maxSize(); limit > 0 && (err != nil || int64(size) > limit) {
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "Mail is too large"}
	}
	opts.Size = int64(size)
	return nil
}

func digits(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// flagParam reads parameters without a value.
func (c *session) flagParam(opts *MailOptions, key string, has bool) *smtp.SMTPError {
	switch {
	case key == "SMTPUTF8" && !c.srv.SMTPUTF8, key == "REQUIRETLS" && (!c.srv.REQUIRETLS || c.conn.info.TLS == nil):
		return unknownParam(key)
	case has:
		return badValue(key)
	case key == "SMTPUTF8":
		opts.UTF8 = true
	default:
		opts.RequireTLS = true
	}
	return nil
}

// authParam reads AUTH= (RFC 4954 §5). What is no mailbox counts as not said: clients put user names there, and nothing
// hangs on it.
func authParam(opts *MailOptions, value string) {
	text, ok := decodeXtext(value)
	switch {
	case !ok:
		return
	case text == "<>":
		text = ""
	case !addr.Valid(text, addr.Loose):
		return
	}
	opts.Auth = &text
}

// dsnMailParam reads RET= and ENVID= (RFC 3461 §4.3, §4.4).
func dsnMailParam(opts *MailOptions, key, value string) *smtp.SMTPError {
	if key == "RET" {
		opts.Return = smtp.DSNReturn(strings.ToUpper(value))
		if opts.Return != smtp.DSNReturnFull && opts.Return != smtp.DSNReturnHeaders {
			return badValue(key)
		}
		return nil
	}
	id, ok := decodeXtext(value)
	if !ok || id == "" || len(value) > 100 || !printable(id) {
		return badValue(key)
	}
	opts.EnvelopeID = id
	return nil
}

// rcptParams reads the parameters of RCPT.
func (c *session) rcptParams(opts *smtp.RcptOptions, s string) *smtp.SMTPError {
	if s == "" {
		return nil
	}
	return eachParam(s, func(key, value string, _ bool) *smtp.SMTPError {
		if !c.srv.DSN {
			return unknownParam(key)
		}
		switch key {
		case "NOTIFY":
			return notifyParam(opts, value)
		case "ORCPT":
			return orcptParam(opts, value)
		}
		return unknownParam(key)
	})
}

// notifyParam reads NOTIFY= (RFC 3461 §4.1): NEVER, or some of the others, each once.
func notifyParam(opts *smtp.RcptOptions, value string) *smtp.SMTPError {
	for word := range strings.SplitSeq(value, ",") {
		n := smtp.DSNNotify(strings.ToUpper(word))
		switch n {
		case smtp.DSNNotifyNever, smtp.DSNNotifySuccess, smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed:
		default:
			return badValue("NOTIFY")
		}
		for _, other := range opts.Notify {
			if other == n || other == smtp.DSNNotifyNever || n == smtp.DSNNotifyNever {
				return badValue("NOTIFY")
			}
		}
		opts.Notify = append(opts.Notify, n)
	}
	return nil
}

// orcptParam reads ORCPT= (RFC 3461 §4.2, RFC 6533 §3).
func orcptParam(opts *smtp.RcptOptions, value string) *smtp.SMTPError {
	kind, text, ok := strings.Cut(value, ";")
	if !ok || !isKey(kind) || text == "" || len(value) > 500 {
		return badValue("ORCPT")
	}
	kind = strings.ToUpper(kind)
	if kind == string(smtp.DSNAddressTypeUTF8) {
		text, ok = decodeUTF8Xtext(text)
	} else if text, ok = decodeXtext(text); ok {
		ok = printable(text)
	}
	if !ok || text == "" {
		return badValue("ORCPT")
	}
	opts.OriginalRecipientType, opts.OriginalRecipient = smtp.DSNAddressType(kind), text
	return nil
}
