// Package tls has the page of how connections to others are secured: what recipients' domains publish (DANE, MTA-STS)
// and how connections to them turned out, what their owners were told, and what others told about one's own domains.
// There is also the page that tests an address.
package tls
