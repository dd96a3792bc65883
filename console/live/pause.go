package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/internal/human"
)

// pill tells whether delivery of what is filtered is running.
type pill struct {
	State string `json:"state"` // "running", "paused", "partly"
	Word  string `json:"word"`
	Why   string `json:"why"`
	Own   bool   `json:"own"` // paused by exactly this filter: it can be resumed here
	// Stopped: the server delivers nothing at all, because of no row of the pauses. That is ended for all mail.
	Stopped bool `json:"stopped"`
}

// pausePage has no page of its own: it is the switch on top of pages that can be filtered.
func (c *Live) pausePage() frame.Page {
	return frame.Page{Routes: map[string]frame.View{"POST /pause": c.setPause, "POST /resume": c.endPause}}
}

// covers reports whether a pause holds all that is filtered, and meets whether it holds any of it.
func covers(p *settings.Pause, f filter) bool {
	return p.Pool == "" && (p.LocalIP == "" || p.LocalIP == f.MTA) &&
		(p.Target == "" || strings.EqualFold(p.Target, f.Domain)) && (p.Tag == "" || p.Tag == f.Tag)
}

func meets(p *settings.Pause, f filter) bool {
	return (p.LocalIP == "" || f.MTA == "" || p.LocalIP == f.MTA) &&
		(p.Target == "" || f.Domain == "" || strings.EqualFold(p.Target, f.Domain)) &&
		(p.Tag == "" || f.Tag == "" || p.Tag == f.Tag)
}

// concerns reports whether a pause that holds a part of what is filtered is about the same thing: an address, a domain
// or a tag that both name. Everything concerns all mail.
func concerns(p *settings.Pause, f filter) bool {
	return !f.any() || meets(p, f) && (f.MTA != "" && p.LocalIP != "" || f.Domain != "" && p.Target != "" ||
		f.Tag != "" && p.Tag != "")
}

func same(p *settings.Pause, f filter) bool {
	return p.Pool == "" && p.LocalIP == f.MTA && strings.EqualFold(p.Target, f.Domain) && p.Tag == f.Tag
}

func (c *Live) pill(f filter) pill {
	if c.Admin != nil && c.Admin.Stopped() {
		return pill{State: "paused", Word: "Stopped", Stopped: true, Why: stoppedWhy}
	}
	touching := 0
	state := pill{State: "running", Word: "Running", Why: "Delivery of " + f.String() + " is not paused."}
	rows := c.Settings.Current().Rows.Pauses
	for i := range rows {
		p := &rows[i]
		switch {
		case !c.active(p.Enabled, p.Expire, p.Cluster, p.Instance):
		case same(p, f):
			return pill{State: "paused", Word: "Paused", Own: true,
				Why: "Delivery of " + f.String() + " is paused" + until(p.Expire) + "."}
		case covers(p, f):
			state = pill{State: "paused", Word: "Paused",
				Why: "Delivery of " + f.String() + " is held by the pause of " + messages.HeldBy(p) + until(p.Expire) + "."}
		case concerns(p, f):
			touching++
		}
	}
	if state.State == "running" && touching > 0 {
		state.State, state.Word = "partly", "Partly paused"
		state.Why = fmt.Sprintf("%s %s a part of %s.", human.Plural(touching, "pause"), human.Pick(touching, "holds", "hold"),
			f.String())
	}
	return state
}

const stoppedWhy = "All delivery of this server is stopped: it was started with --paused, or somebody stopped delivery under Services."

func until(expire string) string {
	if end, err := settings.ParseTime(expire); err == nil && !end.IsZero() {
		return " until " + human.Clock(end)
	}
	return ""
}

// pauses counts those in force; forced errors are counted too.
func (c *Live) ActivePauses() int {
	n := 0
	if c.Admin != nil && c.Admin.Stopped() {
		n++
	}
	for _, p := range c.Settings.Current().Rows.Pauses {
		if c.active(p.Enabled, p.Expire, p.Cluster, p.Instance) {
			n++
		}
	}
	return n
}

func (c *Live) ForcedErrors() int {
	n := 0
	for _, e := range c.Settings.Current().Rows.Errors {
		if c.active(e.Enabled, "", e.Cluster, e.Instance) {
			n++
		}
	}
	return n
}

func (f filter) pauseValues() admin.Values {
	return admin.Values{"localip": f.MTA, "target": f.Domain, "tag": f.Tag}
}

