package console

import (
	"errors"
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
)

// pages lists every page, in the order of the side bar within its group.
func pages() []page {
	return append([]page{
		overviewPage(), domainsPage(), mtasPage(), tagsPage(),
		queuesPage(), smtpMonitorPage(), renderedPage(), logsPage(), servicesPage(), clusterPage(),
		accessPage(), pausePage(),
	}, settingsPages()...)
}

// asFault says what went wrong with a call of Admin.
func asFault(err error) *fault {
	if wrong, ok := errors.AsType[*admin.Invalid](err); ok {
		return &fault{status: http.StatusBadRequest, what: "That cannot be: " + wrong.Error() + ".",
			next: "Go back, change it, and send it again.", cause: err}
	}
	if other, ok := errors.AsType[*admin.Conflict](err); ok {
		return &fault{status: http.StatusConflict, what: "Somebody was faster: " + other.Reason + ". Nothing was changed.",
			next: "Go back and load the page again to see how it is now.", cause: err}
	}
	switch {
	case errors.Is(err, admin.ErrNotFound):
		return &fault{status: http.StatusNotFound, what: "It is not there any more.",
			next: "Look for it in the list it was in: it may have been removed.", cause: err}
	case errors.Is(err, admin.ErrUnavailable):
		return &fault{status: http.StatusServiceUnavailable, what: "Not available now: " + err.Error() + ".",
			next: "Nothing was changed. Try again in a minute; Services tells when it is back.", cause: err}
	case errors.Is(err, admin.ErrUnsupported):
		return &fault{status: http.StatusNotImplemented, what: "Not possible here: " + err.Error() + ".",
			next: "The documentation of the queue engine says what it can do.", cause: err}
	}
	return &fault{status: http.StatusInternalServerError, what: "This did not work.",
		next: "The application log says why.", cause: err}
}
