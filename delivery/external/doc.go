// Package external lets mail leave from public addresses that this machine does not have: external MTAs.
//
// A [Table] says for each public address how it is reached; [Compile] makes one from rows of the settings. A [Dialer]
// takes the place of smtpout.Sender.Dial: connections from a public address of its table are made as its row says, all
// others as ever.
//
//	dialer := &external.Dialer{Table: current}
//	sender := &smtpout.Sender{Dial: dialer.Dial}
//
// [Table.Sources] are addresses that mail may leave from, beside the addresses that the machine itself has.
//
// A row that makes no sense is left out; its public address is known to be [Table.Broken] meanwhile, so that mail for
// it waits.
//
// # Protocols
//
// A row has the public address, a local address to bind to (none: the system chooses), an address and port to connect
// to, and a protocol.
//
//   - nat: a router on the way replaces the local address by the public one. Connections are bound to the local address
//     and lead to the target itself. Where a router can only be spoken to directly, the row names its address, and
//     connections lead there instead, to the row's port or, without one, the target's; the router passes them on. A
//     port without an address changes nothing: rows made through the REST API of MailerQ 5.8 have to have one.
//   - socks: a SOCKS 5 proxy (RFC 1928) listens at the address and port, and leaves from the public address. It is
//     asked for the target's address, without logging in.
//   - http: likewise with an HTTP proxy and CONNECT (RFC 9110 §9.3.6).
//
// The public address and the target have to be of one IP version, and so have both ends of the connection to a proxy;
// which of them that is makes no difference.
//
// # Failures
//
// A local address that cannot be used is a *smtpout.BindError. All else is a *delivery.Failure: of state connect where
// the proxy cannot be reached, for which no other host of the site is better; of state handshake where it answers with
// a refusal, with nonsense, or not in time. A refusal's own code is in the description; the result's code is always
// temporary, since a proxy says nothing about the message. Replies are bounded in size, and in time by the time-out of
// the connection.
package external
