package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/internal/human"
)

// trouble is why mail to a domain waits, in a sentence.
type trouble struct {
	Domain  string    `json:"domain,omitempty"`
	Name    string    `json:"name"` // the domain, or what else is held
	Link    string    `json:"link"`
	Kind    string    `json:"kind"` // one of serious
	Why     string    `json:"why"`
	Waiting int       `json:"waiting"`          // messages in memory, and those that pauses hold
	Failed  int       `json:"failed,omitempty"` // messages that were not accepted in the last minute
	Parked  bool      `json:"parked"`           // more of them are set aside
	Next    time.Time `json:"next,omitzero"`
	from    []string
}

// serious orders kinds: of several reasons the first is shown.
var serious = []string{"paused", "flood", "offline", "failing", "throttle", "dns", "slots"}

// attention turns what the delivery engine tells of paths and pauses, and the domains that fail, into a line for each
// domain, what concerns most messages first. What a pause of tags or addresses holds has a line of its own.
func attention(paths []admin.Path, parked []admin.Held, failing []trouble, now time.Time) []trouble {
	by := map[string]*trouble{}
	for i := range parked {
		h := &parked[i]
		if t := heldBy(h, now); h.Messages > 0 && by[t.Name] == nil {
			by[t.Name] = t
		} else if h.Messages > 0 {
			by[t.Name].join(t)
		}
	}
	for i := range paths {
		found := judge(&paths[i], now)
		if found == nil {
			continue
		}
		known := by[found.Name]
		if known == nil {
			by[found.Name] = found
			continue
		}
		known.join(found)
	}
	for i := range failing {
		if known := by[failing[i].Name]; known != nil {
			known.join(&failing[i])
		} else {
			by[failing[i].Name] = &failing[i]
		}
	}
	all := make([]trouble, 0, len(by))
	for _, t := range by {
		if len(t.from) > 1 {
			t.Why += fmt.Sprintf(" (%d addresses)", len(t.from))
		}
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b trouble) int {
		return cmp.Or(b.concerned()-a.concerned(), strings.Compare(a.Name, b.Name))
	})
	return all
}

// gravity is the place of a kind in serious.
func gravity(kind string) int { return slices.Index(serious, kind) }

// concerned is how many messages a trouble is about.
func (t *trouble) concerned() int { return max(t.Waiting, t.Failed) }

func (t *trouble) join(o *trouble) {
	t.Waiting += o.Waiting
	t.Failed += o.Failed
	t.Parked = t.Parked || o.Parked
	t.from = append(t.from, o.from...)
	if gravity(o.Kind) < gravity(t.Kind) {
		t.Kind, t.Why = o.Kind, o.Why
	}
	if t.Next.IsZero() || !o.Next.IsZero() && o.Next.Before(t.Next) {
		t.Next = o.Next
	}
}

// judge says what holds the mail of a path back; nil: nothing does.
func judge(p *admin.Path, now time.Time) *trouble {
	t := &trouble{Domain: p.Site, Name: p.Site, Link: "/domains/" + url.PathEscape(p.Site), Waiting: p.Ready + p.Resolving,
		Parked: p.Parked > 0, from: []string{p.Source}}
	switch {
	case len(p.Binding) > 0 && p.Binding[0].Limit == "pause":
		b := p.Binding[0]
		t.Kind, t.Next = "paused", b.Until
		t.Why = "Delivery is paused by " + messages.RuleName(b.Rule) + endOf(b.Until, now) + "."
		if f := floodOf(p); f != nil {
			t.Kind, t.Why = "flood", floodSentence(f, now)
		}
	case floodOf(p) != nil && t.Waiting > 0:
		f := floodOf(p)
		t.Kind, t.Why, t.Next = "flood", floodSentence(f, now), f.Until
	case p.Offline.After(now):
		t.Kind, t.Next = "offline", p.Offline
		t.Why = "No host could be reached: " + cmp.Or(p.LastError, "the reason is not known") + "."
	case len(p.Binding) > 0 && t.Waiting > 0:
		b := p.Binding[0]
		t.Kind, t.Next = "throttle", b.Until
		t.Why = limitSentence(p, &b)
	case p.Resolving > 0:
		t.Kind, t.Why = "dns", "The mail servers of the domain are being looked up."
	case p.NoSlot && t.Waiting > 0:
		t.Kind, t.Why = "slots", "All connections of this server are in use."
	default:
		return nil
	}
	t.Why = strings.ReplaceAll(t.Why, "..", ".")
	return t
}

// heldBy tells of the mail that a pause holds.
func heldBy(h *admin.Held, now time.Time) *trouble {
	t := &trouble{Domain: h.Domain, Name: h.Domain, Link: "/domains/" + url.PathEscape(h.Domain), Kind: "paused",
		Waiting: h.Messages, Next: h.Until}
	switch {
	case h.Tag != "":
		t.Name, t.Link = "tag “"+h.Tag+"”", "/tags/"+url.PathEscape(h.Tag)
	case h.Domain == "":
		t.Name, t.Link = human.Capital(h.Rule), "/pauses"
	}
	t.Why = "Delivery is paused by " + messages.RuleName(h.Rule) + endOf(h.Until, now) + "."
	if h.Flowing {
		t.Why, t.Next = "A pause is over, and what it held comes back.", time.Time{}
	}
	return t
}

