package frame

import (
	"context"
	"net/url"
)

// shell is what layout.html gets: the page and all around it.
type shell struct {
	Title, Hostname, Version string
	Path                     string // of the request, with its query: where forms of the shell come back to
	Static                   string // begin of the address of static files
	Theme                    string // "light", "dark", "": as the system is
	CSRF                     string
	User                     string // "": nobody is logged in
	Nav                      []navGroup
	Filter                   any // of the page; nil: it has none
	Notices                  []string
	Troubles                 []string // what is wrong with the server itself: the database is down
	Body                     any
}

type navGroup struct {
	Name  string
	Items []navItem
	Open  bool // unless somebody has said otherwise: the last groups would lie below the fold
}

type navItem struct {
	Title, Path string
	Count       int
	Current     bool
}

func (v *Visit) shell(body any) *shell {
	f := v.Frame
	s := &shell{Title: v.page.Title, Hostname: f.Hostname, Version: f.Version, Path: v.R.URL.RequestURI(),
		Static: "/static/" + f.files.version, Theme: themeOf(v.R), Body: body}
	if v.Title != "" {
		s.Title = v.Title
	}
	if v.session == nil {
		s.Path = "/"
		return s
	}
	if v.R.Method != "GET" && v.R.Method != "HEAD" {
		s.Path = v.page.Path
	}
	query := ""
	if v.page.Filter != nil {
		s.Filter, query = v.page.Filter(v)
	}
	s.CSRF, s.User, s.Notices = v.session.csrf, v.session.user, f.sessions.take(v.session)
	s.Nav = v.nav(query)
	s.Troubles = f.troubles()
	return s
}

// Bare is the shell of a part of a page, which scripts put into it.
func (v *Visit) Bare(body any) *shell { return &shell{CSRF: v.session.csrf, Body: body} }

// nav is the side bar. Pages that can be filtered keep the filter.
func (v *Visit) nav(query string) []navGroup {
	var all []navGroup
	for _, g := range groups() {
		list := navGroup{Name: string(g), Open: g != SetUp}
		for i := range v.Frame.Pages {
			p := &v.Frame.Pages[i]
			if p.Group != g || p.Path == "" {
				continue
			}
			item := navItem{Title: p.Title, Path: p.Path, Current: p.Path == v.page.Path}
			if p.Filter != nil {
				item.Path += query
			}
			if p.Count != nil {
				item.Count = p.Count()
			}
			list.Items = append(list.Items, item)
			list.Open = list.Open || item.Current
		}
		if len(list.Items) > 0 {
			all = append(all, list)
		}
	}
	return all
}

// troubles are what every page says about the server.
func (f *Frame) troubles() []string {
	var all []string
	if f.Troubles != nil {
		all = f.Troubles()
	}
	if f.Ready != nil {
		if err := f.Ready(); err != nil {
			all = append(all, "Not ready: "+err.Error()+".")
		}
	}
	return all
}

// news is what changes in the shell of every page.
type news struct {
	Counts   map[string]int `json:"counts"` // beside side bar entries, by path
	Pill     any            `json:"pill,omitempty"`
	Troubles []string       `json:"troubles"`
}

func (f *Frame) shellNews(_ context.Context, params url.Values) any {
	n := news{Counts: map[string]int{}, Troubles: f.troubles()}
	for i := range f.Pages {
		if p := &f.Pages[i]; p.Count != nil && p.Path != "" {
			n.Counts[p.Path] = p.Count()
		}
	}
	if f.Pill != nil && params.Get("filtered") != "" {
		n.Pill = f.Pill(params)
	}
	return n
}
