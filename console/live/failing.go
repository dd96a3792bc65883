package live

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor"
)

// fewest is how many messages a share is told of.
const fewest = 10

// failing is the trouble of what accepts no mail, or refuses more than it accepts; nil: mail flows, or none was
// finished in the last minute. A domain tells with the answer it gave last.
func (c *Live) failing(domain string, sum *monitor.Counts) *trouble {
	bad := sum.Retried + sum.Errors + sum.NotTried
	all := bad + sum.Delivered
	if bad <= sum.Delivered || sum.Delivered > 0 && all < fewest {
		return nil
	}
	t := &trouble{Domain: domain, Name: domain, Link: "/domains/" + url.PathEscape(domain), Kind: "failing", Failed: int(bad)}
	switch {
	case sum.NotTried == all:
		t.Why = human.Plural(int(all), "message") + " finished without an attempt in the last 60 s: expired, suppressed, or refused by a forced error."
		return t
	case sum.Delivered == 0 && all == 1:
		t.Why = "The only message that was tried in the last 60 s was not accepted."
	case sum.Delivered == 0:
		t.Why = fmt.Sprintf("None of %s was accepted in the last 60 s.", human.Plural(int(all), "message"))
	default:
		t.Why = fmt.Sprintf("Of %s in the last 60 s, %s were not accepted.", human.Plural(int(all), "message"),
			human.Count(bad))
	}
	if answers := c.Figures.Answers(domain); domain != "" && len(answers) > 0 {
		t.Why += " The last answer: “" + human.Middle(said(answers[0]), 120) + "”."
	}
	return t
}

// said is an answer as the remote gave it.
func said(a monitor.Answer) string {
	if a.Code == 0 {
		return a.Text
	}
	return strconv.Itoa(a.Code) + " " + a.Text
}

// allFailing are the domains that fail, of all.
func (c *Live) allFailing() []trouble {
	var all []trouble
	rows := c.rows("domains")
	for i := range rows {
		if rows[i].Name == "" {
			continue
		}
		if t := c.failing(rows[i].Name, &rows[i].Sum); t != nil {
			all = append(all, *t)
		}
	}
	return all
}

// flow is what is told of mail that nothing holds back: to a domain, or of an address or tag when that is "".
func (c *Live) flow(domain string, sum *monitor.Counts, now *monitor.Gauges) (kind, why string) {
	switch t := c.failing(domain, sum); {
	case t != nil:
		return t.Kind, t.Why
	case sum.Delivered > 0:
		return "ok", ""
	case now.InMemory > 0:
		return "waits", "Messages are in memory, and none was finished in the last 60 s."
	}
	return "unknown", ""
}
