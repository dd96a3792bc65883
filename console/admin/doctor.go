package admin

import (
	"context"
	"fmt"

	"github.com/sluicemail/sluice/doctor"
)

// Doctor examines the installation: it takes half a minute at most.
func (a *Admin) Doctor(ctx context.Context) (*doctor.Report, error) {
	if a.Examine == nil {
		return nil, fmt.Errorf("examining the installation is %w", ErrUnsupported)
	}
	return a.Examine(ctx), nil
}
