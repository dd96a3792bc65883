package tls

import (
	"cmp"
	"context"
	"embed"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/human"
)

// Files are the templates and the module of the pages.
//
//go:embed *.html *.js
var Files embed.FS

// Trust are the pages. Its fields are set before Pages is called, and stay as they are.
type Trust struct {
	Admin *admin.Admin

	known *frame.Latest[*known]
}

// known is all that there is to show, at one time.
type known struct {
	policies []admin.TLSPolicy
	reports  []admin.TLSReport
	received []feedback.Record // reports of others, the newest first
	total    int64             // when it changes, the page is drawn again
}

const (
	every      = 2 * time.Second
	onPage     = 100 // policies
	mostShown  = 50  // reports of each list
	mostListed = 5   // hosts of a policy
)

// Pages are the pages, for a frame that serves them.
func (t *Trust) Pages(f *frame.Frame) []frame.Page {
	t.known = frame.NewLatest(f, every, 0, t.look)
	return []frame.Page{{Path: "/tls", Title: "TLS", Group: frame.Live,
		Routes: map[string]frame.View{"GET /tls": t.view, "GET /tls/part": t.part, "GET /tls/test": t.form,
			"POST /tls/test": t.test},
		Topics: map[string]frame.Topic{"tls": {Every: every, Value: func(context.Context, url.Values) any {
			all, _, _ := t.known.Get()
			if all == nil {
				return 0
			}
			return all.total
		}}},
	}}
}

// look asks for everything.
func (t *Trust) look(ctx context.Context) (*known, error) {
	all := new(known)
	var err error
	if all.policies, err = t.Admin.TLSPolicies(ctx); err != nil {
		return nil, err
	}
	if all.reports, err = t.Admin.TLSReports(ctx); err != nil {
		return nil, err
	}
	if t.Admin.Feedback != nil {
		all.received = t.Admin.Feedback.Records(feedback.Query{Kind: feedback.TLS, Limit: 1000})
	}
	all.total = all.sum()
	return all, nil
}

// sum is another number when something is another, and one that browsers can count with.
func (k *known) sum() int64 {
	sum := uint64(0)
	add := func(n int64) { sum = sum*31 + uint64(n) }
	for i := range k.policies {
		p := &k.policies[i]
		add(p.Good)
		add(p.Failed)
		add(p.Fetched.Unix())
		add(p.FailedAt.Unix())
	}
	for i := range k.reports {
		add(k.reports[i].At.Unix())
		add(k.reports[i].Good)
	}
	for i := range k.received {
		add(k.received[i].Time.UnixNano())
	}
	return int64(sum >> 12)
}

// search is what the form says, as it was typed.
type search struct{ Domain, Policy, Failing, State string }

func (s *search) fields() human.Form {
	return human.Form{"domain": &s.Domain, "policy": &s.Policy, "failing": &s.Failing, "state": &s.State}
}

// data is what tls.html gets.
type data struct {
	Of       search
	Total    int64 // see known
	Off      string
	Problem  string
	Then     string
	Policies []policyLine
	Matching int // policies that match, on all pages
	All      int
	Counts   []count
	Sort     frame.Sort
	Prev     string // addresses of the pages before and behind; "": none
	Next     string
	Reports  []reportLine
	MoreSent int // reports that are not shown
	Received []receivedLine
	MoreRead int
	States   []state
}

// count is how many domains have a policy.
type count struct {
	Words, Path string
	N           int
}

// state is what may have become of a report, to choose.
type state struct {
	Name, Words string
	Chosen      bool
}

func (t *Trust) view(v *frame.Visit) error {
	q := v.R.URL.Query()
	d, all := t.data(v)
	switch {
	case d.Problem != "":
		return v.RenderStatus(http.StatusBadRequest, "tls", d)
	case q.Get("format") == "csv" && d.Off == "":
		if q.Get("table") == "reports" {
			return v.CSV("tls-reports", frame.Rows(reportRows(all.reports)))
		}
		return v.CSV("tls-policies", frame.Rows(policyRows(all.policies)))
	}
	return v.Render("tls", d)
}

// part renders what changes, for scripts that put it into the page.
func (t *Trust) part(v *frame.Visit) error {
	d, _ := t.data(v)
	return v.Partial("tls", "parts", v.Bare(d))
}

// matching is what was searched for, in the order of the page.
type matching struct {
	policies []*admin.TLSPolicy
	reports  []*admin.TLSReport
}

