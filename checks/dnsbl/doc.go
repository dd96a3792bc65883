// Package dnsbl looks clients up in DNS block lists, as RFC 5782 describes them.
//
// A list is a zone. Under it stand the addresses that it names, reversed: 2.0.0.127.zone for 127.0.0.2, and the 32
// nibbles of an IPv6 address. [Checker.CheckConnect] asks all zones at once when a client connects, and the resolver's
// cache answers for a client that comes again. An answer in 127.0.0.0/8 means that the address is listed, and its last
// numbers say why; which of them count is for [Zone.Codes] to say. Answers in 127.255.255.0/24 are what lists say to
// clients that they do not want to serve, and anything outside 127.0.0.0/8 comes from a zone that has gone: neither is
// a listing, both are "temperror".
//
// Loopback, private and link-local addresses are in no list and are not asked for.
package dnsbl
