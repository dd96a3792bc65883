// Package smtpin is an SMTP server: the way in for mail. It knows no queue; what becomes of a mail is up to a Backend.
//
// A connection goes this way:
//
//  1. Server.ServeListener accepts it and gets a slot for it. Without a free slot the connection waits, or is answered
//     421.
//  2. When it comes from a proxy of its Listener, a PROXY header is read, and the addresses are those in it from then
//     on. Then Server.Blocked and the Listener say whether the client's address may connect. If not it gets 554 and is
//     closed.
//  3. The server greets with the name from Server.Name, Server.Hostname or the reverse DNS of the local address.
//  4. When the client has said EHLO the Backend makes a session for it: a Session of github.com/emersion/go-smtp, with
//     that package's options and errors, so that sessions written for go-smtp's server run unchanged. The session says
//     what else it can do by add-on interfaces: AuthSession and LMTPSession of go-smtp, and DataSession and MailSession
//     of this package.
//  5. STARTTLS starts all over, with a new session. AUTH makes Conn.User known and Conn.Trusted true. A session gets
//     its mechanisms from NewAuthServer, which puts PLAIN and LOGIN to an auth.Authenticator, or brings its own. While
//     somebody is asked the connection is looked after: when the client goes, the session's context ends.
//  6. MAIL and RCPT are checked for syntax and parameters, then put to the session. Whatever *smtp.SMTPError it returns
//     is the reply; any other error is logged, and the client hears 451.
//  7. DATA or BDAT hand the session a reader of the mail, which never ends before the mail's true end: see package
//     wire. When the session returns, the rest of the mail is discarded, and its error or reply is sent.
//  8. Replies go out when no more commands have been received: a pipelined flight is answered by one write.
//
// All methods of a session are called from one goroutine. A session that panics costs its own connection only. Limits
// bound what a client can make the server do: see the fields of Server.
package smtpin
