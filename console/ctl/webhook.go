package ctl

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

type (
	webhookCommand struct {
		State  webhookState  `cmd:"" default:"1" help:"How posting results goes."`
		Dead   webhookDead   `cmd:"" help:"Results that were refused for good."`
		Replay webhookReplay `cmd:"" help:"Post results again, and try at once."`
	}
	webhookState struct{}
	webhookDead  struct {
		From  uint64 `help:"Number of the first."`
		Limit int    `default:"100" help:"How many at most, up to 1,000."`
	}
	webhookReplay struct {
		From string `placeholder:"CHECKPOINT|DEAD" help:"Number of the first result; DEAD: what was refused for good. Without it nothing is posted twice, but what waits is tried now."`
	}
)

func (webhookState) Run(s *session) error {
	var w struct {
		Target                           string
		Up                               bool
		Since, Oldest                    time.Time
		Waiting, Checkpoint, First, Next uint64
		Taken, Lost, Dead                uint64
		LastError                        string    `json:"last-error"`
		LastErrorAt                      time.Time `json:"last-error-at"`
		NextTry                          time.Time `json:"next-try"`
	}
	if done, err := s.read("GET", "/v1/webhook", nil, &w); done {
		return err
	}
	state := "up"
	if !w.Up {
		state = "DOWN"
	}
	fmt.Fprintf(s.out, "%s is %s since %s\n", printable(w.Target), state, stamp(w.Since))
	t := s.table()
	fmt.Fprintf(t, "waiting\t%s\t\n", humanize.Comma(int64(w.Waiting)))
	if w.Waiting > 0 {
		fmt.Fprintf(t, "oldest\t%s\t\n", stamp(w.Oldest))
	}
	fmt.Fprintf(t, "taken\t%s\t\n", humanize.Comma(int64(w.Taken)))
	fmt.Fprintf(t, "lost\t%s\t\n", humanize.Comma(int64(w.Lost)))
	fmt.Fprintf(t, "dead letters\t%s\t\n", humanize.Comma(int64(w.Dead)))
	fmt.Fprintf(t, "checkpoint\t%d\t\n", w.Checkpoint)
	fmt.Fprintf(t, "kept\t%d to %d\t\n", w.First, w.Next-1)
	if w.LastError != "" {
		fmt.Fprintf(t, "last error\t%s: %s\t\n", stamp(w.LastErrorAt), printable(w.LastError))
	}
	if !w.Up && !w.NextTry.IsZero() {
		fmt.Fprintf(t, "next try\t%s\t\n", stamp(w.NextTry))
	}
	return t.Flush()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateTime) + " UTC"
}

func (c *webhookDead) Run(s *session) error {
	return s.rows(address("/v1/webhook/dead", map[string]any{"from": c.From, "limit": c.Limit}), "number", "time",
		"reason",
		"result")
}

func (c *webhookReplay) Run(s *session) error {
	var answer struct{ Count int64 }
	done, err := s.read("POST", "/v1/webhook/replay", given(map[string]string{"from": c.From}), &answer)
	if !done {
		fmt.Fprintf(s.out, "%s results are posted again\n", humanize.Comma(answer.Count))
	}
	return err
}
