// Package frame is what all pages of the console have in common: the server and its limits, logins and sessions, the
// shell around each page, live data over web sockets, templates and static files. [Frame] serves a list of pages; it
// knows nothing of mail.
package frame
