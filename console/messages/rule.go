package messages

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
)

// ruleOf names the rule that holds a message, and the page on which it can be changed.
func (c *Messages) ruleOf(w *admin.Why) (words, link string) {
	if w.Rule == "" && w.Limit == "" {
		return "", ""
	}
	rows := c.Settings.Current().Rows
	words = RuleName(NameOfPause(mailview.Printable(w.Rule), rows.Pauses))
	kind, rest, _ := strings.Cut(w.Rule, " ")
	switch {
	case w.Rule == "", w.Rule == "configuration", kind == "started":
		return words, ""
	case w.Rule == "pause under Services":
		return words, "/services"
	case kind == "pause":
		return words, c.rulePage("/pauses", rest, 0)
	case kind == "flood":
		return words, c.rulePage("/floods", rest,
			idOf(rows.FloodResponses, func(r *settings.FloodResponse) (string, int64) { return r.Name, r.ID }, rest))
	case kind == "schedule":
		name, _, _ := strings.Cut(rest, ", day ")
		return words, c.rulePage("/schedules", name,
			idOf(rows.Schedules, func(r *settings.Schedule) (string, int64) { return r.Name, r.ID }, name))
	}
	return words, c.rulePage("/throttles", w.Rule,
		idOf(rows.Capacities, func(r *settings.Capacity) (string, int64) { return r.Name, r.ID }, w.Rule))
}

// idOf returns the id of the row with a name; 0: there is none.
func idOf[T any](rows []T, of func(*T) (string, int64), name string) int64 {
	for i := range rows {
		if n, id := of(&rows[i]); n == name {
			return id
		}
	}
	return 0
}

// rulePage is the page of a rule when its id is known, or is its name; else the list of its kind, searched for the
// name. "": there is no such page.
func (c *Messages) rulePage(path, name string, id int64) string {
	if !slices.ContainsFunc(c.frame.Pages, func(p frame.Page) bool { return p.Path == path }) {
		return ""
	}
	if id == 0 && path == "/pauses" {
		id, _ = strconv.ParseInt(name, 10, 64)
	}
	if id > 0 {
		return fmt.Sprintf("%s/%d", path, id)
	}
	return path + "?" + url.Values{"q": {name}}.Encode()
}

// NameOfPause tells what the pause of a rule such as "pause 12" holds: "the pause of mail to gmail.com". Other rules,
// and pauses that are gone, stay as they are.
func NameOfPause(rule string, pauses []settings.Pause) string {
	number, is := strings.CutPrefix(rule, "pause ")
	for i := range pauses {
		if is && strconv.FormatInt(pauses[i].ID, 10) == number {
			return pauseOf + HeldBy(&pauses[i])
		}
	}
	return rule
}

const pauseOf = "the pause of "

// HeldBy is the mail that a pause holds: "mail to gmail.com from 192.0.2.1".
func HeldBy(p *settings.Pause) string {
	text := ""
	if p.Target != "" {
		text += " to " + p.Target
	}
	if p.LocalIP != "" {
		text += " from " + p.LocalIP
	}
	if p.Pool != "" {
		text += " from the pool “" + p.Pool + "”"
	}
	if p.Tag != "" {
		text += " with the tag “" + p.Tag + "”"
	}
	if text == "" {
		return "all mail"
	}
	return human.Cut(mailview.Printable("mail"+text), 200)
}

// RuleName is a rule, as package admin tells of it, in words.
func RuleName(rule string) string {
	switch {
	case rule == "" || rule == "configuration":
		return "the configuration"
	case rule == "learned":
		return "learned from what its servers take"
	case strings.HasPrefix(rule, "flood "), strings.HasPrefix(rule, "schedule "), strings.HasPrefix(rule, "pause "),
		strings.HasPrefix(rule, pauseOf), strings.HasPrefix(rule, "started"), strings.HasPrefix(rule, "--paused"):
		return rule
	}
	return "“" + rule + "”"
}
