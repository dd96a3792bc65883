package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/internal/rawurl"
)

// Open returns an *Authenticator for an address such as ldap://host:389/ou=people,dc=example,dc=com?starttls=1. The
// scheme is "ldap" or "ldaps", raw what follows "://". The base DN and values are percent-decoded. The parameters are
//
//	starttls=1         encrypt with StartTLS; for ldap
//	ca=FILE            PEM file with the certificates to trust instead of the system's; with TLS
//	server-name=NAME   the name that the certificate must have instead of the host's; with TLS
//	attribute=NAME     the attribute instead of uid
//	timeout=10s        the time limit of a login
//	connections=64     the most connections
//
// It is an auth.Opener: the mux adds the scheme to its errors.
func Open(scheme, raw string) (auth.Authenticator, error) {
	o, err := parse(scheme, raw)
	if err != nil {
		return nil, err
	}
	if o, err = o.complete(); err != nil {
		return nil, err
	}
	return open(o), nil
}

var _ auth.Opener = Open

func parse(scheme, raw string) (o Options, err error) {
	authority, path, query := rawurl.Split(raw)
	o.Address = authority
	if o.BaseDN, err = rawurl.Unescape(path); err != nil {
		return o, fmt.Errorf("base DN: %w", err)
	}
	params, err := rawurl.ParseParams(query, "starttls", "ca", "server-name", "attribute", "timeout", "connections")
	if err != nil {
		return o, err
	}
	o.Attribute = params["attribute"]
	if o.Timeout, err = params.Duration("timeout"); err != nil {
		return o, err
	}
	if o.Connections, err = params.Count("connections", 10_000); err != nil {
		return o, err
	}
	if o.Security, err = security(scheme, params); err != nil {
		return o, err
	}
	o.TLSConfig, err = tlsParams(o.Security, params)
	return o, err
}

func security(scheme string, params rawurl.Params) (Security, error) {
	startTLS, err := params.Switch("starttls")
	switch {
	case err != nil:
		return Plain, err
	case scheme == "ldaps" && startTLS:
		return Plain, errors.New("parameter starttls=1 does not go with ldaps, which is encrypted from the start")
	case scheme == "ldaps":
		return TLS, nil
	case scheme != "ldap":
		return Plain, errors.New("expected the scheme ldap or ldaps")
	case startTLS:
		return StartTLS, nil
	}
	return Plain, nil
}

func tlsParams(s Security, params rawurl.Params) (*tls.Config, error) {
	config := &tls.Config{ServerName: params["server-name"]}
	file := params["ca"]
	if s == Plain && (file != "" || config.ServerName != "") {
		return nil, errors.New("parameters ca and server-name need ldaps or starttls=1")
	}
	if file == "" {
		return config, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("parameter ca: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("parameter ca: %s: there is no certificate in it", file)
	}
	return config, nil
}
