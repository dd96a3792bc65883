// Package dmarc tells whether the domain that a mail shows in From vouches for it, and what its owner wants done when
// it does not (RFC 9989).
//
// It builds upon the results of the checks "spf" and "dkim", which a runner puts into Mail.Earlier, and reads from them
// the verdict and the properties smtp.mailfrom, smtp.helo and header.d. [Checker.Check] goes like this:
//
//  1. The domains of From are read ([FromDomains]). Usually there is one.
//  2. The policy is looked up by a walk up the tree of names (RFC 9989 §4.10): at _dmarc below the domain, then below
//     its parents, eight questions at most. A record with psd=n or psd=y ends the walk. The record at the domain itself
//     counts, else the one of the organisation, else the one of the public suffix above; of the latter two sp= applies,
//     or np= when the domain does not exist.
//  3. A domain that passed SPF or DKIM is compared with From's: it must be the same (strict, adkim=s and aspf=s), or of
//     the same organisation (relaxed), for which it is walked up as well.
//  4. When the walks met no psd tag, domains are also of one organisation when the public suffix list says so, as RFC
//     7489 had it: owners who put a record below a subdomain only have relied on that. TreeWalkOnly turns this off.
//
// The verdicts:
//
//	pass       at least one domain that passed SPF or DKIM is aligned with From's
//	fail       none is; the reason tells "nothing passed" from "passed for another domain"
//	none       no policy is published, or From names nobody
//	temperror  the DNS did not answer, or SPF or DKIM had no answer and might have passed; never a fail
//	permerror  From is missing, is there several times, or has no domain
//
// From may name several domains: each is judged, the mail passes when all do, and of the failures the strictest policy
// counts (RFC 7489 §6.6.1). With several From fields, which only forgers write, the strictest policy of all domains
// counts, whatever passed.
//
// The JSON of a result is
//
//	{"dmarc":"fail","header.from":"news.example.org","policy":"reject","disposition":"quarantine","policy-domain":"example.org",
//	 "testing":true,"reason":"not aligned: spf passed for example.com"}
//
// pct= is history: it is ignored, as RFC 9989 has it.
package dmarc
