package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluicemail/sluice/console/admin"
)

// FuzzBody reads bodies of all kinds: whatever comes, there are fields or an error of the client.
func FuzzBody(f *testing.F) {
	for _, s := range []struct{ kind, body string }{
		{"application/json", `{"domain":"a.test","code":"550","cluster":true,"ids":[1,"2"],"x":null}`},
		{"application/x-www-form-urlencoded", "domain=a.test&code=550&x=%zz"},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"domain\"\r\n\r\nx\r\n--b--\r\n"},
		{"", "[[[[{"},
	} {
		f.Add(s.kind, s.body)
	}
	rs := newRoutes(&admin.Admin{})
	f.Fuzz(func(t *testing.T, kind, body string) {
		for _, r := range rs.all {
			if r.method == http.MethodGet || r.path != "/v1/errors" && r.path != "/v1/capacity/order" &&
				r.path != "/v1/messages/move" {
				continue
			}
			request := httptest.NewRequest(r.method, r.path, strings.NewReader(body))
			request.Header.Set("Content-Type", kind)
			c := &call{request: request}
			if err := c.read(r); err != nil {
				if p := asProblem(err); p.status/100 != 4 || p.reason == "" {
					t.Errorf("%s: %d %q", r.path, p.status, p.reason)
				}
				continue
			}
			for name, v := range c.values {
				switch v.(type) {
				case string, int64, bool, []int64, interface{ Hours() float64 }:
				default:
					t.Errorf("%s: %s is a %T", r.path, name, v)
				}
			}
		}
	})
}
