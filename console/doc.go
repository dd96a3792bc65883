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
// Pages stand in packages by what they are; each has its templates and modules for browsers beside it, and returns its
// pages as values of frame.Page. prepare wires them. The shell around a page (side bar, live mark) is layout.html of
// package frame, which serves all of them.
//
//   - live: the overview, domains, MTA IPs and tags, what holds mail back, and the switch that pauses
//   - messages: queues and messages
//   - mailview: one mail, as it would look
//   - smtpmonitor: SMTP sessions while they speak
//   - logs: the log, live and searched
//   - feedback: bounces and complaints, and what followed
//   - tls: policies on TLS, reports about them, and the test of an address
//   - services: parts of the server and of the cluster
//   - sheets: the settings
//
// # Live data
//
// A browser keeps one web socket open and says which topics it watches. A topic is a function that returns a value; the
// hub calls it at most once in its interval for all browsers that watch the same thing, four times a second at most,
// and not at all when nobody does. Topics are computed side by side, and a topic that takes its time leaves browsers
// with its last value. What is slow to ask is asked in the background with a deadline (see frame.Latest). What changed
// is left with each browser's writer, which sends the newest it finds whenever the last has gone out: a slow browser
// sees fewer updates, and nobody waits for it. Streams, such as the SMTP monitor's, run once for each browser, and wait
// for it.
//
// Nothing here is on the way of a message: the console reads what monitor, queue and settings know, and never makes
// them wait.
package console
