package mta

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
)

// TestLinkLocalAddressesStayHere has a machine with addresses of all kinds: the settings database and the other
// instances of a cluster hear of those only that mean something elsewhere.
func TestLinkLocalAddressesStayHere(t *testing.T) {
	var ips []netip.Addr
	for _, text := range []string{"127.0.0.1", "::1", "192.0.2.1", "169.254.7.7", "2001:db8::1", "fe80::1", "fe80::2%eth0",
		"10.1.2.3", "fd00::1"} {
		ips = append(ips, netip.MustParseAddr(text))
	}
	var rows []string
	for _, row := range listed(ips, "mx1") {
		require.Equal(t, settings.IP{IP: row.IP, Hostname: "mx1"}, row)
		rows = append(rows, row.IP)
	}
	require.Equal(t, []string{"127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "10.1.2.3", "fd00::1"}, rows)
	var told []string
	for _, ip := range announced(&config.Config{SMTPHostname: "mx1"}, ips).IPs {
		told = append(told, ip.String())
	}
	require.Equal(t, []string{"192.0.2.1", "2001:db8::1", "10.1.2.3", "fd00::1"}, told)
}
