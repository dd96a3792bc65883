package ldap

import (
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/sluicemail/sluice/auth"
)

// answered reports whether err is, or is about, a server's answer; otherwise the connection failed.
func answered(err error) bool {
	var result *ldap.Error
	return err == nil || errors.As(err, &result) && result.ResultCode < ldap.ErrorNetwork
}

// decided reports whether err, of a bind, is an answer about the user.
func decided(err error) bool {
	var result *ldap.Error
	return err == nil || errors.As(err, &result) && rejects(result.ResultCode)
}

// verdict turns the error of a bind into what Authenticate returns.
func verdict(err error) error {
	var result *ldap.Error
	if errors.As(err, &result) && rejects(result.ResultCode) {
		return fmt.Errorf("%s: %w", describe(result.ResultCode), auth.ErrRejected)
	}
	return plainly(err)
}

// plainly returns err, or if it is a server's answer, the code and the beginning of the text.
func plainly(err error) error {
	var result *ldap.Error
	if errors.As(err, &result) && answered(err) {
		return fmt.Errorf("the server answers %s: %s", describe(result.ResultCode), excerpt(result.Err))
	}
	return err
}

func describe(code uint16) string {
	name := ldap.LDAPResultCodeMap[code]
	if name == "" {
		name = "result"
	}
	return fmt.Sprintf("%s (%d)", name, code)
}

// excerpt is the beginning of a server's text, in quotes.
func excerpt(err error) string {
	text := err.Error()
	if len(text) > 200 {
		text = text[:200]
	}
	return fmt.Sprintf("%q", text)
}

// rejects reports whether a result code of a bind says that this user may not log in with this password (RFC 4511,
// appendix A). What concerns the server or the connection is not among them.
func rejects(code uint16) bool {
	switch code {
	case ldap.LDAPResultInvalidCredentials,
		ldap.LDAPResultNoSuchObject,
		ldap.LDAPResultInvalidDNSyntax,             // of the name: the base was checked
		ldap.LDAPResultInvalidAttributeSyntax,      // likewise
		ldap.LDAPResultNamingViolation,             // likewise
		ldap.LDAPResultInappropriateAuthentication, // the entry has no password
		ldap.LDAPResultInsufficientAccessRights,
		ldap.LDAPResultConstraintViolation, // 389 Directory Server: too many failures
		ldap.LDAPResultUnwillingToPerform:  // 389 Directory Server: the account is inactive
		return true
	}
	return false
}
