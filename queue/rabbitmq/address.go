package rabbitmq

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// endpoint is one host of the broker.
type endpoint struct {
	url  string // secret
	uri  amqp.URI
	name string // for logs and errors: without the password
}

// endpoints takes addresses apart. Errors number the address and do not show it, as it holds a password.
func endpoints(addresses []string) ([]endpoint, error) {
	var list []endpoint
	for i, address := range addresses {
		for _, text := range strings.Split(address, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			for _, host := range splitHosts(text) {
				uri, err := amqp.ParseURI(host)
				if err != nil {
					return nil, fmt.Errorf("rabbitmq: address %d of %d: %s", i+1, len(addresses), whyBad(host))
				}
				list = append(list, endpoint{host, uri, fmt.Sprintf("%s://%s@%s/%s", uri.Scheme, uri.Username,
					net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)), strings.TrimPrefix(uri.Vhost, "/"))})
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("rabbitmq: no address of a broker")
	}
	return list, nil
}

// splitHosts makes one URL for each of the hosts in one URL.
func splitHosts(text string) []string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !strings.Contains(rest, ";") {
		return []string{text}
	}
	user, path := "", ""
	hosts := rest
	if i := strings.IndexAny(hosts, "/?"); i >= 0 {
		hosts, path = hosts[:i], hosts[i:]
	}
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		user, hosts = hosts[:i+1], hosts[i+1:]
	}
	var list []string
	for _, host := range strings.Split(hosts, ";") {
		list = append(list, scheme+"://"+user+strings.TrimSpace(host)+path)
	}
	return list
}

// whyBad says what is wrong with a URL, without showing it.
func whyBad(text string) string {
	scheme, _, found := strings.Cut(text, "://")
	switch {
	case !found:
		return "expected amqp://user:password@host:port/vhost"
	case scheme != "amqp" && scheme != "amqps":
		return fmt.Sprintf("the scheme is %q, expected amqp or amqps", scheme)
	default:
		return "expected amqp://user:password@host:port/vhost, with special characters of user and password written as %XX"
	}
}

// tlsConfig is what a TLS connection to the endpoint uses.
func (o *Options) tlsConfig(e *endpoint) (*tls.Config, error) {
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
	}
	if e.uri.ServerName != "" {
		config.ServerName = e.uri.ServerName
	} else if config.ServerName == "" {
		config.ServerName = e.uri.Host
	}
	if o.NoVerify {
		config.InsecureSkipVerify = true
	}
	if e.uri.CACertFile != "" {
		pem, err := os.ReadFile(e.uri.CACertFile)
		if err != nil {
			return nil, fmt.Errorf("cacertfile: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cacertfile %s: no certificate in it", e.uri.CACertFile)
		}
	}
	if e.uri.CertFile != "" || e.uri.KeyFile != "" {
		own, err := tls.LoadX509KeyPair(e.uri.CertFile, e.uri.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("certfile and keyfile: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}
