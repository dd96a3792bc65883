package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/api"
	"github.com/sluicemail/sluice/queue"
)

// operation is what the document says of a method of a path.
type operation struct {
	method, path string
	statuses     []int
	fields       map[string]map[string]any // name to schema
	required     []string
	query        bool           // the fields stand in the query
	raw          bool           // the body is anything
	pattern      *regexp.Regexp // of its path
}

func (o *operation) String() string { return o.method + " " + o.path }

type object = map[string]any

// operations reads the document that the server hands out.
func operations(t *testing.T, w *world) []*operation {
	doc := w.must("GET", "/v1/openapi.json", "").(object)
	require.Equal(t, "3.1.0", doc["openapi"])
	var all []*operation
	ids := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(doc["paths"].(object))) {
		for method, v := range doc["paths"].(object)[path].(object) {
			said := v.(object)
			id := said["operationId"].(string)
			require.False(t, ids[id], "operationId %s twice", id)
			ids[id] = true
			require.NotEmpty(t, said["summary"])
			all = append(all, readOperation(strings.ToUpper(method), path, said))
		}
	}
	return all
}

func readOperation(method, path string, said object) *operation {
	o := &operation{method: method, path: path, fields: map[string]map[string]any{}, query: method == "GET"}
	o.pattern = regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\{id\}`, "[^/]+") + "$")
	for status := range said["responses"].(object) {
		n, _ := strconv.Atoi(status)
		o.statuses = append(o.statuses, n)
	}
	slices.Sort(o.statuses)
	parameters, _ := said["parameters"].([]any)
	for _, p := range parameters {
		if p := p.(object); p["in"] == "query" {
			o.fields[p["name"].(string)] = p["schema"].(object)
		}
	}
	if body, ok := said["requestBody"].(object); ok {
		content := body["content"].(object)
		s := content["application/json"].(object)["schema"].(object)
		o.raw = len(content) == 1
		if !o.raw {
			for name, f := range s["properties"].(object) {
				o.fields[name] = f.(object)
			}
			required, _ := s["required"].([]any)
			for _, name := range required {
				o.required = append(o.required, name.(string))
			}
		}
	}
	return o
}

// recorder notes which statuses each operation answered with.
type recorder struct {
	operations []*operation
	seen       map[*operation]map[int]bool
}

// note finds the operation of a request: the one whose path has the fewest parameters.
func (r *recorder) note(method, path string, status int) {
	path, _, _ = strings.Cut(path, "?")
	var best *operation
	for _, o := range r.operations {
		if o.method == method && o.pattern.MatchString(path) &&
			(best == nil || strings.Count(o.path, "{") < strings.Count(best.path, "{")) {
			best = o
		}
	}
	if best == nil {
		return
	}
	if r.seen[best] == nil {
		r.seen[best] = map[int]bool{}
	}
	r.seen[best][status] = true
}

// TestDocument holds the OpenAPI document against the handlers: every field of every operation is known and checked,
// every required one is missed, and each operation answers with all statuses that the document names, and with no
// others.
func TestDocument(t *testing.T) {
	w := newWorld(t)
	r := &recorder{operations: operations(t, w), seen: map[*operation]map[int]bool{}}
	require.Greater(t, len(r.operations), 100)
	w.recorder = r
	for _, o := range r.operations {
		checkFields(t, w, o)
	}
	tableLives(t, w)
	keyLives(t, w)
	w.send("GET", "/v1/preflight", "")
	w.send("GET", "/v1/doctor", "")
	w.send("POST", "/v1/preflight", `{"mime":"x"}`)
	afflictions(t, w, r)
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	for _, file := range files {
		fresh := newWorld(t)
		fresh.recorder = r
		for _, step := range readConversation(t, file) {
			fresh.send(step.method, step.path, step.body)
		}
	}
	w.send("GET", "/v1/openapi.json", "")
	const message = `{"recipient":"a@b.test"}`
	w.sendWithKeys(w.token, message, "key")
	w.remember()
	w.sendWithKeys(w.token, message, "key")
	w.sendWithKeys(w.token, "["+message+"]", "key")
	for _, o := range r.operations {
		require.Equal(t, o.statuses, slices.Sorted(maps.Keys(r.seen[o])), "%s answers with these statuses", o)
	}
}

// concrete puts something into the parameters of a path.
func concrete(path string) string { return strings.ReplaceAll(path, "{id}", "1") }

// request sends fields in the way that the operation takes them.
func request(w *world, o *operation, fields map[string]string) answer {
	form := url.Values{}
	for name, v := range fields {
		form.Set(name, v)
	}
	if o.query || o.raw {
		return w.send(o.method, concrete(o.path)+"?"+form.Encode(), "")
	}
	return w.send(o.method, concrete(o.path), form.Encode())
}

// wrongValue returns what a field's schema does not allow; "" when it allows everything.
func wrongValue(s object) string {
	switch {
	case s["type"] == "integer", s["type"] == "boolean", s["type"] == "array":
		return "perhaps"
	case s["enum"] != nil:
		return "none-of-these"
	case strings.Contains(s["description"].(string), "(a text of one line)"):
		return "two\nlines"
	case strings.HasSuffix(s["description"].(string), ")"):
		return "a b@\nc"
	}
	return ""
}

func checkFields(t *testing.T, w *world, o *operation) {
	got := request(w, o, map[string]string{"no-such-field": "1"})
	require.Equal(t, 400, got.status, "%s: %s", o, got.body)
	require.Contains(t, got.body, `"field":"no-such-field"`, "%s", o)
	for name, s := range o.fields {
		wrong := wrongValue(s)
		if wrong == "" {
			continue
		}
		got := request(w, o, map[string]string{name: wrong})
		require.Equal(t, 400, got.status, "%s, %s=%s: %s", o, name, wrong, got.body)
		require.Contains(t, got.body, fmt.Sprintf(`"field":%q`, name), "%s, %s=%s", o, name, wrong)
		require.NotContains(t, got.body, "one of the fields", "%s knows %s", o, name)
	}
	if len(o.required) > 0 {
		got := request(w, o, nil)
		require.Equal(t, 400, got.status, "%s: %s", o, got.body)
		for _, name := range o.required {
			require.Contains(t, got.body, fmt.Sprintf(`"field":%q`, name), "%s", o)
		}
	}
}

// tableLives lets a row of each table come, change, be ordered, and go.
func tableLives(t *testing.T, w *world) {
	for _, table := range w.admin.Tables() {
		if strings.Contains("tokens ips returnpath_keys errors paused pools poolips suppressions externalmtas", string(table.Name)) {
			continue
		}
		path := "/v1/" + string(table.Name)
		fields := sample(t, w, &table)
		first := w.send("POST", path, fields.Encode())
		require.Equal(t, 201, first.status, "%s %s: %s", path, fields.Encode(), first.body)
		one := first.header.Get("Location")
		require.Equal(t, 200, w.send("POST", path, fields.Encode()).status, "%s: the same again", path)
		require.Equal(t, 200, w.send("GET", path, "").status)
		require.Equal(t, 200, w.send("GET", one, "").status)
		require.Equal(t, 200, w.send("POST", one, "").status)
		for _, method := range []string{"GET", "POST", "DELETE"} {
			require.Equal(t, 404, w.send(method, path+"/999", "").status, "%s", path)
			if method == "GET" {
				continue
			}
			require.Equal(t, 404, w.send(method, path, "id=999").status, "%s", path)
			require.Equal(t, 409, w.send(method, one, "version=0").status, "%s", path)
			require.Equal(t, 409, w.send(method, path, "version=0&id="+filepath.Base(one)).status, "%s", path)
		}
		if table.Ordered {
			require.Equal(t, 200, w.send("POST", path+"/order", "ids="+filepath.Base(one)).status)
		}
		require.Equal(t, 200, w.send("DELETE", path, "id="+filepath.Base(one)).status, "%s", path)
		require.Equal(t, 201, w.send("POST", path, fields.Encode()).status, "%s", path)
		all := w.must("GET", path, "").([]any)
		require.Equal(t, 200, w.send("DELETE", fmt.Sprintf("%s/%.0f", path, all[len(all)-1].(object)["id"]), "").status)
	}
}

// sample returns fields that make a row.
func sample(t *testing.T, w *world, table *admin.Table) url.Values {
	fields := url.Values{}
	for _, f := range table.Fields {
		if !f.Required && !slices.Contains(table.Key, f.Name) || f.Type == admin.PoolName || f.Name == "negate" {
			continue
		}
		switch f.Type {
		case admin.Choice:
			fields.Set(f.Name, f.Choices[0])
		case admin.IP:
			fields.Set(f.Name, "192.0.2.77")
		case admin.Domain:
			fields.Set(f.Name, "sample.test")
		case admin.Integer:
			fields.Set(f.Name, strconv.FormatInt(max(f.Min, 1), 10))
		case admin.Reference:
			fields.Set(f.Name, referred(t, w, string(f.Refers)))
		default:
			fields.Set(f.Name, "sample")
		}
	}
	switch table.Name {
	case "dkim_keys":
		fields.Set("enabled", "no") // no key worth the name
	case "response_actions", "rewrite_actions":
		fields.Set("type", "fail")
	case "rewrite_conditions":
		fields.Set("property", "subject")
	case "flood_responses":
		fields.Set("pause", "1")
	case "locals":
		fields.Set("address", "sample@sample.test")
	case "blocklist":
		fields.Set("value", "sample.test")
	case "delegates":
		fields.Set("newip", "192.0.2.78")
	case "routes":
		fields.Set("relay", "127.0.0.1")
	}
	return fields
}

// referred makes a row to refer to, and returns its id.
func referred(t *testing.T, w *world, name string) string {
	table, err := w.admin.Table(settings.TableName(name))
	require.NoError(t, err)
	fields := sample(t, w, &table)
	a := w.send("POST", "/v1/"+name, fields.Encode())
	require.Less(t, a.status, 300, "%s: %s", name, a.body)
	return fmt.Sprintf("%.0f", a.json(t).(object)["id"])
}

// afflictions has each operation without a token, with a guessed one, with a body that is too large or of a strange
// type, and without database and queue.
func afflictions(t *testing.T, w *world, r *recorder) {
	plain := func(h http.Handler, o *operation, token, kind, body string) int {
		request := httptest.NewRequest(o.method, concrete(o.path), strings.NewReader(body))
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		request.Header.Set("Content-Type", kind)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request)
		r.note(o.method, concrete(o.path), rec.Code)
		return rec.Code
	}
	small := &api.Handler{Admin: w.admin, MaxInject: 1 << 20}
	large := strings.Repeat(" ", 1<<20+1)
	for _, o := range r.operations {
		require.Equal(t, 401, plain(small, o, "", "", ""), "%s", o)
		if o.method != "GET" {
			require.Equal(t, 413, plain(small, o, w.token, "", large), "%s", o)
			if !o.raw {
				require.Equal(t, 415, plain(small, o, w.token, "text/xml", "<a/>"), "%s", o)
			}
		}
	}
	for range 11 {
		plain(small, r.operations[0], "guess", "", "")
	}
	for _, o := range r.operations {
		require.Equal(t, 429, plain(small, o, "guess", "", ""), "%s", o)
	}
	w.down()
	for _, o := range r.operations {
		if slices.Contains(o.statuses, 503) {
			fields := map[string]string{}
			for _, name := range o.required {
				fields[name] = rightValue(o.fields[name])
			}
			if o.raw {
				w.send(o.method, o.path, `{"recipient":"a@b.test","mime":"x"}`)
			} else if strings.HasPrefix(o.path, "/v1/messages/") && o.method == "POST" {
				fields["all"] = "1"
				request(w, o, fields)
			} else {
				if o.path == "/v1/probe" {
					fields["address"] = "busy@example.com"
				}
				require.Equal(t, 503, request(w, o, keyed(w, o, fields)).status, "%s", o)
			}
		}
	}
	w.admin.Queue, w.admin.SearchLogs, w.admin.Webhook, w.admin.Feedback, w.admin.Key = closed{}, nil, nil, nil, nil
	w.admin.TLS, w.admin.LogLevel = nil, nil
	w.admin.Sampled, w.admin.Preflight, w.admin.Examine = nil, nil, nil
	for _, o := range r.operations {
		if slices.Contains(o.statuses, 501) {
			fields := map[string]string{"all": "1", "to": "x", "name": "x", "run": "1", "domain": "x.test", "selector": "x",
				"level": "info"}
			maps.DeleteFunc(fields, func(name, _ string) bool { return o.fields[name] == nil })
			request(w, o, fields)
			request(w, o, nil)
		}
	}
	w.admin.Control = func(ctx contextOf, name string, run bool) error { return admin.ErrNotFound }
	w.send("POST", "/v1/services", "name=x&run=1")
	w.admin.Control = func(ctx contextOf, name string, run bool) error { return nil }
	w.send("POST", "/v1/services", "name=x&run=1")
}

// keyed adds what the key of a table needs, so that the database is asked.
func keyed(w *world, o *operation, fields map[string]string) map[string]string {
	name := strings.Split(strings.TrimPrefix(o.path, "/v1/"), "/")[0]
	if table, err := w.admin.Table(settings.TableName(name)); err == nil && o.method == "DELETE" && !strings.Contains(o.path, "{") {
		for _, k := range table.Key {
			if s := o.fields[k]; s != nil && table.Field(k).Required {
				fields[k] = rightValue(s)
			}
		}
	}
	if strings.HasSuffix(o.path, "/poolips") { // of its two names one is required
		fields["ip"] = "192.0.2.1"
	}
	return fields
}

// rightValue returns what a field's schema allows.
func rightValue(s object) string {
	switch {
	case s["enum"] != nil:
		return s["enum"].([]any)[0].(string)
	case s["type"] == "array", s["type"] == "boolean":
		return "1"
	case s["type"] == "integer":
		least, _ := s["minimum"].(float64)
		return fmt.Sprintf("%.0f", max(least, 1))
	case strings.Contains(s["description"].(string), "IP address"):
		return "192.0.2.1"
	}
	return "sample.test"
}

// broken is a queue that can be looked into when it is there.
type broken struct{ closed }

func (broken) Queues(contextOf) ([]queue.Stats, error) { return nil, queue.ErrUnavailable }
func (broken) List(contextOf, queue.Filter, string, int) ([]queue.Entry, string, error) {
	return nil, "", queue.ErrUnavailable
}
func (broken) Peek(contextOf, string) (*queue.Message, error)    { return nil, queue.ErrUnavailable }
func (broken) Move(contextOf, queue.Filter, string) (int, error) { return 0, queue.ErrUnavailable }
func (broken) Purge(contextOf, queue.Filter) (int, error)        { return 0, queue.ErrUnavailable }
func (broken) RetryNow(contextOf, queue.Filter) (int, error)     { return 0, queue.ErrUnavailable }
