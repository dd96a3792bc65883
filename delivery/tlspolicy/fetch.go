package tlspolicy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"
)

const (
	maxText      = 64 << 10 // RFC 8461 §3.3
	fetchTimeout = 10 * time.Second
	fetchers     = 20 // policies that are fetched at a time
)

// fetcher gets the texts of policies.
type fetcher struct {
	client http.Client
	places chan struct{}
}

// newFetcher makes what fetches over connections that dial makes, to hosts with certificates under roots.
func newFetcher(dial func(ctx context.Context, network, address string) (net.Conn, error), roots *x509.CertPool,
	now func() time.Time) *fetcher {
	return &fetcher{
		places: make(chan struct{}, fetchers),
		client: http.Client{
			// "HTTP 3xx redirects MUST NOT be followed" (§3.3)
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:            dial,
				TLSClientConfig:        &tls.Config{RootCAs: roots, Time: now},
				ForceAttemptHTTP2:      true,
				DisableKeepAlives:      true,
				MaxResponseHeaderBytes: maxText,
			},
		},
	}
}

// policy fetches the policy of a domain.
func (f *fetcher) policy(ctx context.Context, domain string) (*policy, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	select {
	case f.places <- struct{}{}:
		defer func() { <-f.places }()
	case <-ctx.Done():
		return nil, errors.New("too many policies are being fetched")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt",
		nil)
	if err != nil {
		return nil, err
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d, expected 200", response.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
		return nil, fmt.Errorf("content type %.100q, expected text/plain", response.Header.Get("Content-Type"))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxText+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxText:
		return nil, fmt.Errorf("more than %d bytes", maxText)
	}
	return parsePolicy(text)
}
