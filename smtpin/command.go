package smtpin

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// maxVerb is longer than every command we know.
const maxVerb = 10

// parseCommand takes a command line apart into its verb, in upper case, and its arguments. ok is false for what cannot
// be a command.
func parseCommand(line []byte) (verb, args string, ok bool) {
	for _, b := range line {
		if b < ' ' && b != '\t' || b == 0x7f {
			return "", "", false
		}
	}
	word, rest, _ := bytes.Cut(line, []byte(" "))
	if len(word) == 0 || len(word) > maxVerb {
		return "", "", false
	}
	var upper [maxVerb]byte
	for i, b := range word {
		if b >= 'a' && b <= 'z' {
			b &^= 0x20
		}
		if (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
			return "", "", false
		}
		upper[i] = b
	}
	return known(upper[:len(word)]), string(bytes.TrimSpace(rest)), true
}

// known returns a verb as a string, without a copy for verbs that come with every mail.
func known(verb []byte) string {
	switch string(verb) {
	case "MAIL":
		return "MAIL"
	case "RCPT":
		return "RCPT"
	case "DATA":
		return "DATA"
	case "BDAT":
		return "BDAT"
	}
	return string(verb)
}

// command carries out a command line.
func (c *session) command(line []byte) {
	verb, args, ok := parseCommand(line)
	c.hear(verb, line)
	if !ok {
		c.wrong(500, wire.Status{5, 5, 2}, "Cannot make sense of this command")
		return
	}
	c.do(verb, args)
	for c.pending != "" && !c.closing { // it ended a mail in chunks
		verb, args, _ := parseCommand([]byte(c.pending))
		c.pending = ""
		c.do(verb, args)
	}
}

// do carries out a command.
func (c *session) do(verb, args string) {
	if verb != "RCPT" && verb != "BDAT" {
		if c.commands++; c.commands > cmp.Or(c.srv.MaxCommands, 1000) {
			c.reply(421, wire.Status{4, 7, 0}, "Too many commands without a mail, closing the connection")
			c.close()
			return
		}
	}
	switch verb {
	case "MAIL":
		c.mailFrom(args)
	case "RCPT":
		c.rcptTo(args)
	case "DATA":
		c.data(args)
	case "BDAT":
		c.bdat(args)
	case "EHLO", "HELO", "LHLO":
		c.hello(verb, args)
	case "STARTTLS":
		c.starttls(args)
	case "AUTH":
		c.auth(args)
	case "QUIT":
		c.reply(221, wire.Status{2, 0, 0}, "Bye")
		c.closing = true
	default:
		c.minor(verb, args)
	}
}

// minor carries out a command that changes little.
func (c *session) minor(verb, args string) {
	switch verb {
	case "RSET":
		if args != "" {
			c.wrong(501, wire.Status{5, 5, 4}, "RSET takes no arguments")
			return
		}
		c.reset()
		c.reply(250, wire.Status{2, 0, 0}, "Forgotten")
	case "NOOP":
		c.reply(250, wire.Status{2, 0, 0}, "Done nothing")
	case "VRFY":
		if args == "" {
			c.wrong(501, wire.Status{5, 5, 4}, "VRFY takes an address")
			return
		}
		c.reply(252, wire.Status{2, 5, 0}, "Cannot say, but will take a mail and try")
	case "HELP":
		c.reply(214, wire.Status{2, 0, 0},
			"Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS AUTH QUIT; see RFC 5321")
	case "EXPN", "TURN", "ETRN", "SEND", "SOML", "SAML":
		c.wrong(502, wire.Status{5, 5, 1}, verb+" is not offered here")
	case "PROXY":
		c.notProxy()
	case "GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "CONNECT", "PATCH", "TRACE", "PRI":
		c.reply(500, wire.Status{5, 5, 1}, "This is a mail server, not a web server")
		c.close()
	default:
		c.wrong(500, wire.Status{5, 5, 1}, "Unknown command")
	}
}

// hello carries out EHLO, HELO and LHLO.
func (c *session) hello(verb, args string) {
	if (verb == "LHLO") != c.policy.LMTP {
		text := "This is not LMTP, say EHLO"
		if c.policy.LMTP {
			text = "This is LMTP, say LHLO"
		}
		c.wrong(500, wire.Status{5, 5, 1}, text)
		return
	}
	name, _, _ := strings.Cut(args, " ")
	if name == "" || len(name) > 255 {
		c.wrong(501, wire.Status{5, 5, 4}, verb+" takes your host name")
		return
	}
	if c.backend != nil {
		c.reset() // RFC 5321 §4.1.4
	}
	info := &c.conn.info
	info.Hostname, info.HELO = name, verb == "HELO"
	info.STARTTLS = c.srv.tlsConfig() != nil
	if c.backend == nil {
		b, err := c.srv.Backend.NewSession(c.ctx, c.conn)
		if err != nil {
			info.Hostname = ""
			c.refuse(err)
			return
		}
		c.backend = b
	}
	greeting := info.ServerName + " greets " + name
	if verb != "HELO" {
		greeting += c.extensions()
	}
	c.reply(250, wire.Status{}, greeting)
}

// extensions lists what EHLO offers, each on a line after a line break.
func (c *session) extensions() string {
	var b strings.Builder
	add := func(offered bool, words ...string) {
		if offered {
			b.WriteByte('\n')
			for _, word := range words {
				b.WriteString(word)
			}
		}
	}
	s := c.srv
	add(true, "PIPELINING")
	add(true, "8BITMIME")
	add(true, "ENHANCEDSTATUSCODES")
	if size := s.maxSize(); size > 0 {
		add(true, "SIZE ", strconv.FormatInt(size, 10))
	} else {
		add(true, "SIZE")
	}
	add(!s.NoChunking, "CHUNKING")
	add(s.binaryMIME(), "BINARYMIME")
	add(s.SMTPUTF8, "SMTPUTF8")
	add(s.DSN, "DSN")
	add(true, "LIMITS RCPTMAX=", strconv.Itoa(s.maxRecipients()))
	add(s.MTPriority, "MT-PRIORITY")
	if c.offersHold() {
		add(true, "FUTURERELEASE ", seconds(s.MaxHold), " ", time.Now().Add(s.MaxHold).UTC().Format(time.RFC3339))
	}
	if s.DeliverBy && s.MinDeliverBy > 0 {
		add(true, "DELIVERBY ", seconds(s.MinDeliverBy))
	} else {
		add(s.DeliverBy, "DELIVERBY")
	}
	add(s.REQUIRETLS && c.conn.info.TLS != nil, "REQUIRETLS")
	add(c.conn.MayStartTLS(), "STARTTLS")
	if mechanisms := c.mechanisms(); len(mechanisms) > 0 && c.mayAuth() {
		add(true, "AUTH ", strings.Join(mechanisms, " "))
	}
	return b.String()
}

// starttls carries out STARTTLS (RFC 3207).
func (c *session) starttls(args string) {
	config := c.srv.tlsConfig()
	switch {
	case args != "":
		c.wrong(501, wire.Status{5, 5, 4}, "STARTTLS takes no arguments")
	case c.conn.info.TLS != nil:
		c.wrong(503, wire.Status{5, 5, 1}, "TLS is already there")
	case config == nil:
		c.wrong(502, wire.Status{5, 5, 1}, "TLS is not offered here")
	case c.w.Buffered() > 0:
		// What came along in the clear could be an attacker's: it must not count as said under TLS (CVE-2011-0411).
		c.reply(554, wire.Status{5, 5, 0}, "Nothing may follow STARTTLS before TLS, closing the connection")
		c.close()
	default:
		c.startTLS(config)
	}
}
