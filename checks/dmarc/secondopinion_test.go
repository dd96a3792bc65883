package dmarc_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/sluicemail/sluice/internal/testserver"
)

// differs lists the cases that OpenDMARC judges otherwise, and why we do not follow it: it implements RFC 7489.
var differs = map[string]string{
	"np-missing-domain":     "np= is of RFC 9989",
	"np-other-records":      "np= is of RFC 9989",
	"psd-no-other-side":     "psd= is of RFC 9989",
	"psd-no":                "psd= is of RFC 9989",
	"record-bad-p-rua":      "RFC 9989 §4.7 overlooks such mistakes",
	"record-bad-sp-rua":     "RFC 9989 §4.7 overlooks such mistakes",
	"record-garbage":        "RFC 9989 §4.7 overlooks such mistakes",
	"record-no-p":           "RFC 9989 §4.7 takes it for p=none",
	"strict-dkim":           "it lets a subdomain pass for its parent, strict or not",
	"strict-spf":            "it lets a subdomain pass for its parent, strict or not",
	"suffix-list-off":       "the case does without the list of public suffixes",
	"suffix-list-private":   "it takes the suffix for the organisation of a name just below it",
	"suffix-list-strangers": "it takes the suffix for the organisation of a name just below it",
}

// opendmarcProgram asks OpenDMARC's library. A line of input has the domain of From, that of its organisation, the
// record with the domain where it was found, and the domains that passed; a line of output is pass, none, quarantine or
// reject.
const opendmarcProgram = `
import sys, json, ctypes as C
class Lib(C.Structure):
    _fields_ = [('tld_type', C.c_int), ('tld_file', C.c_char * 4096), ('room', C.c_char * 16384)]
lib = Lib()
lib.tld_type, lib.tld_file = 1, b'/usr/share/publicsuffix/public_suffix_list.dat'
l = C.CDLL('libopendmarc.so.2')
l.opendmarc_policy_connect_init.restype = C.c_void_p
if l.opendmarc_policy_library_init(C.byref(lib)) != 0:
    sys.exit('no library')
names = {15: 'pass', 16: 'reject', 17: 'quarantine', 18: 'none'}
for line in sys.stdin:
    c = {k: v.encode() if isinstance(v, str) else v for k, v in json.loads(line).items()}
    p = C.c_void_p(l.opendmarc_policy_connect_init(b'192.0.2.1', 0))
    l.opendmarc_policy_store_from_domain(p, c['from'])
    for d in c['spf'] or []:
        l.opendmarc_policy_store_spf(p, d.encode(), 1, 1, None)
    for d in c['dkim'] or []:
        l.opendmarc_policy_store_dkim(p, d.encode(), b's', 1, None)
    org = c['organisation'] if c['organisation'] != c['from'] else None
    r = l.opendmarc_policy_store_dmarc(p, c['record'], c['at'], org)
    print(names.get(l.opendmarc_get_policy_to_enforce(p), '?') if r == 0 else 'error %d' % r)
`

// question is what OpenDMARC is asked, and our own answer.
type question struct {
	From         string   `json:"from"`
	Organisation string   `json:"organisation"`
	Record       string   `json:"record"`
	At           string   `json:"at"`
	SPF          []string `json:"spf"`
	DKIM         []string `json:"dkim"`

	name, ours string
}

// ask makes a question of a case, or returns nil for one that cannot be put so: without a record at From's domain or
// its organisation's, or with other than one author.
func ask(t *testing.T, c mailsuite.Case) *question {
	field, _ := mailheader.Find(c.Mail, "from")
	var domains []string
	if len(field.Raw) > 0 {
		domains, _ = dmarc.FromDomains(string(field.Value()))
	}
	if len(domains) != 1 || strings.Count(strings.ToLower(string(c.Header())), "\r\nfrom:") > 1 {
		return nil
	}
	q := &question{From: domains[0], name: c.Name}
	q.Organisation, _ = publicsuffix.EffectiveTLDPlusOne(q.From)
	for _, at := range []string{q.From, q.Organisation} {
		texts, err := c.Zone.LookupTXT(t.Context(), "_dmarc."+at)
		if err == nil && len(texts) == 1 && q.Record == "" {
			q.Record, q.At = texts[0], at
		}
	}
	if q.Record == "" {
		return nil
	}
	for _, r := range earlier(c.Files["earlier"]) {
		if r.Verdict != "pass" || len(r.Properties) < 2 {
			continue
		}
		about := r.Properties[1].Value
		about = about[strings.LastIndexByte(about, '@')+1:]
		if r.Check == "spf" {
			q.SPF = append(q.SPF, about)
		} else {
			q.DKIM = append(q.DKIM, about)
		}
	}
	var want struct{ DMARC, Policy string }
	require.NoError(t, json.Unmarshal([]byte(c.Want), &want))
	switch q.ours = want.DMARC; q.ours {
	case "fail":
		q.ours = want.Policy // what is asked for, before t= makes it milder
	case "pass":
	default:
		return nil
	}
	return q
}

// TestOpenDMARC gives the cases to another implementation.
func TestOpenDMARC(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import ctypes; ctypes.CDLL('libopendmarc.so.2')").Run() != nil {
		testserver.Need(t, "opendmarc")
	}
	var questions []*question
	var input bytes.Buffer
	mailsuite.Run(t, "testdata/*.txt", func(t *testing.T, c mailsuite.Case) {
		if q := ask(t, c); q != nil {
			questions = append(questions, q)
			require.NoError(t, json.NewEncoder(&input).Encode(q))
		}
	})
	require.Greater(t, len(questions), 40)
	cmd := exec.CommandContext(t.Context(), python, "-c", opendmarcProgram)
	cmd.Stdin = &input
	out, err := cmd.Output()
	require.NoError(t, err)
	answers := strings.Fields(strings.ReplaceAll(string(out), "error ", "error-"))
	require.Len(t, answers, len(questions))
	for i, q := range questions {
		why, known := differs[q.name]
		if (answers[i] != q.ours) != known {
			t.Errorf("%s: %s here, OpenDMARC says %s (known: %q): %+v", q.name, q.ours, answers[i], why, *q)
		}
	}
}
