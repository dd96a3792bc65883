package console_test

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// TestSlowAnswersStallNoPage has paths and services that do not answer.
func TestSlowAnswersStallNoPage(t *testing.T) {
	var asked, answered atomic.Int64
	release := make(chan struct{})
	hang := func() { asked.Add(1); <-release; answered.Add(1) }
	slow := &admin.Admin{
		Services: func(context.Context) []admin.Service { hang(); return nil },
		Paths:    func(context.Context, string, netip.Addr) ([]admin.Path, error) { hang(); return nil, nil },
	}
	w := consoletest.New(t, func(c *console.Console) { c.Admin = slow }).LogIn()
	for range 10 {
		require.Equal(t, 200, w.Get("/").StatusCode)
		require.Equal(t, 200, w.Get("/services").StatusCode)
	}
	require.EqualValues(t, 2, asked.Load(), "each was asked once")
	require.Zero(t, answered.Load(), "and no page waited for its answer")
	close(release)
}
