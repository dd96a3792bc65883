package sheets

import (
	"net/netip"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// steeringSheets are the settings by which mail is steered while it flows.
func steeringSheets() []*sheet {
	return []*sheet{throttles(), floods(), schedules(), pauses(), redirects(), forcedErrors(), suppressions(), feedbackRules(), rewrites(), responses()}
}

func throttles() *sheet {
	return &sheet{
		path: "/throttles", title: "Email throttling", group: frame.Steering, table: settings.TableCapacity, one: "throttle", add: "Add a throttle",
		about: "Named sets of limits, and the mail that they hold for. For each limit the most specific throttle that sets it counts.",
		empty: "There are no throttles: only the limits of the configuration file hold. A throttle says how fast mail may go to a domain, from an address or a pool.",
		columns: []listColumn{{title: "Throttle", key: "name"}, {title: "Holds for", cell: whereCell(false)}, {title: "Limits", cell: limitsCell},
			{title: "Priority", key: "priority", right: true}},
		groups: append([]fieldGroup{{fields: []string{"name", "priority", "comment"}}}, limitGroups()...),
		subs: []subsheet{{table: settings.TableCapacityRules, parent: "capacity", title: "Holds for", one: "rule", asks: "which mail it holds for", waiting: true,
			about:   "mail to a domain, from an address or a pool; all that is given has to match",
			empty:   "It holds for nothing yet. Add a rule: an empty one is for all mail.",
			columns: []string{"domain", "localip", "pool", "enabled"}}},
	}
}

// limitGroups are the fields of all limits.
func limitGroups() []fieldGroup {
	rates := []string{"maxmessages", "maxbytes", "maxconnects", "maxconnections", "maxstarting", "maxidle"}
	var hosts []string
	for _, name := range rates {
		hosts = append(hosts, "ip_"+name)
	}
	return []fieldGroup{
		{title: "To each site", note: "all hosts of a domain together. Empty: not set; 0: unlimited", fields: rates},
		{title: "To each host", note: "a single target address", fields: hosts, folded: true},
		{title: "Each connection", fields: []string{"security", "connection_maxmessages", "connection_maxbytes", "connection_minmessages", "connection_idle", "connection_spread"}, folded: true},
		{title: "Memory", note: "what waits for a path beyond this is parked", fields: []string{"maxqueue", "retryshare"}, folded: true},
		{title: "Greylisting", fields: []string{"greylist_delay", "greylist_sameip"}, folded: true},
		{title: "After trouble", note: "how long a target is left alone", fields: []string{"connection_offline", "lost_offline", "invalid_offline", "bind_retry"}, folded: true},
		{title: "Time-outs", fields: []string{"timeout_connect", "timeout_intro", "timeout_command", "timeout_data", "timeout_message"}, folded: true},
	}
}

func floods() *sheet {
	return &sheet{
		path: "/floods", title: "Flood patterns", group: frame.Steering, table: settings.TableFloodResponses, one: "flood pattern", add: "Add a flood pattern",
		about:   "Answers that ask us to slow down. When one matches, its path pauses, and then goes on with the limits given here for a while.",
		empty:   "There are no flood patterns. One such as “contains: too many connections” has a path pause by itself when the other side complains.",
		columns: []listColumn{{title: "Flood pattern", key: "name"}, {title: "When an answer", key: "pattern", cell: patternCell("pattern")}, {title: "For", cell: selectsCell}, {title: "Then", cell: reactionCell}},
		groups: append([]fieldGroup{
			{fields: []string{"name"}},
			{title: "When an answer", fields: []string{"type", "pattern"}},
			{title: "For which mail", fields: []string{"domain", "localip"}},
			{title: "What happens", fields: []string{"pause", "duration"}},
		}, slowLimits()...),
		count: func(c *Sheets) int { return len(c.Admin.ActiveFloods()) },
		try: &tryOut{label: "Try this pattern", hint: "an answer of the other side", sample: "451 4.7.1 Too many connections from your address",
			match: matcher(func(c *Sheets) func(typ, pattern, with string) (bool, error) { return c.Tools.Flood })},
		with: func(v *visit, d *rowsData) { d.Floods = v.c.Admin.ActiveFloods() },
	}
}

// slowLimits are the limits that hold after the pause of a flood.
func slowLimits() []fieldGroup {
	all := limitGroups()
	all[0].title = "Limits after the pause, to each site"
	return all
}

func schedules() *sheet {
	return &sheet{
		path: "/schedules", title: "Throttle schedules", group: frame.Steering, table: settings.TableSchedules, one: "schedule", add: "Add a schedule",
		about:   "For addresses that are warmed up: from day to day another throttle. A day counts when mail was sent on it.",
		empty:   "There are no schedules. A schedule lets a new address send little on its first day and more on the next ones.",
		columns: []listColumn{{title: "Schedule", key: "name"}, {title: "Holds for", cell: whereCell(true)}, {title: "Steps", cell: stepsCell}},
		groups:  []fieldGroup{{fields: []string{"name"}}},
		subs: []subsheet{
			{table: settings.TableScheduleSteps, parent: "schedule", title: "Steps", one: "step", asks: "its steps, and which mail it is for", about: "the throttle from a day on", empty: "It has no step yet. The first one usually begins on day 1.",
				columns: []string{"day", "capacity"}},
			{table: settings.TableScheduleRules, parent: "schedule", title: "Holds for", one: "rule", about: "mail to a domain, from an address or a pool", empty: "It holds for nothing yet.",
				columns: []string{"localip", "pool", "domain", "enabled"}},
		},
		with: warmedUp,
	}
}

// warmedUp tells how far addresses are.
func warmedUp(v *visit, d *rowsData) {
	const most = 100
	if list, _, err := rows(v.R.Context(), v.c.Admin, settings.TableScheduleDays, admin.Query{Limit: most}); err == nil {
		d.Days = &list
	}
}

func pauses() *sheet {
	return &sheet{
		path: "/pauses", title: "Paused deliveries", group: frame.Steering, table: settings.TablePaused, one: "pause", add: "Pause delivery", end: "Resume",
		about:   "Mail that is held back. It is still taken in, and waits in the queue until the pause ends.",
		empty:   "Nothing is paused by hand. A pause holds back mail to a domain, from an address or with a tag, for a while or until you resume it.",
		columns: []listColumn{{title: "What is paused", cell: selectsCell}, {title: "Until", key: "expire", cell: timeCell("expire", "resumed")}},
		groups: []fieldGroup{
			{title: "Which mail", note: "all that is given has to match; nothing given: all mail", fields: []string{"target", "localip", "pool", "tag"}},
			{title: "How long and where", fields: []string{"expire", "cluster"}},
		},
		named:   selects,
		save:    func(values admin.Values) string { return "Pause delivery " + selected(values) },
		remove:  func(values admin.Values) string { return "Resume delivery " + selected(values) },
		count:   func(c *Sheets) int { return c.Pauses() },
		touches: touchPause, preview: true,
		with: func(v *visit, d *rowsData) { d.Floods = v.c.Admin.ActiveFloods() },
	}
}

func redirects() *sheet {
	return &sheet{
		path: "/redirects", title: "Redirected deliveries", group: frame.Steering, table: settings.TableDelegates, one: "redirect", add: "Add a redirect",
		about: "Mail that leaves from another address than planned.",
		empty: "Nothing is redirected. A redirect has mail leave from another address, for example while one has a bad name with a provider.",
		columns: []listColumn{{title: "Mail", cell: selectsCell}, {title: "Leaves from", key: "newip"}, {title: "Until", key: "expire", cell: timeCell("expire", "removed")},
			{title: "Redirected", right: true, cell: redirectedCell}},
		groups: []fieldGroup{{title: "Which mail", fields: []string{"localip", "domain"}}, {title: "What happens", fields: []string{"newip", "expire"}}},
		named: func(values admin.Values) string {
			return selects(values) + " → " + text(values, "newip")
		},
		touches: touchRedirect,
	}
}

func forcedErrors() *sheet {
	return &sheet{
		path: "/forced-errors", title: "Forced errors", group: frame.Steering, table: settings.TableErrors, one: "forced error", add: "Force an error", end: "End",
		about:   "Mail that gets an error without being tried: with 500 to 599 it fails, with 400 to 499 it is tried again later.",
		empty:   "No errors are forced. A forced error ends mail at once, for example all with the tag of a campaign that should not have been sent, or puts it off.",
		columns: []listColumn{{title: "Mail", cell: selectsCell}, {title: "Ends with", key: "code", cell: answerCell}},
		groups: []fieldGroup{
			{title: "Which mail", note: "all that is given has to match; nothing given: all mail", fields: []string{"domain", "ip", "localip", "pool", "tag"}},
			{title: "The error", fields: []string{"code", "extended", "description"}},
			{title: "Where", fields: []string{"cluster"}},
		},
		named:   selects,
		save:    func(values admin.Values) string { return "Force an error on " + human.Cut(selects(values), 120) },
		remove:  func(values admin.Values) string { return "End the forced error on " + human.Cut(selects(values), 120) },
		count:   func(c *Sheets) int { return c.Errors() },
		touches: touchError, preview: true,
	}
}

func suppressions() *sheet {
	return &sheet{
		path: "/suppressions", title: "Suppression list", group: frame.Steering, table: settings.TableSuppressions, one: "suppression", add: "Suppress an address or domain",
		about: "Addresses and domains that get no mail.",
		empty: "The list is empty. Mail to an address or a domain on it fails at once, without being tried.",
		columns: []listColumn{{title: "Address or domain", key: "value"}, {title: "Is", key: "type", cell: func(_ *Sheets, r *admin.Row) cell { return cell{Text: choiceWords(text(r.Values, "type"))} }},
			{title: "Mail fails with", key: "code", cell: answerCell}, {title: "Until", key: "expire", cell: timeCell("expire", "removed")}},
		groups: []fieldGroup{{title: "Who", fields: []string{"value", "type"}}, {title: "What mail to it fails with", fields: []string{"code", "extended", "description"}},
			{title: "How long", fields: []string{"expire"}}},
		named:   func(values admin.Values) string { return text(values, "value") },
		touches: touchSuppression,
		accept: func(_ *visit, f *rowForm) error {
			if value, ok := f.values["value"].(string); ok && text(f.values, "type") == "" {
				f.values["type"] = either(strings.LastIndexByte(value, '@') > 0, "address", "domain")
			}
			return nil
		},
	}
}

func feedbackRules() *sheet {
	return &sheet{
		path: "/feedback-rules", title: "Feedback rules", group: frame.Steering, table: settings.TableFeedbackRules, one: "rule", add: "Add a rule",
		about: "When recipients are put on the suppression list because of bounces, complaints and requests for no more mail.",
		empty: "There are no rules: whatever is reported, nobody is suppressed. A rule such as “hard bounces of 2 mails within 30 days” suppresses addresses that do not exist any more.",
		columns: []listColumn{{title: "Reports", key: "kind", cell: func(_ *Sheets, r *admin.Row) cell { return cell{Text: choiceWords(text(r.Values, "kind"))} }},
			{title: "Of mail with", cell: selectsCell}, {title: "Suppress at", cell: thresholdCell}, {title: "For", cell: suppressedForCell}},
		groups: []fieldGroup{{title: "What is reported", fields: []string{"kind", "tag"}}, {title: "When it acts", fields: []string{"threshold", "days"}},
			{title: "What happens", fields: []string{"expire", "hashed"}}},
		named: func(values admin.Values) string { return choiceWords(text(values, "kind")) },
	}
}

func thresholdCell(_ *Sheets, r *admin.Row) cell {
	mails, days := max(number(r.Values, "threshold"), 1), number(r.Values, "days")
	if days == 0 {
		days = 30
	}
	return cell{Text: human.Plural(int(mails), "mail") + " within " + human.Plural(int(days), "day")}
}

func suppressedForCell(_ *Sheets, r *admin.Row) cell {
	if days := number(r.Values, "expire"); days > 0 {
		return cell{Text: human.Plural(int(days), "day")}
	}
	return cell{Text: "good"}
}

func rewrites() *sheet {
	return &sheet{
		path: "/rewrites", title: "Rewrite rules", group: frame.Steering, table: settings.TableRewriteTriggers, one: "rewrite rule", add: "Add a rewrite rule",
		about: "Rules that change messages before they are sent. They are looked at in this order.",
		empty: "There are no rewrite rules. A rule looks at messages and gives them tags, other addresses to leave from, or an end.",
		columns: []listColumn{{title: "Rule", key: "name"}, {title: "For", cell: selectsCell}, {title: "Does", cell: rewriteCell},
			{title: "Until", key: "ends", cell: timeCell("ends", "for good")}, {title: "Last", key: "final"}},
		groups: []fieldGroup{
			{fields: []string{"name", "final"}},
			{title: "For which mail", note: "what is not known before an address is chosen counts for all that the message may leave from", fields: []string{"domain", "localip", "pool", "tag"}},
			{title: "When", fields: []string{"starts", "ends"}},
		},
		subs: []subsheet{
			{table: settings.TableRewriteConditions, parent: "trigger", title: "Conditions", one: "condition", asks: "what it looks at, and what it does", about: "all have to hold",
				empty: "It has none: it acts on all mail that it is for.", columns: []string{"property", "type", "value", "negate"}},
			{table: settings.TableRewriteActions, parent: "trigger", title: "Actions", one: "action", about: "carried out in this order", empty: "It does nothing yet.", columns: []string{"type", "property", "value"}},
		},
		try: &tryOut{label: "Try the conditions", hint: "the JSON of a message; the conditions are tried as they are saved", long: true,
			sample: `{"envelope": "news@example.com", "recipient": "someone@example.net", "mime": "Subject: Hello\r\n\r\nText"}`, match: tryConditions},
		fill: explainActions(true),
	}
}

func responses() *sheet {
	return &sheet{
		path: "/responses", title: "Response patterns", group: frame.Steering, table: settings.TableResponsePatterns, one: "response pattern", add: "Add a response pattern",
		about: "What to do about certain answers. They are looked at in this order.",
		empty: "There are no response patterns. A pattern has a message fail, wait, or leave another way after a certain answer.",
		columns: []listColumn{{title: "Pattern", key: "name"}, {title: "When an answer", key: "pattern", cell: patternCell("pattern")}, {title: "For", cell: selectsCell}, {title: "Does", cell: responseCell},
			{title: "Last", key: "final"}},
		groups: []fieldGroup{
			{fields: []string{"name", "final"}},
			{title: "When an answer", fields: []string{"type", "pattern"}},
			{title: "For which mail", fields: []string{"domain", "localip", "pool", "tag"}},
		},
		subs: []subsheet{{table: settings.TableResponseLinks, parent: "pattern", title: "Actions", one: "action", asks: "what it does", about: "carried out in this order",
			empty: "It does nothing yet.", columns: []string{"action"}}},
		try: &tryOut{label: "Try this pattern", hint: "an answer of the other side", sample: "550 5.1.1 No such user here",
			match: matcher(func(c *Sheets) func(typ, pattern, with string) (bool, error) { return c.Tools.Reply })},
		with: func(_ *visit, d *rowsData) { d.More = &option{"/response-actions", "All actions", false} },
		fill: explainActions(false),
	}
}

func responseActions() *sheet {
	return &sheet{
		path: "/response-actions", title: "Response actions", group: frame.Steering, table: settings.TableResponseActions, one: "action", add: "Add an action",
		about:   "What response patterns can do. One action may serve several patterns.",
		empty:   "There are no actions. Make one, and give it to a response pattern.",
		columns: []listColumn{{title: "Name", key: "name"}, {title: "Action", key: "type"}, {title: "Property", key: "property"}, {title: "Value", key: "value"}},
		groups:  []fieldGroup{{fields: []string{"name", "type", "property", "value"}}},
		fill: func(v *visit, d *rowData) {
			explainActions(false)(v, d)
			d.For = patternFor(v)
		},
	}
}

// explainActions tells below the form what the actions mean.
func explainActions(rewrite bool) func(*visit, *rowData) {
	return func(v *visit, d *rowData) {
		for _, a := range v.c.Tools.Actions {
			if rewrite && a.Rewrite || !rewrite && a.Response {
				d.Actions = append(d.Actions, a)
			}
		}
	}
}

// resumeFlood ends the pause of a flood.
func resumeFlood(v *visit) error {
	form := v.R.PostForm
	source, _ := netip.ParseAddr(form.Get("source"))
	n, err := v.c.Admin.Resume(v.R.Context(), source, form.Get("site"), form.Get("name"))
	if err != nil {
		return err
	}
	if n == 0 {
		return v.Redirect("/floods", "The flood had ended already.")
	}
	return v.Redirect("/floods", "Delivery to "+human.Cut(form.Get("site"), 100)+" goes on.")
}
