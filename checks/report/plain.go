package report

import (
	"html"
	"regexp"
	"strings"
)

// noticeText returns the text for people of a report as plain text: its first text that is not empty.
func noticeText(leaves []leaf) string {
	for _, kind := range []string{"text/plain", "text/html"} {
		for i := range leaves {
			if leaves[i].mediaType != kind {
				continue
			}
			if text := plain(string(leaves[i].text(maxText)), kind); strings.TrimSpace(text) != "" {
				return text
			}
		}
	}
	return ""
}

// Japanese texts of ISO 2022 have runs of two bytes a letter, which look like ASCII; of HTML, what breaks lines, and
// what is not shown.
var (
	twoBytes  = regexp.MustCompile(`\x1b\$[@B][^\x1b]*(?:\x1b\([BJ]|$)`)
	breaks    = regexp.MustCompile(`(?i)<(?:br|/?p|/?div|/?tr|/?li|/?h\d|/?table|hr)\b[^<>]*>`)
	invisible = regexp.MustCompile(`(?is)<(?:style|script|head)\b.*?</(?:style|script|head)>|<!--.*?-->`)
	tag       = regexp.MustCompile(`</?[a-zA-Z!][^<>@]*>`)
)

// plain returns a text as UTF-8 without what only its type or character set explains.
func plain(text, mediaType string) string {
	text = readable(twoBytes.ReplaceAllString(text, ""))
	if mediaType == "text/html" {
		text = invisible.ReplaceAllString(text, "")
		text = breaks.ReplaceAllString(strings.ReplaceAll(text, "\n", " "), "\n")
		text = html.UnescapeString(tag.ReplaceAllString(text, ""))
	}
	return text
}
