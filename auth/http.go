package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/rawurl"
)

// maxField is the greatest length of a name or password that is handed on to another program, in bytes.
const maxField = 4096

// HTTP asks a web server, with a GET that carries the login as Authorization: Basic (RFC 7617, in UTF-8). A status of
// 2xx accepts; 3xx, which is never followed, and 4xx reject; anything else, or no answer, cannot tell. The body of an
// answer is not looked at. Connections are kept and used again; no proxy is used, whatever the environment says.
//
// Names with a colon or a control character, passwords with a control character, and what is longer than 4096 bytes are
// rejected without asking, since Basic cannot carry them.
type HTTP struct {
	URL     string         // http or https, with the path and the query to ask for; no user name in it
	Timeout time.Duration  // of a whole exchange; 0: 10 seconds
	CA      *x509.CertPool // who may vouch for an https server; nil: those of the system

	once   sync.Once
	client *http.Client
	broken error
}

// OpenHTTP is the Opener of http and https. After a # stand parameters, which are not sent to the server: ca, the name
// of a file with the certificates that may vouch for it, and timeout, as in
// https://host/login#ca=/etc/ca.pem&timeout=5s.
func OpenHTTP(scheme, rest string) (Authenticator, error) {
	address, fragment, _ := strings.Cut(rest, "#")
	params, err := rawurl.ParseParams(fragment, "ca", "timeout")
	if err != nil {
		return nil, err
	}
	h := &HTTP{URL: scheme + "://" + address}
	if h.Timeout, err = params.Duration("timeout"); err != nil {
		return nil, err
	}
	if file := params["ca"]; file != "" {
		if scheme != "https" {
			return nil, errors.New("parameter ca: only https has certificates")
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("parameter ca: %w", err)
		}
		h.CA = x509.NewCertPool()
		if !h.CA.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("parameter ca: %s has no certificate in PEM", file)
		}
	}
	if h.once.Do(h.prepare); h.broken != nil {
		return nil, h.broken
	}
	return h, nil
}

// prepare checks the URL and makes the client.
func (h *HTTP) prepare() {
	u, err := url.Parse(h.URL)
	switch {
	case err != nil: // whose text quotes the URL
		h.broken = errors.New("the URL cannot be read, expected is http://host:port/path")
	case u.Scheme != "http" && u.Scheme != "https":
		h.broken = fmt.Errorf("the URL has scheme %.20q, expected is http or https", u.Scheme)
	case u.User != nil:
		h.broken = errors.New("the URL has a user name, whose place is needed for the one that logs in")
	case u.Hostname() == "":
		h.broken = errors.New("the URL has no host, expected is http://host:port/path")
	case u.Fragment != "":
		h.broken = errors.New("the URL has a fragment")
	}
	timeout := h.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	h.client = &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig:        &tls.Config{RootCAs: h.CA, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    64,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    timeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
	}
}

// Authenticate asks the server.
func (h *HTTP) Authenticate(ctx context.Context, login Login) error {
	h.once.Do(h.prepare)
	if h.broken != nil {
		return fmt.Errorf("auth: http: %w", h.broken)
	}
	if !basic(login) {
		return ErrRejected
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return errors.New("auth: http: the request cannot be made")
	}
	request.SetBasicAuth(login.Username, login.Password)
	request.Header.Set("User-Agent", "sluice")
	response, err := h.client.Do(request)
	if err != nil {
		var wrapped *url.Error // quotes the URL, whose query may be secret
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("auth: no answer of %s: %w", request.URL.Host, err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection can be used again
	switch response.StatusCode / 100 {
	case 2:
		return nil
	case 3, 4:
		return ErrRejected
	}
	return fmt.Errorf("auth: %s answers with status %d", request.URL.Host, response.StatusCode)
}

// basic reports whether a login can be said with Basic authentication (RFC 7617, section 2).
func basic(login Login) bool {
	return login.Username != "" && login.Password != "" &&
		len(login.Username) <= maxField && len(login.Password) <= maxField &&
		!strings.Contains(login.Username, ":") &&
		!strings.ContainsFunc(login.Username, isControl) && !strings.ContainsFunc(login.Password, isControl)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Close closes the connections that wait to be used again.
func (h *HTTP) Close() error {
	h.once.Do(h.prepare)
	h.client.CloseIdleConnections()
	return nil
}

// String names the server.
func (h *HTTP) String() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return "http"
	}
	return u.Scheme + "://" + u.Host
}
