package radius

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/internal/rawurl"
)

// Open returns an *Authenticator for an address such as radius://identifier:secret@host:1812. The scheme is "radius",
// raw what follows "://". Identifier and secret are percent-decoded: a colon in the identifier is written %3A, a
// percent sign in either %25; the last @ ends the secret. The parameters are
//
//	message-authenticator=required   refuse replies without one (this is how it is without the parameter)
//	message-authenticator=optional   take them
//	timeout=4s                       the time limit of a login
//	retransmit=1s                    the time after which a request is sent again first
//
// It is an auth.Opener: the mux adds the scheme to its errors.
func Open(scheme, raw string) (auth.Authenticator, error) {
	if scheme != "radius" {
		return nil, errors.New("expected the scheme radius")
	}
	o, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if o, err = o.complete(); err != nil {
		return nil, err
	}
	return open(o), nil
}

var _ auth.Opener = Open

func parse(raw string) (o Options, err error) {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return o, errors.New("there is no @: expected IDENTIFIER:SECRET@HOST:PORT")
	}
	identifier, secret, found := strings.Cut(raw[:at], ":")
	if !found {
		return o, errors.New("there is no colon before the @: expected IDENTIFIER:SECRET@HOST:PORT")
	}
	if o.Identifier, err = rawurl.Unescape(identifier); err != nil {
		return o, fmt.Errorf("identifier: %w", err)
	}
	if o.Secret, err = rawurl.Unescape(secret); err != nil {
		return o, fmt.Errorf("secret: %w", err)
	}
	authority, path, query := rawurl.Split(raw[at+1:])
	if path != "" {
		return o, fmt.Errorf("path %q after the host: expected none", path)
	}
	o.Address = authority
	return o, o.parseParams(query)
}

func (o *Options) parseParams(query string) error {
	params, err := rawurl.ParseParams(query, "message-authenticator", "timeout", "retransmit")
	if err != nil {
		return err
	}
	value, given := params["message-authenticator"]
	if given && value != "optional" && value != "required" {
		return fmt.Errorf("parameter message-authenticator=%q: expected required or optional", value)
	}
	o.Lenient = value == "optional"
	if o.Timeout, err = params.Duration("timeout"); err != nil {
		return err
	}
	o.Retransmit, err = params.Duration("retransmit")
	return err
}
