package smtpout

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/queue"
)

// extensions are what the remote announced in its answer to EHLO.
type extensions struct {
	pipelining, eightBit, utf8, chunking, binary, dsn, startTLS, enhanced, requireTLS, priority, deliverBy bool

	limits delivery.Announced
	minBy  time.Duration // shortest time that BY=…;R may ask for
	size   int64         // largest mail; zero: not said
	sizes  bool          // SIZE was announced
	auth   []string      // mechanisms, upper case
}

// parseExtensions reads the lines of an EHLO reply, the first of which names the host.
func parseExtensions(raw []byte) extensions {
	var x extensions
	_, raw, _ = bytes.Cut(raw, []byte{'\n'})
	for line := range bytes.SplitSeq(raw, []byte{'\n'}) {
		if len(line) > 4 {
			x.add(string(line[4:]))
		}
	}
	return x
}

func (x *extensions) add(line string) {
	if len(line) > 5 && strings.EqualFold(line[:5], "AUTH=") { // an old form beside the right one
		line = "AUTH " + line[5:]
	}
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return
	}
	switch strings.ToUpper(fields[0]) {
	case "PIPELINING":
		x.pipelining = true
	case "8BITMIME":
		x.eightBit = true
	case "SMTPUTF8":
		x.utf8 = true
	case "CHUNKING":
		x.chunking = true
	case "BINARYMIME":
		x.binary = true
	case "DSN":
		x.dsn = true
	case "STARTTLS":
		x.startTLS = true
	case "ENHANCEDSTATUSCODES":
		x.enhanced = true
	case "REQUIRETLS":
		x.requireTLS = true
	case "MT-PRIORITY":
		x.priority = true
	case "DELIVERBY":
		x.deliverBy = true
		if len(fields) > 1 {
			if n, err := strconv.ParseUint(fields[1], 10, 30); err == nil { // what makes no sense is no minimum
				x.minBy = time.Duration(n) * time.Second
			}
		}
	case "LIMITS":
		for _, field := range fields[1:] {
			addLimit(&x.limits, field)
		}
	case "SIZE":
		x.sizes = true
		if len(fields) > 1 {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil && n > 0 {
				x.size = n
			}
		}
	case "AUTH":
		for _, mechanism := range fields[1:] {
			x.auth = append(x.auth, strings.ToUpper(mechanism))
		}
	}
}

// greet reads the greeting.
func (c *connection) greet() *failure {
	code, err := c.await(c.limits.intro)
	if err != nil {
		return c.broke(queue.StateIntro, err)
	}
	if code != 220 {
		return c.refused(queue.StateIntro, code)
	}
	c.mta, _, _ = strings.Cut(c.rd.Reply().Description, " ")
	return nil
}

// hello says EHLO or, to a remote that refuses that, HELO. In LMTP there is LHLO alone.
func (c *connection) hello() *failure {
	verb := "EHLO "
	if c.sender.LMTP {
		verb = "LHLO "
	}
	c.rd.Lines = reply.MaxExtensions
	code, failed := c.command(queue.StateEHLO, verb+c.name())
	c.rd.Lines = 0
	if failed != nil {
		return failed
	}
	switch {
	case code == 250:
		c.ext = parseExtensions(c.rd.Raw())
		return nil
	case code/100 != 5 || c.sender.LMTP:
		return c.refused(queue.StateEHLO, code)
	}
	c.ext = extensions{}
	code, failed = c.command(queue.StateHELO, "HELO "+c.name())
	if failed != nil {
		return failed
	}
	if code != 250 {
		return c.refused(queue.StateHELO, code)
	}
	return nil
}

// name is what we call ourselves: the hop's name, else the address literal of RFC 5321 §4.1.3.
func (c *connection) name() string {
	if c.hop.Hostname != "" && !hasControl(c.hop.Hostname) {
		return c.hop.Hostname
	}
	ip, err := netip.ParseAddr(c.from)
	if err != nil {
		return "localhost"
	}
	return string(addr.AppendLiteral(nil, ip))
}
