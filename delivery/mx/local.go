package mx

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/delivery/maildir"
)

// lmtpPort is where servers take LMTP if nothing else is said: there is no official port, Dovecot and Cyrus use this
// one.
const lmtpPort = 24

// parseLocal reads the URL of mailboxes: "lmtp://host:port", "lmtp+unix:///socket" or "maildir:///path/{user}".
func parseLocal(text string) (Relay, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	switch scheme {
	case "lmtp":
		relay, err := parseRelay(rest)
		if err == nil && (relay.off() || relay.Local != "") {
			err = fmt.Errorf("%q: expected lmtp://host:port", text)
		}
		if err != nil {
			return Relay{}, err
		}
		relay.Port = cmp.Or(relay.Port, lmtpPort)
		relay.Local = "lmtp://" + net.JoinHostPort(relay.host().Name, strconv.Itoa(relay.Port))
		return relay, nil
	case "lmtp+unix":
		if !path.IsAbs(rest) || path.Clean(rest) != rest || hasControl(rest) {
			return Relay{}, fmt.Errorf("%q: expected the whole path of a socket, lmtp+unix:///run/dovecot/lmtp", text)
		}
		return Relay{Local: text}, nil
	case "maildir":
		if _, err := maildir.Parse(text); err != nil {
			return Relay{}, err
		}
		return Relay{Local: text}, nil
	}
	return Relay{}, fmt.Errorf("%q: expected a host, or lmtp://, lmtp+unix:// or maildir:// in front", text)
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f })
}
