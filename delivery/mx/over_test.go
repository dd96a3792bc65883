package mx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoutesOverOthers(t *testing.T) {
	routes := func(pairs ...string) *Routes {
		r := &Routes{}
		for i := 0; i < len(pairs); i += 2 {
			require.NoError(t, r.Add(pairs[i], Relay{Host: pairs[i+1]}))
		}
		return r
	}
	first := routes("both.test", "first", "*.wild.*", "first", ".under.test", "first")
	second := routes("both.test", "second", "only.test", "second", "a.*", "second", "*.wild.test", "second", "", "second")
	both := first.Over(second)
	for domain, want := range map[string]string{"both.test": "first", "only.test": "second", "a.wild.test": "first",
		"a.other":      "second",
		"x.under.test": "first", "any.test": "second"} {
		relay, found := both.Find(domain)
		require.True(t, found)
		require.Equal(t, want, relay.Host, domain)
	}
	relay, _ := second.Find("both.test")
	require.Equal(t, "second", relay.Host, "neither is changed")
	var none *Routes
	require.Same(t, first, none.Over(first))
	require.Same(t, first, first.Over(none))
	require.Nil(t, none.Over(none))
}

func TestNewRelay(t *testing.T) {
	for _, c := range []struct {
		host string
		port int64
		want Relay
	}{
		{" relay.test ", 0, Relay{Host: "relay.test"}}, {"[2001:db8::1]", 26, Relay{Host: "2001:db8::1", Port: 26}},
		{"192.0.2.1", 25, Relay{Host: "192.0.2.1", Port: 25}}, {"", 0, Relay{}},
	} {
		got, err := NewRelay(c.host, c.port)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	for host, port := range map[string]int64{"": 25, "a b": 0, "imap://x": 0, "x.test": 65536, "y.test": -1,
		"fe80::1%eth0": 25} {
		_, err := NewRelay(host, port)
		require.Error(t, err, host)
	}
}
