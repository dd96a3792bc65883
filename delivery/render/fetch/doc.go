// Package fetch downloads what a mail is made with: attachments, images whose size is asked for, feeds, and blocks that
// are kept elsewhere. The addresses come from whoever writes the mail, and so from strangers; nothing they name may
// open the network that this machine stands in.
//
// # What a download goes through
//
//  1. [Client.Fetch] takes http and https only. What was downloaded before, and may be kept, is answered from memory or
//     from the [Store]; a failure is remembered for a moment, so that a campaign does not ask a dead host once a mail.
//  2. All who want an address at the same time wait for one download (flight). It goes on while one of them waits.
//  3. The host is looked up, and each connection is checked on the address that it is about to be made to
//     (Client.permit): a name that leads elsewhere the second time gains nothing. Private, loopback, link-local,
//     multicast, shared (RFC 6598) and reserved addresses are refused, in whatever form an IPv6 address carries them,
//     and so is the blacklist; the whitelist has the exceptions. A proxy is given the address that was checked, never
//     the name.
//  4. Redirects are followed, 5 at most, each through steps 1 and 3. Connections are used once, as the terms may
//     change.
//  5. The answer is read within the limits of time and size; that of size holds for what is unpacked, too.
//  6. How long it is kept is what Cache-Control and Expires say (RFC 9111), the TTL at most, and the TTL where they say
//     nothing.
//
// # Failures
//
// An [Error] says whether another try may succeed. Temporary are time-outs, refused and broken connections, names that
// cannot be looked up, certificates that do not hold, and the answers 408, 425, 429 and 5xx; final are all other
// answers that are no success, addresses that are not allowed, and what is too large. A cache that is full, damaged or
// away is never a failure: the download is made again.
//
// # Files
//
//	client.go    who waits for which download, and what is answered without one
//	download.go  one download: redirects, limits, the answer
//	dial.go      connections, with and without a proxy
//	policy.go    which addresses are allowed
//	keep.go      how long an answer may be kept, and how it is written into a store
//	error.go     failures
package fetch
