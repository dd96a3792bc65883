package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"errors"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"github.com/sluicemail/sluice/auth"
)

const (
	maxAttribute = 253        // RFC 2865 section 5
	header       = 20         // bytes before the attributes
	mac          = md5.Size   // bytes of a Message-Authenticator
	maxPassword  = 128        // RFC 2865 section 5.2
	firstValue   = header + 2 // where the value of the first attribute is
)

// protocol makes requests and checks replies.
type protocol struct {
	identifier string
	lenient    bool
	secret     func() []byte // a function, since fmt would print all else
}

// request encodes an Access-Request, signed by a Message-Authenticator that comes first, so that nobody can prepend a
// prefix of his choice.
func (p *protocol) request(identifier byte, login auth.Login) ([]byte, error) {
	secret := p.secret()
	q := radius.New(radius.CodeAccessRequest, secret)
	q.Identifier = identifier
	password, err := radius.NewUserPassword([]byte(login.Password), secret, q.Authenticator[:])
	if err != nil {
		return nil, err
	}
	q.Add(rfc2869.MessageAuthenticator_Type, make(radius.Attribute, mac))
	q.Add(rfc2865.UserName_Type, radius.Attribute(login.Username))
	q.Add(rfc2865.UserPassword_Type, password)
	q.Add(rfc2865.NASIdentifier_Type, radius.Attribute(p.identifier))
	if login.Client.IsValid() {
		q.Add(rfc2865.CallingStationID_Type, radius.Attribute(login.Client.Addr().Unmap().WithZone("").String()))
	}
	wire, err := q.Encode()
	if err != nil {
		return nil, err
	}
	copy(wire[firstValue:], sign(wire, secret))
	return wire, nil
}

func sign(wire, secret []byte) []byte {
	h := hmac.New(md5.New, secret)
	h.Write(wire)
	return h.Sum(nil)
}

// errUnsigned is a reply that is authentic by the measure of RFC 2865 alone.
var errUnsigned = errors.New("the reply has no Message-Authenticator, so that it may have been forged (CVE-2024-3596): " +
	"have the server send one, or take its word with message-authenticator=optional")

// ignored says why a datagram is not the answer.
type ignored string

func (i ignored) Error() string { return "a reply was ignored: " + string(i) }

// check returns the code of the reply to a request. The error is errUnsigned, or ignored when it is not the answer.
func (p *protocol) check(reply, request []byte) (radius.Code, error) {
	r, err := radius.Parse(reply, nil)
	if err != nil {
		return 0, ignored("it is malformed")
	}
	reply = reply[:int(reply[2])<<8|int(reply[3])] // what follows is padding
	secret := p.secret()
	if reply[1] != request[1] || !radius.IsAuthenticResponse(reply, request, secret) {
		return 0, ignored("its authenticator is wrong, as with another secret")
	}
	switch r.Code {
	case radius.CodeAccessAccept, radius.CodeAccessReject, radius.CodeAccessChallenge:
	default:
		return 0, ignored("it is " + r.Code.String())
	}
	signed, err := signature(reply, request, secret)
	switch {
	case err != nil:
		return 0, err
	case !signed && !p.lenient:
		return 0, errUnsigned
	}
	if _, found := r.Lookup(rfc2865.ProxyState_Type); found {
		return 0, ignored("it returns a Proxy-State that was not sent")
	}
	return r.Code, nil
}

// signature reports whether a well-formed reply has a Message-Authenticator, and an error unless it is right. It covers
// the reply with the authenticator of the request in place of its own (RFC 3579 section 3.2).
func signature(reply, request, secret []byte) (signed bool, err error) {
	at := 0
	for i := header; i < len(reply); i += int(reply[i+1]) {
		if radius.Type(reply[i]) != rfc2869.MessageAuthenticator_Type {
			continue
		}
		if at != 0 || reply[i+1] != 2+mac {
			return false, ignored("its Message-Authenticator is malformed")
		}
		at = i + 2
	}
	if at == 0 {
		return false, nil
	}
	covered := append([]byte(nil), reply...)
	copy(covered[4:header], request[4:header])
	clear(covered[at : at+mac])
	if !hmac.Equal(reply[at:at+mac], sign(covered, secret)) {
		return false, ignored("its Message-Authenticator is wrong")
	}
	return true, nil
}
