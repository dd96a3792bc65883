// Package auth knows who may log in, for SMTP and for the console alike.
//
// An [Authenticator] answers one of three things: accepted, rejected, or that it cannot tell. The third never lets
// anyone in, yet it is no "wrong password": a mail client that hears one asks its user for another, or gives up.
//
// A login goes like this:
//
//  1. [Limit] looks how often the client's address, its network and the user's name have failed lately. Addresses are
//     refused at once with [*Limited] if that was too often, names are slowed, and who has logged in from there lately
//     is neither.
//  2. [Cache] knows the answer when the same login was accepted in the last minutes. Logins that are alike and come
//     together share one question to the back end.
//  3. [Any] asks several back ends in turn, until one accepts.
//  4. A back end finds out: [Hardcoded], [HTTP] and [Exec] are here; hashes in a file are in auth/file, LDAP, RADIUS
//     and the users of the machine in auth/ldap, auth/radius and auth/users, so that nobody compiles what is not used.
//  5. On the way back the cache remembers an acceptance, and the guard counts a rejection.
//
// Each of these is an Authenticator, has exported fields whose zero values work, and can be used alone. Configuration
// that names back ends by URL is opened by a [Mux]. One's own back end is a [Func] or any type with the one method;
// package auth/authtest examines it, and a program in any language serves as one through [Exec].
//
// Nobody logs in with an empty name or an empty password. Passwords are never in an error, nor in what fmt prints of a
// [Login] or of a back end.
package auth
