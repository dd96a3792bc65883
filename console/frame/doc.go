// Package frame is what all pages of the console have in common: the server and its limits, logins and sessions, the
// shell around each page, live data over web sockets, templates and static files. [Frame] serves a list of pages; it
// knows nothing of mail.
//
// A [Page] has views by the patterns of http.ServeMux, topics and streams. Its templates and modules come from
// Frame.Files, in which NAME.html is the template NAME and everything else is a static file. What is slow to ask is a
// [Latest]: asked in the background with a deadline, the last answer kept.
//
// # Files
//
// From top to bottom; a file uses what stands below it.
//
//   - routes.go: what Frame serves
//   - access.go: the page of logins
//   - shell.go, login.go: around each page, and before it
//   - socket.go, hub.go: live data of one browser, and of all
//   - server.go, limit.go: ports, TLS, and how many connections
//   - latest.go: what is asked for every so often
//   - health.go, password.go: for machines, and for the first login
//   - files.go, functions.go: templates and static files, and what templates call
//   - csv.go, sort.go: tables for spreadsheets, and what tables are sorted by
//   - page.go, cookie.go, headers.go: one request
//   - frame.go, session.go, kept.go: Frame and its fields, who is logged in, and the file that knows after a restart
package frame
