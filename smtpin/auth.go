package smtpin

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// Named is the add-on of a sasl.Server, or of a session, that knows as whom the client has logged in. Without it the
// name is taken from what the client said under PLAIN or LOGIN.
type Named interface {
	Username() string
}

// mechanisms returns the AUTH mechanisms of the backend.
func (c *session) mechanisms() []string {
	if a, ok := c.backend.(smtp.AuthSession); ok && !c.probe {
		return a.AuthMechanisms()
	}
	return nil
}

// mayAuth reports whether secrets are safe on this connection.
func (c *session) mayAuth() bool { return c.conn.MayAuth() }

// auth carries out AUTH (RFC 4954).
func (c *session) auth(args string) {
	mechanism, initial, given := strings.Cut(args, " ")
	mechanism = strings.ToUpper(mechanism)
	mechanisms := c.mechanisms()
	switch {
	case c.backend == nil:
		c.wrong(503, wire.Status{5, 5, 1}, "Say EHLO first")
	case len(mechanisms) == 0:
		c.wrong(502, wire.Status{5, 5, 1}, "AUTH is not offered here")
	case c.conn.info.User != "":
		c.wrong(503, wire.Status{5, 5, 1}, "You have logged in already")
	case c.mail:
		c.wrong(503, wire.Status{5, 5, 1}, "AUTH is not possible within a mail")
	case mechanism == "":
		c.wrong(501, wire.Status{5, 5, 4}, "AUTH takes a mechanism")
	case !c.mayAuth():
		c.wrong(538, wire.Status{5, 7, 11}, "AUTH needs TLS")
	case !slices.ContainsFunc(mechanisms, func(m string) bool { return strings.EqualFold(m, mechanism) }):
		c.wrong(504, wire.Status{5, 5, 4}, "AUTH mechanism is not offered here")
	default:
		c.exchange(mechanism, strings.TrimSpace(initial), given)
	}
}

// exchange has the dialogue of AUTH.
func (c *session) exchange(mechanism, initial string, given bool) {
	server, err := c.backend.(smtp.AuthSession).Auth(mechanism)
	if err != nil {
		c.denied(err)
		return
	}
	var response []byte
	if given {
		if response, err = decodeSASL([]byte(initial)); err != nil {
			c.wrong(501, wire.Status{5, 5, 2}, "Not valid base64")
			return
		}
	}
	var name nameListener
	for {
		name.hear(mechanism, response)
		challenge, done, err := c.next(server, response)
		if err != nil {
			c.denied(err)
			return
		}
		if done {
			break
		}
		var ok bool
		if response, ok = c.challenge(challenge); !ok {
			return
		}
	}
	c.conn.info.User = userName(server, c.backend, name.name)
	c.uncount()
	c.reply(235, wire.Status{2, 7, 0}, "Logged in")
}

// authWatch is how long a login takes before the connection is looked after meanwhile.
const authWatch = 20 * time.Millisecond

// next has the mechanism go on, which may ask somebody far away. The session's context ends when the client goes.
func (c *session) next(server sasl.Server, response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		defer c.w.Watch(authWatch, c.cancel)()
	}
	return server.Next(response)
}

// challenge sends a challenge and reads the response to it.
func (c *session) challenge(challenge []byte) (response []byte, ok bool) {
	c.reply(334, wire.Status{}, base64.StdEncoding.EncodeToString(challenge))
	line, err := c.w.ReadLine(wire.MaxAuth)
	if err == wire.ErrLong {
		c.wrong(500, wire.Status{5, 5, 6}, "Line is too long") // RFC 4954 §4
		return nil, false
	}
	if err != nil {
		c.readFailed(err)
		return nil, false
	}
	if len(line) == 1 && line[0] == '*' {
		c.show(line)
		c.reply(501, wire.Status{5, 7, 0}, "AUTH given up")
		return nil, false
	}
	c.show([]byte(masked))
	response, err = decodeSASL(line)
	if err != nil {
		c.wrong(501, wire.Status{5, 5, 2}, "Not valid base64")
		return nil, false
	}
	return response, true
}

// errAuthUnknown is the reply when the backend could not find out (RFC 4954 §6).
var errAuthUnknown = &smtp.SMTPError{
	Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "Cannot log you in for now",
}

// denied replies to a login that failed.
func (c *session) denied(err error) {
	if errors.Is(err, sasl.ErrUnexpectedClientResponse) {
		err = &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: "Unexpected response"}
	}
	c.refuseWith(err, errAuthUnknown)
	c.errors++
	if c.errors >= cmp.Or(c.srv.MaxErrors, 20) && !c.closing {
		c.reply(421, wire.Status{4, 7, 0}, "Too many errors, closing the connection")
		c.close()
	}
}

// decodeSASL decodes a response: "=" is an empty one. It is never nil, since nil means none.
func decodeSASL(text []byte) ([]byte, error) {
	if len(text) == 0 || len(text) == 1 && text[0] == '=' {
		return []byte{}, nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	return out[:n], err
}

// nameListener learns the user's name from what the client says.
type nameListener struct {
	name  string
	heard bool
}

func (n *nameListener) hear(mechanism string, response []byte) {
	if response == nil || n.heard {
		return
	}
	n.heard = true
	switch mechanism {
	case sasl.Plain: // authorisation identity, authentication identity, password (RFC 4616 §2)
		if parts := bytes.SplitN(response, []byte{0}, 3); len(parts) == 3 {
			n.name = string(parts[1])
		}
	case sasl.Login:
		n.name = string(response)
	}
}

// userName returns as whom the client has logged in.
func userName(server sasl.Server, session smtp.Session, heard string) string {
	for _, v := range []any{server, session} {
		if n, ok := v.(Named); ok {
			if name := n.Username(); name != "" {
				return name
			}
		}
	}
	if heard == "" {
		return "unknown"
	}
	return heard
}
