// Package feedback has the page of what others report about mail that was sent: bounces, complaints, requests for no
// more mail, reports on DMARC and TLS; what it was joined to, what followed, and why. What had somebody suppressed can
// be undone there.
package feedback