// data makes what is shown, and returns all that matches in its order.
func (t *Trust) data(v *frame.Visit) (*data, matching) {
	d, q := new(data), v.R.URL.Query()
	d.Of.fields().Read(q, 255)
	for _, s := range admin.ReportStates() {
		d.States = append(d.States, state{s, wordsOf(s), d.Of.State == s})
	}
	policies, reports, err := d.Of.tests()
	if err != nil {
		shown := v.Frame.Fault(err)
		d.Problem, d.Then = shown.What, shown.Next
		return d, matching{}
	}
	now, _, err := t.known.Get()
	if err != nil || now == nil {
		d.Off = "Nobody is asked for policies on TLS."
		return d, matching{}
	}
	d.Total, d.All = now.total, len(now.policies)
	found := matching{only(now.policies, policies), only(now.reports, reports)}
	d.count(now.policies)
	d.Sort = arrange(found.policies, q.Get("sort"))
	d.page(found.policies, q.Get("from"))
	for i := range found.reports[:min(len(found.reports), mostShown)] {
		d.Reports = append(d.Reports, reportLineOf(found.reports[i]))
	}
	d.MoreSent = len(found.reports) - len(d.Reports)
	for i := range now.received {
		r := &now.received[i]
		if !strings.Contains(strings.ToLower(r.Domain), strings.ToLower(d.Of.Domain)) {
			continue
		}
		if len(d.Received) < mostShown {
			d.Received = append(d.Received, receivedLineOf(r))
		} else {
			d.MoreRead++
		}
	}
	return d, found
}

// tests returns what selects policies and reports, and what is wrong with what was typed.
func (s *search) tests() (policies func(*admin.TLSPolicy) bool, reports func(*admin.TLSReport) bool, err error) {
	given := func(names ...string) admin.Values {
		values := admin.Values{}
		for _, name := range names {
			if text := *s.fields()[name]; text != "" {
				values[name] = text
			}
		}
		return values
	}
	of, sent := given("domain", "policy", "failing"), given("domain", "state")
	err = cmp.Or(admin.CheckFields(admin.TLSPolicyFields(), of), admin.CheckFields(admin.TLSReportFields(), sent))
	return admin.MatchTLSPolicy(of), admin.MatchTLSReport(sent), err
}

func only[T any](all []T, matches func(*T) bool) (found []*T) {
	for i := range all {
		if matches(&all[i]) {
			found = append(found, &all[i])
		}
	}
	return found
}

// count counts the domains under each policy.
func (d *data) count(all []admin.TLSPolicy) {
	n := map[string]int{}
	for i := range all {
		n[all[i].Policy]++
		if all[i].Failed > 0 {
			n["failing"]++
		}
	}
	d.Counts = []count{{"DANE", "/tls?policy=dane", n["dane"]}, {"MTA-STS", "/tls?policy=sts", n["sts"]},
		{"neither", "/tls?policy=none", n["none"]}, {"failing today", "/tls?failing=true", n["failing"]}}
}

// arrange sorts policies, and returns by what: usually where most connections failed comes first.
func arrange(all []*admin.TLSPolicy, by string) frame.Sort {
	key, down := strings.CutPrefix(by, "-")
	var compare func(a, b *admin.TLSPolicy) int
	switch key {
	case "domain":
		compare = func(a, b *admin.TLSPolicy) int { return 0 }
	case "good":
		compare = func(a, b *admin.TLSPolicy) int { return cmp.Compare(a.Good, b.Good) }
	case "expires":
		compare = func(a, b *admin.TLSPolicy) int { return a.Expires.Compare(b.Expires) }
	default:
		if key != "failed" {
			key, down = "failed", true
		}
		compare = func(a, b *admin.TLSPolicy) int { return cmp.Compare(a.Failed, b.Failed) }
	}
	sign := 1
	if down {
		sign, key = -1, "-"+key
	}
	slices.SortStableFunc(all, func(a, b *admin.TLSPolicy) int { return sign * compare(a, b) }) // they come by name
	if key == "-domain" {
		slices.Reverse(all)
	}
	return frame.Sort(key)
}

// page shows a part of the policies.
func (d *data) page(all []*admin.TLSPolicy, start string) {
	from, _ := strconv.Atoi(start)
	from = min(max(from, 0), len(all))
	d.Matching = len(all)
	end := min(from+onPage, len(all))
	for i := range all[from:end] {
		d.Policies = append(d.Policies, policyLineOf(all[from+i]))
	}
	if from > 0 {
		d.Prev = d.address(d.Sort, max(from-onPage, 0))
	}
	if end < len(all) {
		d.Next = d.address(d.Sort, end)
	}
}

func (d *data) address(sort frame.Sort, from int) string {
	q := d.Of.fields().Values()
	if sort != "-failed" {
		q.Set("sort", string(sort))
	}
	if from > 0 {
		q.Set("from", strconv.Itoa(from))
	}
	if len(q) == 0 {
		return "/tls"
	}
	return "/tls?" + q.Encode()
}

// Export is the address of a table as comma separated values.
func (d *data) Export(table string) string {
	q := d.Of.fields().Values()
	q.Set("sort", string(d.Sort))
	q.Set("format", "csv")
	q.Set("table", table)
	return "/tls?" + q.Encode()
}

// SortBy is the address of the page after a click on the head of a column.
func (d *data) SortBy(key string) string {
	return d.address(d.Sort.Click(key, key == "domain" || key == "expires"), 0)
}

// shown is a text of strangers on one line.
func shown(s string, most int) string { return human.Cut(mailview.Printable(s), most) }
