package smtpout

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

var errInjection = errors.New("the remote sent more behind its answer to STARTTLS, before encryption began")

// secure does what the level of security and the policy ask for with STARTTLS, and notes how that went.
func (c *connection) secure(security queue.Security) *failure {
	must := security == queue.Required || security == queue.Verified || c.hop.TLS.Enforced() || c.hop.RequireTLS
	if security == queue.Optional && !must {
		return nil
	}
	failed := c.startTLS(security, must)
	c.session = &delivery.TLSSession{From: addrPort(c.watch.raw.LocalAddr()).Addr().Unmap(), To: c.hop.Target.Addr(),
		HELO: c.mta, Violation: c.violation}
	return failed
}

// told returns what reports are to say of an attempt to open a connection; c is nil where it failed.
func (c *connection) told(failed *failure) *delivery.TLSSession {
	if failed != nil {
		return failed.session
	}
	return c.session
}

func (c *connection) startTLS(security queue.Security, must bool) *failure {
	switch {
	case !c.ext.startTLS:
		c.violated("starttls-not-supported", "the remote does not offer STARTTLS")
		switch {
		case !must:
			return nil
		case c.hop.RequireTLS && !c.hop.TLS.Enforced():
			return c.cannotRequire("the remote does not offer STARTTLS")
		}
		return c.fail(queue.StateStartTLS, queue.Error, "the remote does not offer STARTTLS, "+c.demand(security))
	}
	code, failed := c.command(queue.StateStartTLS, "STARTTLS")
	if failed != nil {
		return failed
	}
	if code != 220 {
		c.violated("starttls-not-supported", "the remote refused STARTTLS: "+c.rd.Reply().Text)
		if !must && c.sender.ClearFallback && code != 421 && code/100 >= 4 {
			return nil
		}
		if c.hop.RequireTLS && code/100 == 5 {
			return c.cannotRequire("the remote refused STARTTLS: " + c.rd.Reply().Text)
		}
		return c.refused(queue.StateStartTLS, code)
	}
	if c.rd.Buffered() > 0 { // RFC 3207 §6; what is injected here would count as sent under TLS
		c.broken = true
		return c.fail(queue.StateStartTLS, queue.Invalid, errInjection.Error())
	}
	if failed := c.handshake(); failed != nil {
		return failed
	}
	if failed := c.trust(security); failed != nil {
		failed.stale = c.slot.forget() && c.cipher.Resumed // it may have another certificate by now
		return failed
	}
	failed = c.securedHello()
	if failed == nil && c.hop.RequireTLS && !c.ext.requireTLS {
		failed = c.cannotRequire("the remote does not offer it")
	}
	return failed
}

// trust looks at the certificates of the remote: whether the policy lets them through, and whether REQUIRETLS and
// security verified do, which take the word of a policy for the host.
func (c *connection) trust(security queue.Security) *failure {
	policy, judged := &c.hop.TLS, false
	if policy.Verify != nil {
		err := policy.Verify(c.nc.(*tls.Conn).ConnectionState().PeerCertificates)
		if err != nil {
			c.violatedBy(err)
		}
		if err != nil && policy.Enforced() {
			return c.fail(queue.StateStartTLS, queue.Error, "certificate: "+printable(err.Error()))
		}
		judged = err == nil
	}
	if c.hop.RequireTLS && !judged {
		if failed := c.proveHost(); failed != nil {
			return failed
		}
	}
	if security == queue.Verified && !c.certificate.Verified && !(judged && policy.Enforced()) {
		return c.fail(queue.StateStartTLS, queue.Error, "certificate: "+c.certificate.Result)
	}
	return nil
}

// demand says what asks for TLS.
func (c *connection) demand(security queue.Security) string {
	switch {
	case !c.hop.TLS.Enforced():
		return "security " + string(security) + " needs it"
	case c.hop.TLS.Type == "sts":
		return "the MTA-STS policy of the domain needs it"
	}
	return "the TLSA records of the host need it"
}

