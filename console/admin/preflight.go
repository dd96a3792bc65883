package admin

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/preflight"
)

// Draft is a mail that is looked at before it leaves.
type Draft struct {
	Mail     []byte
	Envelope string     // MAIL FROM; "": the null sender
	Source   netip.Addr // that it would leave from; zero: the usual one
	// Unsigned has it looked at as it is. Else it is signed with the keys that it would be signed with.
	Unsigned bool
	// Transactional says that nobody has subscribed to it.
	Transactional bool
}

// Checked is what was found in a mail.
type Checked struct {
	Findings []preflight.Finding `json:"findings"`
	// Source is the address that it would leave from; "": one that others do not see, about which nothing was asked.
	Source string `json:"source,omitempty"`
}

// CheckMail tells what receivers will find wrong with a mail. Nothing is sent.
func (a *Admin) CheckMail(ctx context.Context, d *Draft) (*Checked, error) {
	switch {
	case a.Preflight == nil:
		return nil, fmt.Errorf("looking at mails is %w", ErrUnsupported)
	case len(d.Mail) == 0:
		return nil, invalid("mime", "", "a mail")
	case d.Envelope != "" && !addr.Valid(d.Envelope, addr.Loose|addr.UTF8):
		return nil, invalid("envelope", d.Envelope, "a mail address")
	}
	return a.Preflight(ctx, d)
}

// SampledMail is what was found in mail that left since the start.
type SampledMail struct {
	Looked int64             `json:"looked"` // mails that were looked at
	Counts []preflight.Count `json:"counts"`
}

// SampledMail counts what was found in mail that left, the worst first.
func (a *Admin) SampledMail() (SampledMail, error) {
	if a.Sampled == nil {
		return SampledMail{}, fmt.Errorf("looking at mail that leaves is %w: set preflight-sample", ErrUnsupported)
	}
	counts, looked := a.Sampled.Counts()
	return SampledMail{Looked: looked, Counts: counts}, nil
}
