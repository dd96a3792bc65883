package smtpout

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// mask stands for secrets in transcripts.
const mask = "********"

// login authenticates with the best mechanism that the remote offers.
func (c *connection) login(who *delivery.Credentials) *failure {
	if who.Password != "" {
		c.secrets = append(c.secrets, who.Password)
	}
	failed := c.authenticate(who)
	if failed != nil {
		failed.Result.Description = c.masked(failed.Result.Description)
		if failed.Cause != nil {
			failed.Cause = errors.New(c.masked(failed.Cause.Error()))
		}
	}
	c.secrets = nil
	return failed
}

// masked hides the secrets in what a remote said.
func (c *connection) masked(text string) string {
	for _, secret := range c.secrets {
		text = strings.ReplaceAll(text, secret, mask)
	}
	return text
}

func (c *connection) authenticate(who *delivery.Credentials) *failure {
	if c.cipher == nil && !who.Plaintext && !c.sender.AllowPlaintextAuth {
		return c.fail(queue.StateAuthPlain, queue.Error, "AUTH is not allowed without TLS")
	}
	mechanism := c.mechanism()
	c.authentication = mechanism
	switch mechanism {
	case sasl.Plain:
		return c.loginPlain(who)
	case sasl.Login:
		return c.loginLogin(who)
	case cramMD5:
		return c.loginCRAM(who)
	}
	return c.fail(queue.StateAuthPlain, queue.Error, "the remote offers none of AUTH PLAIN, LOGIN, CRAM-MD5")
}

// mechanism chooses: under TLS the simple ones, else the one that does not show the password.
func (c *connection) mechanism() string {
	order := [...]string{sasl.Plain, sasl.Login, cramMD5}
	if c.cipher == nil {
		order = [...]string{cramMD5, sasl.Plain, sasl.Login}
	}
	for _, name := range order {
		if slices.Contains(c.ext.auth, name) {
			return name
		}
	}
	return ""
}

func (c *connection) loginPlain(who *delivery.Credentials) *failure {
	_, initial, err := sasl.NewPlainClient("", who.Username, who.Password).Start()
	if err != nil || strings.Contains(who.Username+who.Password, "\x00") {
		return c.fail(queue.StateAuthPlain, queue.Error, "the credentials cannot be sent")
	}
	code, failed := c.secret(queue.StateAuthPlain, "AUTH PLAIN ", initial)
	if failed == nil && code == 334 { // it wants the response on a line of its own
		code, failed = c.secret(queue.StateAuthResponse, "", initial)
		return c.authenticated(queue.StateAuthResponse, code, failed)
	}
	return c.authenticated(queue.StateAuthPlain, code, failed)
}

func (c *connection) loginLogin(who *delivery.Credentials) *failure {
	client := sasl.NewLoginClient(who.Username, who.Password)
	_, username, err := client.Start()
	if err != nil {
		return c.fail(queue.StateAuthLogin, queue.Error, err.Error())
	}
	password, err := client.Next([]byte("Password:")) // remotes ask for it in many words
	if err != nil {
		return c.fail(queue.StateAuthPassword, queue.Error, err.Error())
	}
	code, failed := c.command(queue.StateAuthLogin, "AUTH LOGIN")
	if failed != nil || code != 334 {
		return c.unfinished(queue.StateAuthLogin, code, failed)
	}
	code, failed = c.secret(queue.StateAuthUsername, "", username)
	if failed != nil || code != 334 {
		return c.unfinished(queue.StateAuthUsername, code, failed)
	}
	code, failed = c.secret(queue.StateAuthPassword, "", password)
	return c.authenticated(queue.StateAuthPassword, code, failed)
}

func (c *connection) loginCRAM(who *delivery.Credentials) *failure {
	code, failed := c.command(queue.StateAuthCRAM, "AUTH CRAM-MD5")
	if failed != nil || code != 334 {
		return c.unfinished(queue.StateAuthCRAM, code, failed)
	}
	client := &cramClient{who.Username, who.Password}
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(c.rd.Raw()[3:])))
	if err != nil || len(challenge) == 0 {
		c.broken = true
		return c.fail(queue.StateAuthCRAM, queue.Invalid, "the challenge is not base64")
	}
	response, err := client.Next(challenge)
	if err != nil {
		return c.fail(queue.StateAuthResponse, queue.Error, err.Error())
	}
	code, failed = c.secret(queue.StateAuthResponse, "", response)
	return c.authenticated(queue.StateAuthResponse, code, failed)
}

// secret sends data in base64 behind command; the transcript shows a mask.
func (c *connection) secret(state queue.ResultState, command string, data []byte) (int, *failure) {
	text := base64.StdEncoding.EncodeToString(data)
	if text != "" {
		c.secrets = append(c.secrets, text)
	}
	c.outShown = []byte(command + mask + "\r\n")
	return c.command(state, command+text)
}

// authenticated judges the reply that ends an exchange.
func (c *connection) authenticated(state queue.ResultState, code int, failed *failure) *failure {
	if failed == nil && code == 235 {
		return nil
	}
	return c.unfinished(state, code, failed)
}

// unfinished makes the failure of an exchange. Credentials that were refused for good will be refused by every host.
func (c *connection) unfinished(state queue.ResultState, code int, failed *failure) *failure {
	if failed == nil {
		failed = c.refused(state, code)
		failed.Temporary = code < 500
	}
	return failed
}

const cramMD5 = "CRAM-MD5"

// cramClient is the client side of CRAM-MD5 (RFC 2195).
type cramClient struct{ username, password string }

var _ sasl.Client = (*cramClient)(nil)

func (a *cramClient) Start() (mech string, ir []byte, err error) { return cramMD5, nil, nil }

func (a *cramClient) Next(challenge []byte) ([]byte, error) {
	sum := hmac.New(md5.New, []byte(a.password))
	sum.Write(challenge)
	return []byte(a.username + " " + hex.EncodeToString(sum.Sum(nil))), nil
}
