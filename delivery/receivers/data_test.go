package receivers

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/queue"
)

// TestNoRuleIsDead holds every rule of the standard book against its own examples, among all other rules: each example
// gets the class of its rule, some example gets it from that very rule, and each of its words is in an example.
func TestNoRuleIsDead(t *testing.T) {
	b, problems := build(standardFiles())
	require.Empty(t, problems)
	require.Greater(t, len(b.Rules()), 200)
	for i := range b.rules {
		r := &b.rules[i]
		decides := false
		for _, e := range r.Examples {
			got := b.Rule(e.Code, e.Status, e.Description, r.Group)
			require.NotNil(t, got, "%s:%d", r.File, e.Line)
			require.Equal(t, r.Class, got.Class, "%s:%d: %s is first, for: %s", r.File, e.Line, got, e.Description)
			decides = decides || got == r
		}
		require.True(t, decides, "%s: others come before it for every example", r)
		for _, text := range r.texts {
			require.True(t, slices.ContainsFunc(r.Examples, func(e Example) bool {
				return hasText([][][]byte{text}, appendPlain(nil, e.Description))
			}), "%s: no example has %q", r, text)
		}
		for _, s := range r.statuses {
			require.True(t, slices.ContainsFunc(r.Examples, func(e Example) bool { return s.has(parseEnhanced(e.Status)) }),
				"%s: no example has one of %v", r, s)
		}
	}
}

func TestEveryRuleIsSourced(t *testing.T) {
	for _, r := range Standard().Rules() {
		require.NotEmpty(t, r.Source, "%s", &r)
		require.NotEmpty(t, r.Date, "%s", &r)
		require.NotEmpty(t, r.Examples, "%s", &r)
	}
}

// TestRealExamples counts what was seen at the largest receivers, and elsewhere: samples are the exception there.
func TestRealExamples(t *testing.T) {
	real, all := make(map[string]int), make(map[string]int)
	for _, r := range Standard().Rules() {
		for _, e := range r.Examples {
			all[r.Group]++
			if !e.Sample {
				real[r.Group]++
			}
		}
	}
	for group, least := range map[string]int{"gmail": 50, "yahoo": 20, "outlook": 10, "microsoft365": 10, "": 180} {
		require.GreaterOrEqual(t, real[group], least, "%s, of %d", group, all[group])
	}
	require.Equal(t, all["gmail"], real["gmail"])
}

// mailDomains are domains of mailboxes: having mail of theirs says nothing about where somebody's MX hosts are.
var mailDomains = strings.Fields(`gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.co.jp yahoo.fr ymail.com
	rocketmail.com aol.com att.net sbcglobal.net bellsouth.net prodigy.net verizon.net outlook.com outlook.de hotmail.com
	hotmail.fr live.com msn.com icloud.com me.com mac.com comcast.net xfinity.com gmx.net gmx.de gmx.com gmx.at gmx.ch web.de
	mail.com orange.fr wanadoo.fr laposte.net free.fr sfr.fr neuf.fr t-online.de magenta.de kpnmail.nl kpn.nl xs4all.nl qq.com
	foxmail.com 163.com 126.com yeah.net mail.ru bk.ru list.ru inbox.ru yandex.ru yandex.com ya.ru zoho.com zohomail.com
	cox.net charter.net spectrum.net rr.com docomo.ne.jp ezweb.ne.jp au.com facebook.com libero.it virgilio.it rambler.ru
	seznam.cz wp.pl o2.pl interia.pl proton.me protonmail.com hey.com fastmail.com mimecast.com google.com microsoft.com
	apple.com amazon.com`)

// TestGroupsAreOfHosts: a group is found by the names of its MX hosts. A domain of mailboxes as such a name would find
// hosts of others that are named so.
func TestGroupsAreOfHosts(t *testing.T) {
	seen := make(map[string]string)
	for _, g := range Standard().Groups() {
		require.NotEmpty(t, g.Title, g.Name)
		require.NotEmpty(t, g.MX, g.Name)
		for _, mx := range g.MX {
			require.NotContains(t, mailDomains, mx, g.Name)
			require.Empty(t, seen[mx], mx)
			seen[mx] = g.Name
		}
	}
	for _, domain := range mailDomains {
		require.Empty(t, Standard().Group(domain), domain)
	}
	for host, group := range map[string]string{
		"gmail-smtp-in.l.google.com": "gmail", "aspmx.l.google.com": "gmail", "smtp.google.com": "gmail",
		"aspmx2.googlemail.com": "gmail", "aspmx2.googlemail.com.": "gmail", "google.com": "",
		"mta5.am0.yahoodns.net": "yahoo", "mx-aol.mail.gm0.yahoodns.net": "yahoo", "yahoodns.net": "yahoo",
		"notyahoodns.net":                        "",
		"outlook-com.olc.protection.outlook.com": "outlook", "example-com.mail.protection.outlook.com": "microsoft365",
		"mx01.mail.icloud.com": "apple", "mx1a1.comcast.net": "comcast", "smtp.comcast.net": "",
		"mx00.emig.gmx.net": "gmx", "mx-ha02.web.de": "gmx", "smtp-in.orange.fr": "orange",
		"eu-smtp-inbound-1.mimecast.com": "mimecast", "mxa-0001.gslb.pphosted.com": "proofpoint",
		"d1.ess.barracudanetworks.com": "barracuda", "mx3.qq.com": "qq", "mxbiz1.qq.com": "qq",
		"163mx01.mxmail.netease.com": "netease", "mxs.mail.ru": "mailru", "mx.yandex.ru": "yandex", "mx2.zoho.com": "zoho",
		"": "", "localhost": "",
	} {
		require.Equal(t, group, Standard().Group(host), host)
	}
}

// TestArchive holds the book against replies that servers gave, most of which no rule has as its example.
func TestArchive(t *testing.T) {
	file, err := os.Open("testdata/archive.tsv")
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	n, other := 0, 0
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		parts := strings.SplitN(lines.Text(), "\t", 3)
		require.Len(t, parts, 3)
		said := reply.Parse([]byte(parts[2]))
		result := queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: said.Code, Status: said.Status,
			Description: said.Description}
		require.Equal(t, queue.Class(parts[0]), Standard().Class(&result, parts[1]), "%s: %s", parts[1], parts[2])
		n++
		if parts[0] == "other" {
			other++
		}
	}
	require.NoError(t, lines.Err())
	require.Greater(t, n, 450)
	require.Less(t, other, n/40, "so few say nothing")
}