func floodOf(p *admin.Path) *admin.Flood {
	if len(p.Floods) == 0 {
		return nil
	}
	return &p.Floods[0]
}

func floodSentence(f *admin.Flood, now time.Time) string {
	said := ""
	if f.Text != "" {
		said = " after “" + human.Middle(f.Text, 80) + "”"
	}
	what := "slowed down"
	if f.Phase == "paused" {
		what = "paused"
	}
	return fmt.Sprintf("Flood “%s”: %s%s%s.", f.Name, what, said, endOf(f.Until, now))
}

// limitSentence says which limit holds, how much it allows, and where it comes from.
func limitSentence(p *admin.Path, b *admin.Binding) string {
	for _, v := range p.Limits {
		if v.Limit == b.Limit {
			rule := human.Capital(messages.RuleName(cmp.Or(b.Rule, v.Rule)))
			return fmt.Sprintf("%s allows %s.", rule, allowance(v.Limit, v.Value))
		}
	}
	return fmt.Sprintf("The limit %s of %s holds.", b.Limit, messages.RuleName(b.Rule))
}

// allowance is a limit in words.
func allowance(limit string, n int64) string {
	scope := ""
	name, perTarget := strings.CutPrefix(limit, "ip_")
	if perTarget {
		scope = " for each target address"
	}
	count := human.Count(n)
	switch name {
	case "maxmessages":
		return count + " msg/min" + scope
	case "maxbytes":
		return human.Size(n) + "/min" + scope
	case "maxconnects":
		return count + " new connections/min" + scope
	case "maxconnections":
		return human.Plural(int(n), "connection") + " at a time" + scope
	case "maxstarting":
		return human.Plural(int(n), "connection") + " being made at a time" + scope
	}
	return limit + " " + count + scope
}

func endOf(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", for " + human.Span(t.Sub(now)) + " more"
}

// heldBack is what holds mail back, and how much of it pauses hold.
type heldBack struct {
	list    []trouble
	parked  []admin.Held
	from    map[string]sent
	unknown error // why there is nothing of pauses
}

// sent is what is known of the paths from a local address.
type sent struct {
	waiting int64  // messages in memory
	flood   string // what slows some of them down; "": none does
}

// byAddress adds the paths of each local address up.
func byAddress(paths []admin.Path, now time.Time) map[string]sent {
	all := map[string]sent{}
	for i := range paths {
		p := &paths[i]
		one := all[p.Source]
		one.waiting += int64(p.Ready + p.Resolving)
		if f := floodOf(p); f != nil && one.flood == "" {
			one.flood = "To " + p.Site + ": " + floodSentence(f, now)
		}
		all[p.Source] = one
	}
	return all
}

const (
	attentionEvery = 2 * time.Second
	attentionTime  = 5 * time.Second
)

// attention returns what holds mail back: the side bar of every page counts it. The slice is shared.
func (c *Live) attention() ([]trouble, error) {
	now, err := c.heldBack()
	return now.list, errors.Join(err, now.unknown)
}

func (c *Live) heldBack() (heldBack, error) {
	if c.Admin == nil {
		return heldBack{}, nil
	}
	all, _, err := c.troubled.Get()
	if err != nil {
		return heldBack{}, err // what it was before is not how it is now
	}
	return all, nil
}

func (c *Live) askHeldBack(ctx context.Context) (heldBack, error) {
	paths, err := c.Admin.Explain(ctx, "", netip.Addr{})
	if err != nil {
		return heldBack{}, err
	}
	parked, unknown := c.Admin.HeldByPauses(ctx)
	c.namePauses(paths, parked)
	return heldBack{attention(paths, parked, c.allFailing(), c.Now()), parked, byAddress(paths, c.Now()), unknown}, nil
}

// namePauses has paths and mail that pauses hold told with the words of what each pause is for.
func (c *Live) namePauses(paths []admin.Path, parked []admin.Held) {
	pauses := c.Settings.Current().Rows.Pauses
	for i := range parked {
		parked[i].Rule = messages.NameOfPause(parked[i].Rule, pauses)
	}
	for i := range paths {
		for j := range paths[i].Binding {
			b := &paths[i].Binding[j]
			b.Rule = messages.NameOfPause(b.Rule, pauses)
		}
	}
}

// heldTo returns what pauses hold to a domain: one, or none.
func (c *Live) heldTo(domain string) []admin.Held {
	now, _ := c.heldBack()
	for _, h := range now.parked {
		if h.Messages > 0 && h.Domain == domain {
			return []admin.Held{h}
		}
	}
	return nil
}

func (c *Live) inTrouble() int {
	n := 0
	list, _ := c.attention()
	for i := range list {
		if list[i].Domain != "" {
			n++
		}
	}
	return n
}
