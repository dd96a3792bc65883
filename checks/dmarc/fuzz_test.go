package dmarc_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/addr"
)

func FuzzParseRecord(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; aspf=r; t=y; psd=n; rua=mailto:a@b,mailto:c@d!10m")
	f.Add("v = DMARC1;;=;p=")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := dmarc.ParseRecord(text)
		if !ok {
			require.Equal(t, dmarc.Record{}, r)
			return
		}
		require.Contains(t, []dmarc.Policy{dmarc.PolicyNone, dmarc.PolicyQuarantine, dmarc.PolicyReject}, r.Policy)
		again, ok := dmarc.ParseRecord(text + ";x=y;p=reject;p=none")
		require.True(t, ok)
		require.Equal(t, r.PSD, again.PSD)
		require.Equal(t, r.Testing, again.Testing)
	})
}

// What net/mail can read means the same here: a mail program shows what is judged.
func FuzzFromDomains(f *testing.F) {
	f.Add(`"Ann, of \"x\"" <ann@example.org>, (c (d)) Bob <"b@x"@example.com>`)
	f.Add(`Team: a@b.c, <d@e.f>;`)
	f.Add(`a@b (c) <d@e.f>, `)
	f.Add(`<@a,@b:c@d.e>`)
	f.Fuzz(func(t *testing.T, value string) {
		domains, nobody := dmarc.FromDomains(value)
		require.False(t, nobody && len(domains) > 0)
		list, err := mail.ParseAddressList(value)
		if err != nil || strings.Contains(value, "=?") {
			return
		}
		for _, a := range list {
			_, domain := addr.Split(a.Address)
			domain = addr.Fold(domain)
			if addr.ValidDomain(domain, addr.Loose) && !strings.HasPrefix(domain, "[") && domains != nil {
				require.Contains(t, domains, domain, "%q", value)
			}
		}
	})
}
