package live

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor"
)

// filter is a monitor.Filter as people write it.
type filter struct {
	MTA, Domain, Tag string
}

func (f filter) any() bool { return f != filter{} }

// Query is the filter as it stands in addresses, with its question mark; "" when it selects all.
func (f filter) Query() string {
	q := f.values()
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (f filter) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"mta": f.MTA, "domain": f.Domain, "tag": f.Tag} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// String says what is selected: "mail to gmail.com from 192.0.2.1 with tag “x”".
func (f filter) String() string {
	if !f.any() {
		return "all mail"
	}
	text := "mail"
	if f.Domain != "" {
		text += " to " + f.Domain
	}
	if f.MTA != "" {
		text += " from " + f.MTA
	}
	if f.Tag != "" {
		text += " with tag “" + f.Tag + "”"
	}
	return text
}

// filterOf reads a filter. An address that is none is left out.
func filterOf(q url.Values) filter {
	f := filter{Domain: addr.Fold(strings.TrimSpace(human.Cut(q.Get("domain"), 255))),
		Tag: strings.TrimSpace(human.Cut(q.Get("tag"), 255))}
	if mta, err := netip.ParseAddr(strings.TrimSpace(q.Get("mta"))); err == nil {
		f.MTA = mta.Unmap().String()
	}
	return f
}

func (f filter) monitor() monitor.Filter {
	mta, _ := netip.ParseAddr(f.MTA)
	return monitor.Filter{MTA: mta, Domain: f.Domain, Tag: f.Tag}
}
