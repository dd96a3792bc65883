package mta

import (
	"fmt"
	"strconv"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
	throttling "github.com/sluicemail/sluice/throttle/rules"
)

// settingsTools are what the console's pages of settings ask of the rooms that these are for.
func (m *MTA) settingsTools(cfg *config.Config) console.Tools {
	t := console.Tools{
		Flood: func(typ, pattern, answer string) (bool, error) {
			return throttling.MatchAnswer(typ, pattern, throttle.Outcome{Code: replyCode(answer), Text: answer})
		},
		Reply: func(typ, pattern, answer string) (bool, error) {
			return rules.TryReply(typ, pattern, replyCode(answer), answer)
		},
		Text:       rules.TryText,
		Conditions: tryConditions,
		Redirected: m.settings.Compiler.Counters.Redirects,
	}
	for _, action := range rules.ActionTypes() {
		t.Actions = append(t.Actions, console.Action(action))
	}
	if cfg.SMTPRoutes != "" {
		t.RoutesFile = cfg.SMTPRoutes
		t.Routes = m.ways.fileRoutes
	}
	return t
}

// replyCode is the code that an answer begins with; 0: none.
func replyCode(answer string) int {
	if len(answer) < 3 || len(answer) > 3 && answer[3] != ' ' && answer[3] != '-' {
		return 0
	}
	code, err := strconv.Atoi(answer[:3])
	if err != nil || code < 200 || code > 599 {
		return 0
	}
	return code
}

// tryConditions tells which conditions hold for a message.
func tryConditions(all []console.Condition, message []byte) ([]bool, error) {
	m, err := queue.Unmarshal(message)
	if err != nil {
		return nil, fmt.Errorf("the message is not one: %w", err)
	}
	hold := make([]bool, len(all))
	for i, c := range all {
		if hold[i], err = rules.TryCondition(rules.Condition{Property: c.Property, Type: c.Type, Value: c.Value,
			Negate: c.Negate}, m); err != nil {
			return nil, err
		}
	}
	return hold, nil
}

// fileRoutes are those of the file of smtp-routes.
func (w *ways) fileRoutes() ([]settings.Route, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []settings.Route
	for _, r := range w.read.List() {
		row := settings.Route{Domain: r.Pattern, Relay: r.Relay.Host, Port: int64(r.Relay.Port)}
		if r.Relay.Local != "" {
			row.Relay, row.Port = r.Relay.Local, 0
		}
		all = append(all, row)
	}
	return all, nil
}
