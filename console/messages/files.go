package messages

import (
	"context"
	"embed"
	"time"

	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// Files are the templates and modules of the pages.
//
//go:embed *.html *.js
var Files embed.FS

// Messages are the pages of queues and messages. Its fields are set before Pages is called, and stay as they are.
type Messages struct {
	Admin    *admin.Admin     // looks into the queues, and changes what is in them. Nil: pages say that nothing can be
	Settings *snapshot.Keeper // whose rules hold messages. Nil: there are none
	Figures  *monitor.Live    // what happened in the last minute
	Hostname string           // of this server, which test messages come from
	// RenderUserAgent is the only User-Agent that may render mail. "": all may.
	RenderUserAgent string
	// Preview makes the mail of a message as it would be sent. Nil: nothing is shown before it is sent.
	Preview func(ctx context.Context, m *queue.Message) (queue.Body, error)
	Now     func() time.Time

	previews  previews
	frame     *frame.Frame
	queued    *frame.Latest[[]queue.Stats]
	consumers *frame.Latest[map[string]int]
	aside     *frame.Latest[[]asideLine]
	depths    depthHistory
}
