package live

import (
	"embed"
	"net/http"
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

// Live are the pages of what happens now. Its fields are set before Pages is called, and stay as they are.
type Live struct {
	Figures  *monitor.Live    // figures of the last minute
	Settings *snapshot.Keeper // settings in force. Nil: there are none
	Admin    *admin.Admin     // explains why mail waits, and pauses delivery. Nil: pages only show
	Hostname string           // of this server, which addresses without a name of their own greet with
	Now      func() time.Time

	// Queues returns what the queues held at a time, and why that is not known now.
	Queues func() ([]queue.Stats, time.Time, error)
	// Resumed is told when delivery of the whole server goes on.
	Resumed func()
	// Resolver looks up the names of local addresses. Nil: nobody does.
	Resolver Resolver
	// Site returns the name of the site that mail to a domain goes to, at once. Nil: each domain is a site of its own.
	Site func(domain string) string
	// Slots tells how many connections are in use and allowed. Nil: limits are not shown.
	Slots func() Slots

	frame    *frame.Frame
	listings map[string]*frame.Latest[[]monitor.Row]
	names    names
	troubled *frame.Latest[heldBack]
}

// Slots are connections in use and allowed. A limit of zero: there is none.
type Slots struct {
	Outgoing, OutgoingLimit int
	Incoming, IncomingLimit int
	Total                   int
}

// readOnly is said where nothing can be changed.
func readOnly() error {
	return &frame.Fault{Status: http.StatusNotImplemented, What: "Nothing can be changed here.",
		Next: "Change the settings where they are kept."}
}
