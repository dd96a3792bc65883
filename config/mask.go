package config

import (
	"slices"
	"strings"
)

// stars stand for a secret; their number tells nothing about its length.
const stars = "********"

// maskAll hides a whole value.
func maskAll(s string) string {
	if s == "" {
		return ""
	}
	return stars
}

// maskURLs hides what is secret in a list of URLs.
func maskURLs(s string, schemes []string) string {
	urls := splitURLs(s)
	for i, one := range urls {
		urls[i] = maskURL(one, schemes)
	}
	return strings.Join(urls, ",")
}

// maskURL hides what is secret in a URL. What it does not understand it hides whole: a password often stands in the
// very value that is written wrongly.
func maskURL(s string, schemes []string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	name := strings.ToLower(scheme)
	switch {
	case s == "":
		return ""
	case !ok || schemeLength(s) == 0:
		return stars
	case rest == "":
		return s
	case name == "hardcoded" || !slices.Contains(schemes, name):
		return scheme + "://" + stars
	case name == "file" || name == "exec" || name == "users" || name == "unix":
		return s
	}
	return scheme + "://" + maskQuery(maskUser(name, rest))
}

// maskUser hides the password before the last @; over HTTP a user name alone too, since tokens are passed that way. It
// rather hides too much, such as an @ in a path, than a part of a password that has an @ in it too little.
func maskUser(scheme, rest string) string {
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return rest
	}
	if colon := strings.IndexByte(rest[:at], ':'); colon >= 0 {
		return rest[:colon+1] + stars + rest[at:]
	}
	if at = strings.LastIndexByte(userPart(rest), '@'); at >= 0 && strings.HasPrefix(scheme, "http") {
		return stars + rest[at:]
	}
	return rest
}

// maskQuery hides the parameters that are named like secrets.
func maskQuery(rest string) string {
	before, query, ok := strings.Cut(rest, "?")
	if !ok {
		return rest
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, ok := strings.Cut(part, "=")
		if ok && soundsSecret(name) {
			parts[i] = name + "=" + stars
		}
	}
	return before + "?" + strings.Join(parts, "&")
}

func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range [...]string{"pass", "pw", "secret", "token", "key", "sig", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