// violated notes what is wrong: the first thing that is.
func (c *connection) violated(kind, reason string) {
	if c.violation == nil {
		c.violation = &delivery.TLSViolation{Type: kind, Reason: printable(reason)}
		if c.policy != nil {
			c.policy.Failure, c.policy.Reason = kind, c.violation.Reason
		}
	}
}

func (c *connection) violatedBy(err error) {
	if v, ok := errors.AsType[*delivery.TLSViolation](err); ok {
		c.violated(v.Type, v.Reason)
		return
	}
	c.violated("validation-failure", err.Error())
}

// handshake begins TLS. It has as much time as the greeting.
func (c *connection) handshake() *failure {
	c.slot = c.sender.sessions.slot(c.hop, c.offer.fresh)
	secured := tls.Client(c.nc, c.tlsConfig())
	if err := c.armBoth(c.limits.intro); err != nil {
		return c.broke(queue.StateStartTLS, err)
	}
	if err := secured.HandshakeContext(context.Background()); err != nil {
		return c.unsecured(err)
	}
	state := secured.ConnectionState()
	c.nc, c.vectored = secured, false
	c.cipher = describeCipher(&state)
	if c.certificate = c.slot.verified(&state); c.certificate == nil {
		c.certificate = describeCertificate(&state, c.sender.TLS, c.certNames())
		c.slot.note(&state, c.certificate)
	}
	return nil
}

// securedHello greets again. What the remote objects to by an alert now is a failure of the handshake: in TLS 1.3 it
// has our end of that when we are through, and may miss a certificate in it (RFC 8446 §4.4.2.4).
func (c *connection) securedHello() *failure {
	failed := c.hello()
	if failed == nil {
		return nil
	}
	if alert, ok := errors.AsType[*net.OpError](failed.Cause); ok && alert.Op == "remote error" {
		c.cipher, c.certificate = nil, nil
		return c.unsecured(alert)
	}
	return failed
}

// unsecured is the failure of a handshake.
func (c *connection) unsecured(err error) *failure {
	c.broken = true
	c.violated("validation-failure", "TLS handshake: "+err.Error())
	failed := c.fail(queue.StateStartTLS, c.handshakeOutcome(err), "TLS handshake: "+printable(err.Error()))
	failed.Cause = fmt.Errorf("TLS handshake with %s: %w", c.hop.Target, err)
	failed.clear = !errors.Is(err, errInterrupted) && !c.watch.interrupted()
	failed.stale = failed.clear && c.slot.forget()
	failed.small = failed.clear && failed.Result.Result != queue.Invalid // else it speaks no TLS at all
	return failed
}

// handshakeOutcome tells a remote that speaks no TLS and one that broke off from one that we could not agree with.
func (c *connection) handshakeOutcome(err error) queue.Outcome {
	var garbage tls.RecordHeaderError
	if errors.As(err, &garbage) {
		return queue.Invalid
	}
	outcome, _ := c.explain(err)
	var network *net.OpError
	if outcome == queue.Lost && !isClosed(err) && !c.watch.interrupted() &&
		(!errors.As(err, &network) || network.Op == "remote error") {
		return queue.Error
	}
	return outcome
}

func (c *connection) tlsConfig() *tls.Config {
	config := &tls.Config{}
	if c.sender.TLS != nil {
		config = c.sender.TLS.Clone()
	}
	config.InsecureSkipVerify = true // describeCertificate verifies
	config.VerifyPeerCertificate = nil
	config.DynamicRecordSizingDisabled = true // one record, so one write, for most mails
	config.ClientSessionCache = c.slot
	if c.offer.size == smallHello {
		config.CurvePreferences = smallGroups(config.CurvePreferences)
	}
	config.ServerName = ""
	if _, err := netip.ParseAddr(c.hop.Host); err != nil {
		config.ServerName = cmp.Or(c.hop.TLS.ServerName, c.hop.Host)
	}
	return config
}

// certNames returns the names of which the certificate must have one.
func (c *connection) certNames() []string {
	if c.hop.CertNames != nil {
		return c.hop.CertNames
	}
	names := make([]string, 0, 2)
	for _, name := range []string{c.hop.Host, c.hop.Domain} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}
