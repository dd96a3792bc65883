// Package tlspolicy finds out how a connection to an MX host has to be secured: by DANE (RFC 7672), else by MTA-STS
// (RFC 8461), else as the sender likes. It is the delivery.TLSPolicies of a real MTA.
//
// Two questions are asked, at two times:
//
//  1. What does the domain publish? [Policies.Domain] answers while the route is looked up (mx.Finder asks), so that no
//     mail of another domain waits: the TXT record _mta-sts.DOMAIN says whether there is a policy and which
//     ([parseRecord]), HTTPS has its text ([fetcher], [parsePolicy]). Who asks waits only when nothing at all is known
//     of the domain; after that the last answer holds while it is asked for again beside, and policies are fetched anew
//     before they run out though no mail asks. Policies lie on disk too
//     ([shelf]): one that was fetched once holds until its max_age is over, however the domain fares (RFC 8461 §5.1),
//     and over restarts. A domain that cannot be asked has no policy (§3.3), and no other domain is concerned.
//  2. What does the host publish? [Policies.Host] answers when a connection is to be made. Where a trusted resolver
//     validated the MX records and the addresses of the host, its TLSA records are asked for (RFC 7672 §2.2). DANE goes
//     before MTA-STS. An answer that does not validate, or none, is a temporary failure of the host: never a reason to
//     go on without. Records that nobody can use mean TLS without a look at the certificate.
//
// A host that the enforced policy of a domain does not name gets no mail of it. Relays (smarthosts, routes, sinks),
// hosts whose address the settings give, and domain literals have no policy.
//
// [Policies.Known] tells people what is remembered of each domain, and how connections to its hosts turned out today.
//
// # Files
//
//	policies.go  the parts together, and the first question
//	host.go      the second question
//	known.go     what is remembered, for people
//	domain.go    what is known of a domain's policy, and when it is asked for again
//	shelf.go     policies on disk
//	fetch.go     the text of a policy over HTTPS
//	sts.go       records, texts and patterns of RFC 8461
//	dane.go      TLSA records of a host, and what certificates they let through
//	violation.go what is wrong with a certificate, in the terms of RFC 8460
package tlspolicy
