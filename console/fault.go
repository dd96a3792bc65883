package console

import (
	"errors"
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
)

// asFault says what went wrong with a call of Admin.
func asFault(err error) *frame.Fault {
	if wrong, ok := errors.AsType[*admin.Invalid](err); ok {
		return &frame.Fault{Status: http.StatusBadRequest, What: "That cannot be: " + wrong.Error() + ".",
			Next: "Go back, change it, and send it again.", Cause: err}
	}
	if other, ok := errors.AsType[*admin.Conflict](err); ok {
		return &frame.Fault{Status: http.StatusConflict, What: "Somebody was faster: " + other.Reason + ". Nothing was changed.",
			Next: "Go back and load the page again to see how it is now.", Cause: err}
	}
	switch {
	case errors.Is(err, admin.ErrNotFound):
		return &frame.Fault{Status: http.StatusNotFound, What: "It is not there any more.",
			Next: "Look for it in the list it was in: it may have been removed.", Cause: err}
	case errors.Is(err, admin.ErrUnavailable):
		return &frame.Fault{Status: http.StatusServiceUnavailable, What: "Not available now: " + err.Error() + ".",
			Next: "Nothing was changed. Try again in a minute; Services tells when it is back.", Cause: err}
	case errors.Is(err, admin.ErrUnsupported):
		return &frame.Fault{Status: http.StatusNotImplemented, What: "Not possible here: " + err.Error() + ".",
			Next: "The documentation of the queue engine says what it can do.", Cause: err}
	}
	return &frame.Fault{Status: http.StatusInternalServerError, What: "This did not work.",
		Next: "The application log says why.", Cause: err}
}
