package smtptest

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"time"
)

// Stage is a step of an SMTP session at which a Sink can do something else than accept.
type Stage uint8

// The stages, in their order.
const (
	Connect Stage = iota // the greeting; rules see the client's IP address
	Helo                 // EHLO, HELO, LHLO; rules see the name
	Mail                 // MAIL FROM; rules see the sender
	Rcpt                 // RCPT TO; rules see the recipient
	Data                 // the DATA command; rules see the last recipient
	Dot                  // the end of the mail; rules see the last recipient
	stages
)

var stageNames = [stages]string{"connect", "helo", "mail", "rcpt", "data", "dot"}

// String returns the lower-case name.
func (s Stage) String() string {
	if s < stages {
		return stageNames[s]
	}
	return "stage " + strconv.Itoa(int(s))
}

// ParseStage returns the stage of that name.
func ParseStage(name string) (Stage, error) {
	for i, n := range stageNames {
		if n == name {
			return Stage(i), nil
		}
	}
	return 0, fmt.Errorf("unknown stage %q: expected one of %s", name, strings.Join(stageNames[:], ", "))
}

// Act is what a Sink does.
type Act uint8

// The acts.
const (
	Accept   Act = iota // the usual reply; no later rule of this stage is asked
	Reply               // Code and Text; 421 also ends the session
	Hang                // nothing more is said, until the client goes
	Drop                // the connection is closed without a word
	Delay               // the usual reply, after For
	Greylist            // 451 until For has passed since the pair of sender and recipient was first seen
	Garbage             // an answer that is no SMTP reply
)

// Action is an act with its parameters.
type Action struct {
	Act  Act
	Code int           // for Reply
	Text string        // for Reply; several lines are separated by "\n"
	For  time.Duration // for Delay and Greylist
}

// Rule says what happens to some of the clients that reach a stage. The first rule that fits decides.
type Rule struct {
	Stage   Stage
	Pattern string  // of path.Match, on what the stage sees, in lower case; "" fits everything
	Share   float64 // of the cases that fit, from 0 to 1; zero means all
	Over    Over    // only clients who exceed it; zero means all
	Action  Action
}

// Refusal returns the usual reply of a server that refuses at a stage, for good or for now.
func Refusal(s Stage, permanent bool) Action {
	if permanent {
		return [stages]Action{
			Connect: {Act: Reply, Code: 554, Text: "5.3.2 No service for you"},
			Helo:    {Act: Reply, Code: 550, Text: "5.7.1 I do not like your name"},
			Mail:    {Act: Reply, Code: 550, Text: "5.1.8 Sender refused"},
			Rcpt:    {Act: Reply, Code: 550, Text: "5.1.1 No such user"},
			Data:    {Act: Reply, Code: 554, Text: "5.5.1 No mail from you"},
			Dot:     {Act: Reply, Code: 554, Text: "5.7.1 This looks like spam"},
		}[min(s, Dot)]
	}
	return [stages]Action{
		Connect: {Act: Reply, Code: 421, Text: "4.3.2 Too busy, come back later"},
		Helo:    {Act: Reply, Code: 450, Text: "4.3.2 Not now"},
		Mail:    {Act: Reply, Code: 451, Text: "4.7.1 Sender refused for now"},
		Rcpt:    {Act: Reply, Code: 450, Text: "4.2.1 Mailbox is busy"},
		Data:    {Act: Reply, Code: 451, Text: "4.3.0 Not now"},
		Dot:     {Act: Reply, Code: 451, Text: "4.3.0 Could not store it"},
	}[min(s, Dot)]
}

// ParseAction reads an action as it stands in a script: "accept", "reject", "defer", "hang", "close", "garbage",
// "delay DURATION", "greylist [DURATION]", or a reply ("450 4.2.1 Busy") in which \n separates lines.
func ParseAction(s Stage, text string) (Action, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "accept":
		return Action{}, nil
	case "reject":
		return Refusal(s, true), nil
	case "defer":
		return Refusal(s, false), nil
	case "hang":
		return Action{Act: Hang}, nil
	case "close":
		return Action{Act: Drop}, nil
	case "garbage":
		return Action{Act: Garbage}, nil
	case "delay", "slow":
		return timed(Delay, rest, defaultDelay)
	case "greylist":
		return timed(Greylist, rest, defaultGreylist)
	}
	code, err := strconv.Atoi(word)
	if err != nil || code < 200 || code > 599 {
		return Action{},
			fmt.Errorf("unknown action %q: expected accept, reject, defer, hang, close, garbage, delay, greylist or a reply from 200 to 599", word)
	}
	return Action{Act: Reply, Code: code, Text: strings.ReplaceAll(rest, `\n`, "\n")}, nil
}

const (
	defaultDelay    = 2 * time.Second
	defaultGreylist = 10 * time.Second
)

func timed(act Act, text string, otherwise time.Duration) (Action, error) {
	if text == "" {
		return Action{Act: act, For: otherwise}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return Action{}, fmt.Errorf("%q is not a duration such as 500ms or 10s", text)
	}
	return Action{Act: act, For: d}, nil
}

// ParseScript reads rules, one a line:
//
//	# stage  share  pattern          action
//	rcpt            *@busy.example   450 4.2.1 Mailbox is busy
//	connect  10%    *                defer
//	dot             *@slow.example   delay 3s
//	mail     >60/min *               421 4.7.0 Slow down
//
// The share may be left out. In its place, or behind it, a limit can stand that a client's IP address must have
// exceeded: >5/open (connections), >20/conn (mails over this one), >60/min (mails within a minute). Empty lines and
// lines that begin with # are skipped.
func ParseScript(text string) ([]Rule, error) {
	var rules []Rule
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		r, err := parseRule(line)
		if err != nil {
			return nil, fmt.Errorf("script line %d: %w", i+1, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(line string) (r Rule, err error) {
	word, rest := nextWord(line)
	if r.Stage, err = ParseStage(word); err != nil {
		return r, err
	}
	word, rest = nextWord(rest)
	if share, ok := strings.CutSuffix(word, "%"); ok {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || percent <= 0 || percent > 100 {
			return r, fmt.Errorf("share %q: expected more than 0%% and at most 100%%", word)
		}
		r.Share = percent / 100
		word, rest = nextWord(rest)
	}
	if strings.HasPrefix(word, ">") {
		if r.Over, err = parseOver(word); err != nil {
			return r, err
		}
		word, rest = nextWord(rest)
	}
	if word == "" || rest == "" {
		return r, fmt.Errorf("expected: stage [share%%] [>limit] pattern action")
	}
	if _, err := path.Match(word, ""); err != nil {
		return r, fmt.Errorf("pattern %q: %w", word, err)
	}
	r.Pattern = strings.ToLower(word)
	r.Action, err = ParseAction(r.Stage, rest)
	return r, err
}

func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t")
	}
	return s, ""
}

// fits reports whether r decides about subject. It draws lots when r has a share.
func (r *Rule) fits(subject []byte) bool {
	if r.Pattern != "" && r.Pattern != "*" {
		if ok, _ := path.Match(r.Pattern, strings.ToLower(string(subject))); !ok {
			return false
		}
	}
	return r.Share == 0 || rand.Float64() < r.Share
}
