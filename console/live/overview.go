package live

import (
	"context"
	"net/url"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// overviewPage answers what holds mail back, and why.
func (c *Live) overviewPage() frame.Page {
	return frame.Page{
		Path: "/", Title: "Overview", Group: frame.Live, Filter: c.filterBar,
		Routes: map[string]frame.View{"GET /{$}": c.overview},
		Topics: map[string]frame.Topic{
			"figures":   {Value: func(_ context.Context, q url.Values) any { return c.figures(filterOf(q)) }},
			"attention": {Every: attentionEvery, Value: func(_ context.Context, q url.Values) any { return c.held(filterOf(q)) }},
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

func (c *Live) overview(v *frame.Visit) error {
	f := filterOf(v.R.URL.Query())
	hide := hideOf(v.R.URL.Query())
	return v.Render("overview", overviewData{newChart(c.figures(f), f, hide), hide, c.held(f)})
}

func hideOf(q url.Values) string {
	if hide := human.Cut(q.Get("hide"), 200); hide != "" {
		return hide
	}
	return hiddenAtFirst
}

// held returns the troubles that concern what f selects.
func (c *Live) held(f filter) held {
	all, err := c.attention()
	h := held{List: []trouble{}, Pauses: c.ActivePauses(), Errors: c.ForcedErrors()}
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
