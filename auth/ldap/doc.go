// Package ldap lets users log in with their password in an LDAP directory.
//
// A login goes like this:
//
//  1. [Authenticator.Authenticate] turns away what needs no server: an empty name, an empty password (a bind without
//     one succeeds anonymously, RFC 4513 section 5.1.2), a NUL in the password, what is beyond 1 KiB in the name or 32
//     KiB in the password, and names with controls, invisible characters or needless spaces, which directories would
//     leave out when they compare.
//  2. The name becomes one value of a distinguished name: uid=NAME,BASE. Every character that means something there is
//     escaped (RFC 4514 section 2.4), so that a name cannot reach another part of the tree. What the directory takes
//     for the same name is up to its matching rule: that of uid ignores case.
//  3. A connection is taken from a small pool, or made: plain, with StartTLS, or with TLS from the start. A connection
//     carries one login at a time, since a bind changes what it is; there are at most Options.Connections.
//  4. The server is asked to bind. Its answer says whether the user may log in; see below.
//  5. The connection goes back to the pool, for Options.IdleTime.
//
// When a connection out of the pool turns out to be dead, as after a restart of the server, the others are dropped as
// well and the login is tried once more on a fresh one.
//
// # What the answers mean
//
// These results say no, so that the login is rejected: constraintViolation, invalidAttributeSyntax, noSuchObject,
// invalidDNSyntax, inappropriateAuthentication, invalidCredentials, insufficientAccessRights, unwillingToPerform (which
// servers give for accounts that are switched off) and namingViolation. All others, such as busy, unavailable,
// confidentialityRequired and referral, as well as no answer in time, say that nothing could be found out.
//
// Without TLS passwords cross the network as they are: use it on one machine or within a tunnel only.
package ldap
