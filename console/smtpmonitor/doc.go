// Package smtpmonitor shows SMTP sessions while they speak: which are open, what is said in them, and the mails that
// pass.
//
// A browser that follows sessions has a [monitor.Watcher] of its own, which loses flights rather than hold up a
// session. Mails are kept only while somebody asks to see them, on a shelf of bounded size, each under a key that only
// that page was told.
package smtpmonitor