// setPause pauses what is filtered.
func (c *Live) setPause(v *frame.Visit) error {
	f := filterOf(v.R.PostForm)
	if c.Admin == nil {
		return readOnly()
	}
	if !f.any() && v.R.PostForm.Get("sure") == "" {
		return &frame.Fault{Status: http.StatusBadRequest, What: "That would hold all mail of this server, and nothing was changed.",
			Next: "Go back and tick that all mail is meant, or choose a domain, an address or a tag first."}
	}
	values := f.pauseValues()
	values["enabled"] = true
	values["expire"] = ""
	if minutes := v.R.PostForm.Get("minutes"); minutes != "" && minutes != "0" {
		end, err := inMinutes(c.Now(), minutes)
		if err != nil {
			return &frame.Fault{Status: http.StatusBadRequest, What: "“" + human.Cut(minutes, 20) + "” is no number of minutes.",
				Next: "Give a whole number from 1 to 525600, or leave it empty to pause until you resume."}
		}
		values["expire"] = end
	}
	if _, _, err := c.Admin.Put(v.R.Context(), settings.TablePaused, values); err != nil {
		return err
	}
	return v.Redirect(back(v, f), "Delivery of "+f.String()+" is paused. What is to be sent waits in the queue.")
}

// endPause ends the pause of exactly what is filtered, or of the server as a whole.
func (c *Live) endPause(v *frame.Visit) error {
	f := filterOf(v.R.PostForm)
	if c.Admin == nil {
		return readOnly()
	}
	if v.R.PostForm.Get("stopped") != "" {
		notice := "Delivery had been resumed already."
		if c.Admin.Restart(v.R.Context()) {
			notice = "Delivery goes on. Pauses of the list still hold what they select."
		}
		c.Resumed()
		return v.Redirect(back(v, f), notice)
	}
	n, err := c.endPauses(v.R.Context(), f)
	if err != nil {
		return err
	}
	if n == 0 {
		return v.Redirect(back(v, f), "There was no such pause any more.")
	}
	return v.Redirect(back(v, f), "Delivery of "+f.String()+" goes on.")
}

// endPauses removes the pauses in force of exactly what f selects: pauses of this instance, and of the cluster.
func (c *Live) endPauses(ctx context.Context, f filter) (n int, err error) {
	rows := c.Settings.Current().Rows.Pauses
	for i := range rows {
		p := &rows[i]
		if !same(p, f) || !c.active(p.Enabled, p.Expire, p.Cluster, p.Instance) {
			continue
		}
		switch err := c.Admin.Delete(ctx, settings.TablePaused, p.ID, ""); {
		case errors.Is(err, admin.ErrNotFound): // somebody was faster
		case err != nil:
			return n, err
		default:
			n++
		}
	}
	return n, nil
}

// back is where a form of the shell came from.
func back(v *frame.Visit, f filter) string {
	if next := v.R.PostForm.Get("next"); next != "" {
		return frame.LocalPath(next)
	}
	return "/" + f.Query()
}

// inMinutes is the time in so many minutes, as the settings hold it.
func inMinutes(now time.Time, minutes string) (string, error) {
	n, err := strconv.Atoi(strings.TrimSpace(minutes))
	if err != nil || n < 1 || n > 525_600 {
		return "", errors.New("no number of minutes")
	}
	return now.Add(time.Duration(n) * time.Minute).UTC().Format(time.DateTime), nil
}

// Troubles are what every page says about the server.
func (c *Live) Troubles() []string {
	var all []string
	if state := c.Settings.State(); state.Err != nil {
		all = append(all, "The settings database cannot be reached since "+human.Clock(state.Since)+
			". Mail goes on with the settings in force; they cannot be changed until it is back.")
	}
	if c.Admin != nil && c.Admin.Stopped() {
		all = append(all,
			stoppedWhy+" Mail is still taken in, and waits. Resume it there, or with the switch on top of the overview.")
	}
	return all
}

// active reports whether a rule with an end is in force here.
func (c *Live) active(enabled bool, expire string, cluster bool, instance int64) bool {
	if !enabled || c.Admin != nil && !cluster && instance != 0 && instance != c.Admin.Instance {
		return false
	}
	end, err := settings.ParseTime(expire)
	return err != nil || end.IsZero() || end.After(c.Now())
}

// PillOf is the switch as it stands on a page with these parameters in its address.
func (c *Live) PillOf(params url.Values) any { return c.pill(filterOf(params)) }
