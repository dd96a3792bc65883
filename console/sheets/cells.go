package sheets

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// selects tells the mail that a row is for: "mail to gmail.com from 192.0.2.1".
func selects(values admin.Values) string {
	target := cmp.Or(text(values, "target"), text(values, "domain"))
	var parts []string
	if target != "" && target != "*" {
		parts = append(parts, "to "+target)
	}
	if ip := text(values, "ip"); ip != "" {
		parts = append(parts, "to the host "+ip)
	}
	if ip := text(values, "localip"); ip != "" {
		parts = append(parts, "from "+ip)
	}
	if pool := text(values, "pool"); pool != "" {
		parts = append(parts, "from the pool “"+pool+"”")
	}
	if tag := text(values, "tag"); tag != "" {
		parts = append(parts, "with the tag “"+tag+"”")
	}
	if len(parts) == 0 {
		return "all mail"
	}
	return "mail " + strings.Join(parts, " ")
}

// selected is what stands behind a verb: "to gmail.com", "of all mail".
func selected(values admin.Values) string {
	text := human.Cut(selects(values), 120)
	if rest, ok := strings.CutPrefix(text, "mail "); ok {
		return rest
	}
	return "of " + text
}

func selectsCell(_ *Sheets, r *admin.Row) cell { return textCell(selects(r.Values)) }

// timeCell shows a time, or what its absence means.
func timeCell(column, never string) func(*Sheets, *admin.Row) cell {
	return func(_ *Sheets, r *admin.Row) cell {
		t, err := settings.ParseTime(text(r.Values, column))
		switch {
		case err != nil:
			return textCell(text(r.Values, column))
		case t.IsZero():
			return cell{Text: never}
		}
		return cell{Time: t, IsTime: true}
	}
}

// patternCell shows a pattern with its kind.
func patternCell(pattern string) func(*Sheets, *admin.Row) cell {
	return func(_ *Sheets, r *admin.Row) cell {
		made := textCell(text(r.Values, pattern))
		made.Code, made.Text = made.Text, choiceWords(text(r.Values, "type"))
		return made
	}
}

// answerCell shows what a remote would have said.
func answerCell(_ *Sheets, r *admin.Row) cell {
	return textCell(strings.Join(strings.Fields(fmt.Sprint(r.Values["code"], " ", r.Values["extended"], " ",
		r.Values["description"])), " "))
}

// limitsCell shows the limits that are set.
func limitsCell(_ *Sheets, r *admin.Row) cell {
	t := settings.Describe[settings.Capacity]()
	var parts []string
	for i := range t.Columns {
		c := &t.Columns[i]
		n, ok := r.Values[c.Name].(int64)
		if c.Kind != settings.Limit || !ok || n < 0 {
			continue
		}
		parts = append(parts, limitPhrase(c.Name, wordsFor(c), n))
	}
	const most = 4
	whole := strings.Join(parts, " · ")
	if len(parts) > most {
		return cell{Text: strings.Join(parts[:most], " · ") + fmt.Sprintf(" · and %d more", len(parts)-most),
			Whole: human.Cut(whole, 500)}
	}
	return cell{Text: cmp.Or(whole, "none is set")}
}

func limitPhrase(column string, w words, n int64) string {
	unit := w.unit
	if unit == "conn" {
		unit = map[string]string{"maxstarting": "being opened", "maxidle": "idle"}[strings.TrimPrefix(column, "ip_")]
		unit = cmp.Or(unit, "connections")
	}
	value := human.Count(n) + " " + unit
	if levels := levelWords(column); levels != nil && n < int64(len(levels)) {
		return cmp.Or(map[string]string{"security": levels[n]}[column], w.label+": "+levels[n])
	}
	if n == 0 && strings.Contains(column, "max") {
		value = "unlimited " + unit
	}
	if strings.HasPrefix(column, "ip_") {
		value += " per host"
	} else if strings.HasPrefix(column, "connection_max") {
		value += " per connection"
	} else if unit == "s" || unit == "%" || column == "maxqueue" || column == "connection_minmessages" {
		value = strings.ToLower(w.label[:1]) + w.label[1:] + ": " + value
	}
	return value
}

