// Package resolver is a caching DNS client for mail: MX, A, AAAA, TXT, PTR, TLSA and CNAME.
//
// It is a stub: it asks the recursive servers that it was given, or those of resolv.conf, and follows nothing itself
// but a CNAME whose target a server left out. What a look-up goes through:
//
//  1. The name is brought into one form: lower case, no trailing dot, A-labels (IDNA).
//  2. The cache is asked. A hit costs a read lock on one of its shards and allocates nothing; [Resolver.Cached] does
//     only this step. Answers live as long as their TTL says, but at least MinTTL; negative ones as long as the zone's
//     SOA says (RFC 2308); failures a few seconds, so that a dead server is not asked again for every mail.
//  3. One of Capacity places is taken, waiting in line as long as the caller's context allows. Callers that ask the
//     same question at the same time share one flight, which goes on when a caller gives up: its answer serves the next
//     one. Goroutines and sockets are bounded by the places, however many callers wait and however dead the servers
//     are.
//  4. The flight asks one server after the other, an Interval apart, Attempts times, and takes the first good answer to
//     any of these tries, up to Timeout after the last. A server that says SERVFAIL, REFUSED or nonsense is passed over
//     at once. A truncated answer is asked for again over TCP. Servers that did not answer lately are asked last;
//     while nothing listens at any server, look-ups fail at once for a second.
//  5. An answer counts when it came from the server's own address and port, to the port that asked, with the right id
//     and the very question that was asked; anything else is ignored as if it had never come (RFC 5452). Sockets are
//     replaced after a while, so that ports are no constant.
//  6. CNAMEs are followed within the answer, at most ten; loops are errors. Records of other names are ignored.
//
// "There is none" and "could not ask" stay apart: see [Error] and its [Kind]. Whether an answer was validated by DNSSEC
// is in its field Authentic, which is only ever true with Options.TrustAD: the AD bit is worth as much as the path to
// the server that set it.
//
// A [Resolver] also has the look-up methods of net.Resolver, with net.DNSError as their errors, and so serves packages
// that ask for these.
package resolver
