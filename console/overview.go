package console

import (
	"net/url"
)

// overviewPage answers what holds mail back, and why.
func overviewPage() page {
	return page{
		path: "/", title: "Overview", group: live, filter: true,
		routes: map[string]view{"GET /{$}": overview},
		topics: map[string]topic{
			"figures":   {value: func(c *Console, q url.Values) any { return c.figures(filterOf(q)) }},
			"attention": {every: attentionEvery, value: func(c *Console, q url.Values) any { return c.held(filterOf(q)) }},
		},
	}
}

type overviewData struct {
	Chart *chart
	Hide  string
	Held  held
}

// held is what holds mail back.
type held struct {
	List    []trouble `json:"list"`
	More    int       `json:"more"` // troubles that are not in the list
	Problem string    `json:"problem,omitempty"`
	Pauses  int       `json:"pauses"`
	Errors  int       `json:"errors"`
}

const maxHeld = 12

func overview(v *visit) error {
	f := v.filter()
	hide := hideOf(v.r.URL.Query())
	return v.render("overview", overviewData{newChart(v.c.figures(f), f, hide), hide, v.c.held(f)})
}

func hideOf(q url.Values) string {
	if hide := cut(q.Get("hide"), 200); hide != "" {
		return hide
	}
	return hiddenAtFirst
}

// held returns the troubles that concern what f selects.
func (c *Console) held(f filter) held {
	all, err := c.attention()
	h := held{List: []trouble{}, Pauses: c.activePauses(), Errors: c.forcedErrors()}
	if err != nil {
		h.Problem = "What holds mail back is not known now: " + err.Error()
	}
	for _, t := range all {
		switch {
		case f.Domain != "" && t.Domain != "" && t.Domain != f.Domain:
		case len(h.List) >= maxHeld:
			h.More++
		default:
			h.List = append(h.List, t)
		}
	}
	return h
}