// whereCell shows what the rules of a throttle or a schedule select.
func whereCell(schedule bool) func(*Sheets, *admin.Row) cell {
	return func(c *Sheets, r *admin.Row) cell {
		var parts []string
		if schedule {
			for _, rule := range c.Settings.Current().Rows.ScheduleRules {
				if rule.Schedule == r.ID && rule.Enabled {
					parts = append(parts, selects(admin.Values{"localip": rule.LocalIP, "pool": rule.Pool, "domain": rule.Domain}))
				}
			}
		} else {
			for _, rule := range c.Settings.Current().Rows.CapacityRules {
				if rule.Capacity == r.ID && rule.Enabled {
					parts = append(parts, selects(admin.Values{"localip": rule.LocalIP, "pool": rule.Pool, "domain": rule.Domain}))
				}
			}
		}
		if len(parts) == 0 {
			return cell{Text: "nowhere yet"}
		}
		return someOf(parts)
	}
}

// someOf joins the first of many.
func someOf(parts []string) cell {
	const most = 3
	for i := range parts {
		parts[i] = human.Cut(parts[i], 80)
	}
	if len(parts) <= most {
		return cell{Text: strings.Join(parts, ", ")}
	}
	return cell{Text: strings.Join(parts[:most], ", ") + " and " + human.Count(len(parts)-most) + " more",
		Whole: human.Cut(strings.Join(parts, ", "), 500)}
}

func stepsCell(c *Sheets, r *admin.Row) cell {
	names := map[int64]string{}
	for _, one := range c.Settings.Current().Rows.Capacities {
		names[one.ID] = one.Name
	}
	var parts []string
	for _, step := range c.Settings.Current().Rows.ScheduleSteps {
		if step.Schedule == r.ID {
			parts = append(parts, "day "+strconv.FormatInt(step.Day, 10)+": "+names[step.Capacity])
		}
	}
	if len(parts) == 0 {
		return cell{Text: "no step yet"}
	}
	return someOf(parts)
}

func membersCell(c *Sheets, r *admin.Row) cell {
	var parts []string
	for _, one := range c.Settings.Current().Rows.PoolIPs {
		if strings.EqualFold(one.Pool, text(r.Values, "name")) {
			parts = append(parts, one.IP)
		}
	}
	if len(parts) == 0 {
		return cell{Text: "no address yet"}
	}
	return someOf(parts)
}

func reactionCell(_ *Sheets, r *admin.Row) cell {
	pause, slow := number(r.Values, "pause"), number(r.Values, "duration")
	var parts []string
	if pause > 0 {
		parts = append(parts, "pause "+human.Span(seconds(pause)))
	}
	if slow > 0 {
		parts = append(parts, "slow for "+human.Span(seconds(slow)))
	}
	return cell{Text: cmp.Or(strings.Join(parts, ", then "), "nothing")}
}

func seconds(n int64) time.Duration { return time.Duration(min(n, 1<<33)) * time.Second }

// rewriteCell shows what a rule does.
func rewriteCell(c *Sheets, r *admin.Row) cell {
	var parts []string
	for _, a := range c.Settings.Current().Rows.RewriteActions {
		if a.Trigger == r.ID {
			parts = append(parts, actionWords(admin.Values{"type": a.Type, "property": a.Property, "value": a.Value}))
		}
	}
	if len(parts) == 0 {
		return cell{Text: "nothing yet"}
	}
	return someOf(parts)
}

func responseCell(c *Sheets, r *admin.Row) cell {
	rows := c.Settings.Current().Rows
	actions := map[int64]string{}
	for _, a := range rows.ResponseActions {
		actions[a.ID] = actionWords(admin.Values{"type": a.Type, "property": a.Property, "value": a.Value})
	}
	var parts []string
	for _, link := range rows.ResponseLinks {
		if link.Pattern == r.ID {
			parts = append(parts, cmp.Or(actions[link.Action], "an action that is gone"))
		}
	}
	if len(parts) == 0 {
		return cell{Text: "nothing yet"}
	}
	return someOf(parts)
}

// actionWords are an action in one line, without a secret.
func actionWords(values admin.Values) string {
	value, _ := hideSecret(values, "value").(string)
	return human.Cut(strings.Join(strings.Fields(text(values, "type")+" "+text(values, "property")+" "+value), " "), 100)
}

func redirectedCell(c *Sheets, r *admin.Row) cell {
	if c.Tools.Redirected == nil {
		return cell{Text: "–"}
	}
	return cell{Text: human.Count(c.Tools.Redirected()[r.ID])}
}

func signsCell(c *Sheets, r *admin.Row) cell {
	var parts []string
	for _, p := range c.Settings.Current().Rows.DKIMPatterns {
		if p.DKIMKey != r.ID {
			continue
		}
		if p.Type == settings.Global {
			parts = append(parts, "all mail")
		} else {
			parts = append(parts, p.Sign)
		}
	}
	if len(parts) == 0 {
		return cell{Text: "mail from " + human.Cut(text(r.Values, "domain"), 80)}
	}
	return someOf(parts)
}
