package mx_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
)

const mailboxRoutes = `a.example:lmtp://127.0.0.1
b.example:lmtp://[::1]:2424
c.example:lmtp://127.0.0.1:24
d.example:lmtp+unix:///run/dovecot/lmtp
e.example:maildir:///var/mail/{domain}/{user}/.{detail}?quota=1G&create=no&mode=660
f.example:127.0.0.1:24
g.example:lmtp://Mail.example.:25
`

// Routes may lead to mailboxes. What needs no address is looked up nowhere, and shares no site with a relay at the same
// address.
func TestRoutesToMailboxes(t *testing.T) {
	routes, err := mx.ParseRoutes(strings.NewReader(mailboxRoutes), "routes")
	require.NoError(t, err)
	f := &mx.Finder{Resolver: &fakeDNS{}, Routes: func() *mx.Routes { return routes }}
	defer f.Close()
	lmtp := delivery.Host{Name: "127.0.0.1", Port: 24, AllowPrivate: true, Local: "lmtp://127.0.0.1:24"}
	for domain, want := range map[string]delivery.Host{
		"a.example": lmtp,
		"b.example": {Name: "::1", Port: 2424, AllowPrivate: true, Local: "lmtp://[::1]:2424"},
		"c.example": lmtp,
		"d.example": {AllowPrivate: true, Local: "lmtp+unix:///run/dovecot/lmtp"},
		"e.example": {AllowPrivate: true,
			Local: "maildir:///var/mail/{domain}/{user}/.{detail}?quota=1G&create=no&mode=660"},
		"f.example": {Name: "127.0.0.1", Port: 24, AllowPrivate: true},
		"g.example": {Name: "mail.example", Port: 25, AllowPrivate: true, Local: "lmtp://mail.example:25"},
	} {
		route, err := f.Route(t.Context(), domain)
		require.NoError(t, err)
		require.Equal(t, []delivery.Host{want}, route.Hosts, domain)
		require.True(t, route.Relay)
		if want.Local != "" {
			require.Equal(t, want.Local, route.Site, "what the limits of several domains are shared by")
		} else {
			require.Equal(t, "127.0.0.1:24", route.Site)
		}
	}
}

func TestRoutesToMailboxesErrors(t *testing.T) {
	for target, want := range map[string]string{
		"lmtp://":                    `"lmtp://": expected lmtp://host:port`,
		"lmtp://:24":                 "a port without a host",
		"lmtp://0.0.0.0:24":          "expected lmtp://host:port",
		"lmtp://host:24/path":        `port "24/path"`,
		"lmtp://lmtp://host":         "expected lmtp://host:port",
		"lmtp://a host":              "expected a host name or address",
		"lmtp+unix://run/lmtp":       "expected the whole path of a socket",
		"lmtp+unix:///run/../x":      "expected the whole path of a socket",
		"lmtp+unix:///run/\x01":      "expected the whole path of a socket",
		"maildir://mail/{user}":      "expected the whole path of a directory",
		"maildir:///mail/{usr}":      "expected {user}, {domain} or {detail}",
		"maildir:///mail?quota=some": `quota "some": expected bytes`,
		"imap://host":                `"imap://host": expected a host, or lmtp://, lmtp+unix:// or maildir:// in front`,
	} {
		_, err := mx.ParseRoutes(strings.NewReader("# first\nexample.org:"+target+"\n"), "routes")
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "routes:2: ")
		_, err = mx.NewRelay(target, 0)
		require.ErrorContains(t, err, want)
	}
	_, err := mx.NewRelay("lmtp://host", 24)
	require.ErrorContains(t, err, "port 24: expected none, or the port within the URL, lmtp://host:port")
}
