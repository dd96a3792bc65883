// Package tlsreport tells the owners of domains how connections to their MX hosts were secured (SMTP TLS Reporting,
// RFC 8460).
//
// # A day
//
//  1. [Reporter.Count] adds up sessions for each UTC day, domain and policy, failures by kind and hosts. It is bounded:
//     beyond MaxDomains a day, and 100 kinds of failures a policy, sessions are counted where they can be.
//  2. What was counted is written to Path now and then and at the end; a process that is killed loses the last minute.
//  3. On the day after, at an hour that chance chose for the domain, so that not all senders report at once, the domain
//     is asked whether it wants a report (TXT _smtp._tls.DOMAIN). If so, the report goes to the addresses given there,
//     as a mail through Publish or by HTTPS. What could not be sent is tried again every hour until that day is over.
//
// What became of reports is kept for a month, and [Reporter.Reports] tells it, beside what is to be sent.
//
// A report that was sent is forgotten after it was published, on the disk some seconds later: a process that is killed
// in between sends it twice, with the same id. Reports go with "TLS-Required: no" (RFC 8689 §5), so that they arrive at
// domains whose TLS is broken.
//
// # Files
//
//	reporter.go  the parts together: counting, and the loop that sends
//	history.go   what became of reports
//	send.go      asking for the addresses, mail and HTTPS
//	document.go  the JSON of a report
//	tally.go     what was counted, and its file
package tlsreport
