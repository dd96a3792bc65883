package smtpout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
)

func TestLimitsAreReadLeniently(t *testing.T) {
	for said, want := range map[string]delivery.Announced{
		"LIMITS MAILMAX=20 RCPTMAX=100 RCPTDOMAINMAX=1":             {Mails: 20, Recipients: 100, Domains: 1},
		"limits mailmax=20":                                         {Mails: 20},
		"LIMITS":                                                    {},
		"LIMITS MAILMAX=0 RCPTMAX=-1 RCPTDOMAINMAX=":                {},
		"LIMITS MAILMAX=ten RCPTMAX 5":                              {},
		"LIMITS MAILMAX=99999999999999999999 RCPTMAX=9":             {Recipients: 9},
		"LIMITS NEWMAX=3 =  == MAILMAX=2=3 RCPTMAX=0x10 MAILMAX=+4": {},
		"LIMITS RCPTMAX=7\tMAILMAX=8":                               {Recipients: 7, Mails: 8},
	} {
		x := parseExtensions([]byte("250-mx.test\n250 " + said))
		require.Equal(t, want, x.limits, said)
	}
}

// TestDeliverByOffered reads the shortest time that a remote delivers in: nonsense is none.
func TestDeliverByOffered(t *testing.T) {
	for said, want := range map[string]time.Duration{"DELIVERBY": 0, "DELIVERBY 240": 4 * time.Minute, "DELIVERBY 0": 0,
		"DELIVERBY -1": 0, "DELIVERBY 1000000000": 1_000_000_000 * time.Second, "DELIVERBY 2000000000": 0,
		"DELIVERBY 18446744073709551616": 0, "DELIVERBY 1e9": 0, "DELIVERBY soon 5": 0} {
		x := parseExtensions([]byte("250-mx\r\n250 " + said + "\r\n"))
		require.True(t, x.deliverBy, said)
		require.Equal(t, want, x.minBy, said)
	}
}

// FuzzExtensions reads what remotes announce: no limit comes of it under which nothing could be sent.
func FuzzExtensions(f *testing.F) {
	f.Add([]byte("250-mx.test\n250-LIMITS MAILMAX=20 RCPTMAX=0\n250-DELIVERBY 240\n250-MT-PRIORITY MIXER\n250 SIZE 10"))
	f.Add([]byte("250-mx.test\n250-DELIVERBY -1\n250-AUTH=LOGIN\n250 LIMITS = RCPTDOMAINMAX=1"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x := parseExtensions(raw)
		l := x.limits
		require.True(t, l.Mails >= 0 && l.Recipients >= 0 && l.Domains >= 0 && x.size >= 0)
		require.True(t, x.minBy >= 0 && x.minBy < 1<<31*time.Second)
	})
}
