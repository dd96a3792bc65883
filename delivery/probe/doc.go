// Package probe tests an address: where its mail would go, what its domain publishes about TLS, how connections to its
// hosts turn out, and whether they would take mail for it. No mail is sent.
//
//  1. [Prober.Probe] looks the route up, as deliveries do, and tells which hosts there are and who vouches for them.
//  2. For a few hosts, the best first, it asks for the policy of the host, connects to one of its addresses, says EHLO,
//     begins TLS, and asks with MAIL and RCPT, then leaves with RSET and QUIT.
//  3. [Verdict] says in one sentence what that means for a mail.
//
// So that nobody is attacked with it, an address is tested once at a time, its domain once in ten seconds, and few are
// at all; a test has a minute.
package probe
