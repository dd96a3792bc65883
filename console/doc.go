// Package console is the face of a mail server: pages that show everything live and change it while it runs. [Console]
// is an http.Handler that can be mounted anywhere at the root of a host; [Server] gives it ports, TLS and limits.
//
// # What a request goes through
//
//  1. Security headers are set: a content security policy without inline scripts and styles, no framing, no sniffing.
//  2. /static/ holds style sheet and scripts, from the program itself or from Console.Dir. /healthz and /readyz answer
//     everybody, with a word: the process lives; it takes and delivers mail, which it does not while a disk is full or
//     a broker away. /v1/ is the REST API, which knows its users by tokens.
//  3. Everything else needs a session. A login is judged by Console.Auth behind an auth.Limit; what it learned is kept
//     by the hash of a random token, which only the browser's cookie holds. A session ends after half an hour without
//     use, after twelve hours in any case, and when its user logs out, here or everywhere.
//  4. Requests that change something must come from the console's own pages: http.CrossOriginProtection looks at what
//     browsers say about their origin, and every form carries a token of its session.
//  5. The page's view is called with a frame.Visit and renders its template into memory, so that nothing half made is
//     sent. An error becomes a page that says what to do next.
//
// # Pages
//
// A page is a Go file with a frame.Page and its views, with its template and its module for browsers beside it, and a
// line in allPages. The shell around it (side bar, live mark) is layout.html of package frame, which serves all pages;
// the pages of the settings are those of package sheets.
//
// # Live data
//
// A browser keeps one web socket open and says which topics it watches. A topic is a function that returns a value; the
// hub calls it at most once in its interval for all browsers that watch the same thing, four times a second at most,
// and not at all when nobody does. Topics are computed side by side, and one that takes its time leaves browsers with
// its last value. What is slow to ask is asked in the background with a deadline (see frame.Latest). What changed is
// left with each browser's writer, which sends the newest it finds whenever the last has gone out: a slow browser sees
// fewer updates, and nobody waits for it. Streams, such as the SMTP monitor's, run once for each browser, and wait for
// it.
//
// Nothing here is on the way of a message: the console reads what monitor, queue and settings know, and never makes
// them wait.
//
// # Files
//
// From top to bottom; a file uses what stands below it.
//
//   - pages.go: the wiring of frame, sheets and pages, and which pages there are
//   - tables.go, subject.go, overview.go: domains, MTA IPs and tags, one of them, and all mail
//   - logstream.go, logs.go: the log, live and searched
//   - smtpmonitor_stream.go, smtpmonitor.go, smtpmonitor_mails.go: SMTP sessions, and the mails that pass in them
//   - reverse.go, services.go: names of addresses, parts of the server and of the cluster
//   - pause.go: the switch on top of pages
//   - rendered.go: the pages of a mail
//   - queues.go, message.go, queueinject.go, messages.go: queues and messages
//   - fault.go: what an error of Admin is to people
//   - waiting.go, attention.go: what the queues hold, and what holds mail back
//   - filter.go, figures.go: what figures are about, and the figures
//   - console.go: Console and its settings
package console
