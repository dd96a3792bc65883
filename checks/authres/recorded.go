package authres

import (
	"encoding/json"

	"github.com/sluicemail/sluice/checks"
)

// methods are IANA's email authentication methods (RFC 8601 §6.2) among the checks.
var methods = []string{"spf", "dkim", "dmarc", "arc"}

// Recorded makes results of what messages keep of them, the JSON of [checks.Result]. What is no result of a registered
// method is left out: what else was found concerns nobody behind this server.
func Recorded(results []json.RawMessage) []checks.Result {
	var list []checks.Result
	for _, raw := range results {
		var found map[string]any
		if json.Unmarshal(raw, &found) != nil {
			continue
		}
		for _, method := range methods {
			if verdict, ok := found[method].(string); ok {
				list = append(list, recorded(method, verdict, found))
				break
			}
		}
	}
	return list
}

// short are the names that results give to properties of DKIM.
var short = map[string]string{"domain": "header.d", "selector": "header.s", "algorithm": "header.a"}

func recorded(method, verdict string, found map[string]any) checks.Result {
	r := checks.Result{Check: method, Verdict: checks.Verdict(verdict)}
	r.Reason, _ = found["reason"].(string)
	for _, name := range []string{"smtp.mailfrom", "smtp.helo", "header.from", "domain", "header.i", "selector", "algorithm",
		"header.b"} {
		value, ok := found[name].(string)
		if !ok || short[name] != "" && method != "dkim" {
			continue
		}
		if long := short[name]; long != "" {
			name = long
		}
		r.Properties = append(r.Properties, checks.Property{Name: name, Value: value})
	}
	return r
}
