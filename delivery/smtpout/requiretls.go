package smtpout

import (
	"crypto/tls"

	"github.com/sluicemail/sluice/queue"
)

// requireTLSStatus says that mail with REQUIRETLS cannot be passed on (RFC 8689 §7).
const requireTLSStatus = "5.7.30"

// proveHost looks, where no policy has done so, whether the remote is for certain a host of the domain
// (RFC 8689 §4.2.1): its name must be vouched for, and the certificate valid for that name.
func (c *connection) proveHost() *failure {
	if !c.hop.Vouched {
		return c.cannotRequire("neither DNSSEC nor an MTA-STS policy says that " + c.hop.Host + " is a host of the domain")
	}
	state := c.nc.(*tls.Conn).ConnectionState()
	if err := verify(state.PeerCertificates, c.sender.TLS, []string{c.hop.Host}); err != nil {
		return c.cannotRequire("certificate: " + printable(err.Error()))
	}
	return nil
}

// cannotRequire is why mail with REQUIRETLS does not go to this remote. It is in the state of MAIL, with which the mail
// would be told to be such: unlike what is wrong with a connection otherwise, it is for good when no host is better.
func (c *connection) cannotRequire(why string) *failure {
	f := c.fail(queue.StateMailFrom, queue.Error, "REQUIRETLS: "+why)
	f.Result.Code, f.Result.Status = 550, requireTLSStatus
	return f
}
