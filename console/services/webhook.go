package services

import (
	"encoding/json"
	"strconv"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
)

// webhookPage shows how posting results goes, and has them posted again.
func (c *Services) webhookPage() frame.Page {
	return frame.Page{Path: "/webhook", Title: "Web hook", Group: frame.System, Count: c.deadLetters,
		Routes: map[string]frame.View{"GET /webhook": c.webhookView, "POST /webhook": c.replayWebhook}}
}

// deadLetters counts what was refused for good.
func (c *Services) deadLetters() int {
	state, err := c.Admin.WebhookState()
	if err != nil {
		return 0
	}
	return int(state.Dead)
}

// shownLetters is how many dead letters are on the page.
const shownLetters = 50

type webhookData struct {
	admin.WebhookState
	None    bool // no results are posted
	Error   string
	Last    uint64 // number of the newest result
	Letters []letterLine
	Cursor  uint64 // number of the dead letter behind the last one shown; 0: there is none
}

type letterLine struct {
	admin.DeadLetter
	ID, Recipient string
}

func (c *Services) webhookView(v *frame.Visit) error {
	state, err := c.Admin.WebhookState()
	if err != nil {
		return v.Render("webhook", webhookData{None: true})
	}
	from, _ := strconv.ParseUint(v.R.FormValue("from"), 10, 64)
	letters, err := c.Admin.DeadLetters(from, shownLetters+1)
	if err != nil {
		return err
	}
	d := webhookData{WebhookState: state, Error: human.Cut(mailview.Printable(state.LastError), 600), Last: state.Next - 1}
	for i, l := range letters {
		if i == shownLetters {
			d.Cursor = l.Number
			break
		}
		line := letterLine{DeadLetter: l}
		var said struct {
			ID      string
			Message struct{ Recipient string }
		}
		_ = json.Unmarshal(l.Result, &said) // what is no result has neither
		line.Reason = human.Cut(mailview.Printable(l.Reason), 300)
		line.ID = human.Cut(mailview.Printable(said.ID), 100)
		line.Recipient = human.Cut(mailview.Printable(said.Message.Recipient), 255)
		d.Letters = append(d.Letters, line)
	}
	return v.Render("webhook", d)
}

func (c *Services) replayWebhook(v *frame.Visit) error {
	from := v.R.PostForm.Get("from")
	n, err := c.Admin.ReplayWebhook(v.R.Context(), from)
	if err != nil {
		return err
	}
	c.Changed()
	notice := "What waits is tried now."
	if from != "" {
		notice = human.Plural(int(n), "result") + " " + human.Pick(int(n), "is", "are") + " posted again."
	}
	return v.Redirect("/webhook", notice)
}
