// Package spf checks whether the owner of a sender's domain lets the client send for it: Sender Policy Framework, RFC
// 7208.
//
// [Checker.Check] goes these steps:
//
//  1. It takes the identity: MAIL FROM, or "postmaster" at the name of EHLO when that is empty (§2.4). A name that is
//     no domain of several labels gives "none" (§4.3); one in another script is asked for in its ASCII form (RFC 8616).
//  2. It asks for the TXT records of the domain. A record is checked as a whole before any of it counts: a mistake
//     anywhere, even behind what would match, is "permerror" (§4.6).
//  3. Its mechanisms are tried in order, with at most 10 of them that need the DNS and at most 2 look-ups without an
//     answer (§4.6.4). This is the work of blitiri.com.ar/go/spf, which is given records without macros: those are
//     replaced here (§7.3).
//  4. When the DNS could not say, the verdict is "temperror", never "fail".
//
// A record of more than 4,096 octets or 100 macros is "permerror" too: no honest one comes near. For a client with an
// IPv4 address only A records are asked for. The macro %{p} costs one of the ten look-ups, once a mail, wherever a
// record uses it; a name with other characters than letters, digits, hyphens and underscores is none that it stands
// for. An explanation (exp=) is checked for its form and not fetched. An "@" within a quoted local part stands as "_"
// in macros.
package spf
