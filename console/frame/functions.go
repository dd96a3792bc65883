package frame

import (
	"fmt"
	"html/template"
	"net/url"
	"time"

	"github.com/sluicemail/sluice/internal/human"
)

// functions are what templates may call.
func functions() template.FuncMap {
	return template.FuncMap{
		"num": human.Count[int], "num64": human.Count[int64], "size": human.Size, "when": when, "next": next,
		"at":      at,
		"clock":   human.Clock,
		"middle":  human.Middle,
		"segment": url.PathEscape, "plural": human.Plural, "span": human.Span, "dict": dict,
		"ago": func(t time.Time) string { return human.Ago(time.Since(t)) },
	}
}

// when is an element that scripts turn into the viewer's zone, or into "5 min ago"; the exact time is shown on hover.
func when(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339),
		human.Clock(t), human.Clock(t)))
}

// at is when for lists in which one time is compared with another: the time of day, never "5 min ago".
func at(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s" data-exact>%s</time>`, t.UTC().Format(time.RFC3339),
		human.Clock(t), t.UTC().Format("01-02 15:04:05")))
}

// next is when for the time of the next attempt: what is past, or very near, is "now".
func next(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	if time.Until(t) < time.Second {
		return "now"
	}
	return when(t)
}

// dict makes a map of names and values, for templates that call others.
func dict(pairs ...any) (map[string]any, error) {
	made := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		made[name] = pairs[i+1]
	}
	return made, nil
}
