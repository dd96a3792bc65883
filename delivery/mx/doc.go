// Package mx finds the hosts to which mail for a domain goes. [Finder] is the delivery.Router of a real MTA.
//
// Without relays, Route asks the DNS for the domain's MX records and then:
//
//   - a null MX (RFC 7505) is a permanent failure, 556 5.1.10; a domain that does not exist is one, 550 5.1.2; a DNS
//     that cannot be asked is a temporary one, 451 4.4.3;
//   - a domain without MX records but with an address is its own host (RFC 5321 §5.1);
//   - when we are among the hosts ourselves, by name or address, we and all hosts that are not preferred to us are left
//     out: what came here must not go in circles. When nothing is left, that is 554 5.4.6;
//   - domains with the same set of hosts share a site, named after the first of them that was met. The name stays while
//     any of them was in use in the last hour.
//
// Addresses finds the addresses of a host when a connection is to be made: overrides of the settings first, then the
// hosts file, then the DNS; IPv6 and IPv4 in turn, and only what the machine has. Private, loopback, link-local, shared
// and multicast addresses are refused unless the host is a relay or AllowPrivate is set: the owner of a domain must not
// aim our mail at our own network.
//
// Domain literals, [192.0.2.1] and [IPv6:2001:db8::1], are hosts themselves. International domains are looked up by
// their A-labels.
//
// Relays come before the DNS, in this order: a sink takes all mail, keeping each domain a site of its own; [Routes] say
// for each domain which relay it goes to, or that it goes by MX; a smarthost takes what is left.
//
// What was found is remembered as long as the DNS allows, failures for a short time, and [Finder.Cached] returns it
// without asking, locking or allocating.
package mx
