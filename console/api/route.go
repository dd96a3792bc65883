package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/console/admin"
)

// route is a method of a path. Everything that is said of it in the OpenAPI document stands here.
type route struct {
	method  string
	path    string // "/v1/locals/{id}"
	summary string
	fields  []admin.Field // of the query for GET, of body or query for others
	headers []admin.Field // that make a difference
	raw     bool          // the body is JSON of any form, for do to read
	body    schema        // of a raw body
	ok      []int         // what it answers when it succeeds; nil: 200
	answer  schema
	local   bool  // it needs neither database nor queue
	errors  []int // what it may answer beside what all routes do
	do      func(*call) (any, error)
}

// routes finds the route of a request.
type routes struct {
	all   []*route
	paths []path
}

type path struct {
	segments []string
	methods  map[string]*route
}

// newRoutes makes the table of all routes.
func newRoutes(a *admin.Admin) *routes {
	rs := new(routes)
	rs.add(resourceRoutes()...)
	rs.add(tableRoutes(a)...)
	rs.add(mailRoutes()...)
	rs.add(figureRoutes()...)
	rs.add(tokenRoutes()...)
	rs.add(logRoute())
	rs.add(webhookRoutes()...)
	rs.add(logLevelRoutes()...)
	rs.add(keyRoutes()...)
	rs.add(feedbackRoutes()...)
	rs.add(tlsRoutes()...)
	rs.add(preflightRoutes()...)
	rs.add(doctorRoute())
	rs.add(&route{method: http.MethodGet, path: "/v1/openapi.json", summary: "this document", answer: object(nil),
		local: true,
		do:    func(*call) (any, error) { return rs.document(), nil }})
	return rs
}

func (rs *routes) add(all ...*route) {
	for _, r := range all {
		rs.all = append(rs.all, r)
		segments := strings.Split(strings.Trim(r.path, "/"), "/")
		at := slices.IndexFunc(rs.paths, func(p path) bool { return slices.Equal(p.segments, segments) })
		if at < 0 {
			at = len(rs.paths)
			rs.paths = append(rs.paths, path{segments: segments, methods: map[string]*route{}})
		}
		rs.paths[at].methods[r.method] = r
	}
}

// find returns the route and the parameters of its path. Where there is no such method allowed names those there are;
// where there is no such path it is empty. A slash at the end makes no difference.
func (rs *routes) find(method, escaped string) (r *route, parameters map[string]string, allowed string) {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/"), "/")
	for i := range segments {
		plain, err := url.PathUnescape(segments[i])
		if err != nil {
			return nil, nil, ""
		}
		segments[i] = plain
	}
	var best *path
	var with map[string]string
	for i := range rs.paths {
		if p, ok := rs.paths[i].match(segments); ok && (best == nil || len(p) < len(with)) {
			best, with = &rs.paths[i], p
		}
	}
	if best == nil {
		return nil, nil, ""
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if r := best.methods[method]; r != nil {
		return r, with, ""
	}
	var names []string
	for name := range best.methods {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return nil, nil, strings.Join(names, ", ")
}

func (p *path) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(p.segments) {
		return nil, false
	}
	var with map[string]string
	for i, want := range p.segments {
		if name, ok := strings.CutPrefix(want, "{"); ok {
			if segments[i] == "" {
				return nil, false
			}
			if with == nil {
				with = map[string]string{}
			}
			with[strings.TrimSuffix(name, "}")] = segments[i]
		} else if segments[i] != want {
			return nil, false
		}
	}
	return with, true
}
