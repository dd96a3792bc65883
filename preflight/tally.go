package preflight

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// mostTags is how many tags are counted apart. What has others is counted as mail without a tag.
const mostTags = 1000

// Tally counts what was found in mails, by tag. The zero Tally has counted nothing. It is safe for concurrent use.
type Tally struct {
	mu   sync.Mutex
	tags map[string]*tagged
}

// tagged is what was found in the mails of one tag.
type tagged struct {
	mails int64
	found [ruleCount]Count
}

// Count is how often something was found in the mails of a tag.
type Count struct {
	Tag      string    `json:"tag"` // "": mails without one
	ID       string    `json:"id"`
	Severity Severity  `json:"severity"`
	Mails    int64     `json:"mails"`   // in which it was found
	Looked   int64     `json:"looked"`  // mails of the tag that were looked at
	Example  string    `json:"example"` // what was found last
	Last     time.Time `json:"last"`
}

// Add counts what was found in a mail. One without tags counts under "".
func (t *Tally) Add(tags []string, findings []Finding, at time.Time) {
	if len(tags) == 0 {
		tags = []string{""}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, tag := range tags {
		if !slices.Contains(tags[:i], tag) {
			t.of(tag).add(findings, at)
		}
	}
}

func (t *Tally) of(tag string) *tagged {
	if t.tags == nil {
		t.tags = map[string]*tagged{}
	}
	if t.tags[tag] == nil && len(t.tags) >= mostTags {
		tag = ""
	}
	if t.tags[tag] == nil {
		t.tags[tag] = new(tagged)
	}
	return t.tags[tag]
}

func (t *tagged) add(findings []Finding, at time.Time) {
	t.mails++
	var told [ruleCount]bool
	for _, f := range findings {
		n := rank(f.ID)
		c := &t.found[n]
		if !told[n] {
			told[n] = true
			c.Mails++
		}
		c.ID, c.Severity, c.Example, c.Last = f.ID, f.Severity, f.Found, at
	}
}

// Counts returns what was found: the worst first, then what is in the most mails. looked is how many mails of all tags
// were looked at; mail of several tags counts for each.
func (t *Tally) Counts() (counts []Count, looked int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tag, of := range t.tags {
		looked += of.mails
		for _, c := range of.found {
			if c.Mails > 0 {
				c.Tag, c.Looked = tag, of.mails
				counts = append(counts, c)
			}
		}
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(slices.Index(Severities(), a.Severity), slices.Index(Severities(), b.Severity)),
			cmp.Compare(b.Mails, a.Mails), cmp.Compare(a.Tag, b.Tag), cmp.Compare(rank(a.ID), rank(b.ID)))
	})
	return counts, looked
}
