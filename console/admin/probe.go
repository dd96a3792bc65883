package admin

import (
	"context"
	"fmt"

	"github.com/sluicemail/sluice/internal/addr"
)

// ProbeStep is one step of a test of an address, and what came of it.
type ProbeStep struct {
	// Step is "route", "policy", "host", "addresses", "security", "connection", "tls", "recipient" or "verdict".
	Step string `json:"step"`
	Host string `json:"host,omitempty"` // that it is about
	Good bool   `json:"good"`
	Text string `json:"text"`
}

// TestAddress finds out what would become of a mail to an address, with REQUIRETLS or without, and sends nothing. An
// address or domain that was tested a moment ago wraps [ErrUnavailable].
func (a *Admin) TestAddress(ctx context.Context, address string, requireTLS bool) ([]ProbeStep, error) {
	switch {
	case a.Probe == nil:
		return nil, fmt.Errorf("testing addresses is %w", ErrUnsupported)
	case !addr.Valid(address, addr.Loose|addr.UTF8):
		return nil, invalid("address", address, "a mail address")
	}
	a.did(ctx, "address tested", "address", address)
	return a.Probe(ctx, address, requireTLS)
}
