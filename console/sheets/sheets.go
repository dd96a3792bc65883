package sheets

import (
	"embed"
	"time"

	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
)

// Files are the templates and the module of the pages.
//
//go:embed *.html *.js
var Files embed.FS

// Sheets are the pages of the settings. Its fields are set before Pages is called, and stay as they are.
type Sheets struct {
	Admin    *admin.Admin     // changes the settings
	Settings *snapshot.Keeper // those in force. Nil: there are none
	Tools    Tools
	Hostname string // of this server, which addresses without a name of their own greet with
	Now      func() time.Time

	// Addresses returns the local addresses to choose from.
	Addresses func() []string
	// Pauses and Errors count the pauses and the forced errors in force.
	Pauses, Errors func() int
}

// visit is a request for one of the pages.
type visit struct {
	*frame.Visit
	c *Sheets
}

// sheetView answers a request for one of the pages.
type view func(*visit) error

// routes makes what the frame calls of views, by pattern.
func (c *Sheets) routes(views map[string]view) map[string]frame.View {
	made := make(map[string]frame.View, len(views))
	for pattern, answer := range views {
		made[pattern] = func(v *frame.Visit) error { return answer(&visit{v, c}) }
	}
	return made
}
