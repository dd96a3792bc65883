package smtptest

import (
	"fmt"
	"strings"
	"time"
)

// Profile says which provider a Sink plays. Its limits count for each IP address that connects; zero fields mean the
// profile's own.
type Profile struct {
	Name      string
	Open      int           // connections
	PerConn   int           // mails over one connection
	PerMinute int           // mails
	Wait      time.Duration // of greylisting, or before each reply of a tar-pit
}

// profileNames lists the profiles. gmail, microsoft and yahoo refuse in the manner of these providers what is too much
// or too fast: codes, enhanced codes and marks are as senders meet them there, the words are not.
func profileNames() []string { return []string{"gmail", "greylist", "microsoft", "tarpit", "yahoo"} }

// Rules returns what the provider does.
func (p Profile) Rules() ([]Rule, error) {
	switch p.Name {
	case "gmail":
		p.orElse(Profile{Open: 20, PerConn: 100, PerMinute: 600})
		return []Rule{
			p.tooMany(421, "4.7.0 Too many connections are open from your address, come back later - sink"),
			p.tooLong(421, "4.7.0 That was enough for one connection, open another one - sink"),
			p.tooFast(Mail, 421,
				"4.7.28 Mail from your address comes at an unusual rate.\n4.7.28 It is slowed down to protect those who receive it - sink"),
		}, nil
	case "microsoft":
		p.orElse(Profile{Open: 10, PerConn: 20, PerMinute: 120})
		return []Rule{
			p.tooMany(421, "RP-002 The connections from your address are more than its reputation allows"),
			p.tooLong(452, "4.5.3 Too many mails in one session"),
			p.tooFast(Rcpt, 451, "4.7.500 Server busy. Try again later from your address (S77714)"),
		}, nil
	case "yahoo":
		p.orElse(Profile{Open: 5, PerConn: 20, PerMinute: 60})
		return []Rule{
			p.tooMany(421, "4.7.0 [TSS05] No more connections from your address now"),
			p.tooLong(421, "Enough mails for one connection, closing it"),
			p.tooFast(Mail, 421, "4.7.0 [TSS04] Mail from your address is deferred because of its volume or of complaints"),
		}, nil
	case "greylist":
		p.orElse(Profile{Wait: 30 * time.Second})
		return []Rule{{Stage: Rcpt, Action: Action{Act: Greylist, For: p.Wait}}}, nil
	case "tarpit":
		p.orElse(Profile{Wait: 2 * time.Second})
		var rules []Rule
		for stage := range stages {
			rules = append(rules, Rule{Stage: stage, Action: Action{Act: Delay, For: p.Wait}})
		}
		return rules, nil
	}
	return nil, fmt.Errorf("unknown profile %q: expected one of %s", p.Name, strings.Join(profileNames(), ", "))
}

func (p *Profile) orElse(otherwise Profile) {
	if p.Open == 0 {
		p.Open = otherwise.Open
	}
	if p.PerConn == 0 {
		p.PerConn = otherwise.PerConn
	}
	if p.PerMinute == 0 {
		p.PerMinute = otherwise.PerMinute
	}
	if p.Wait == 0 {
		p.Wait = otherwise.Wait
	}
}

func (p *Profile) tooMany(code int, text string) Rule {
	return Rule{Stage: Connect, Over: Over{Open: p.Open}, Action: Action{Act: Reply, Code: code, Text: text}}
}

func (p *Profile) tooLong(code int, text string) Rule {
	return Rule{Stage: Mail, Over: Over{PerConn: p.PerConn}, Action: Action{Act: Reply, Code: code, Text: text}}
}

func (p *Profile) tooFast(stage Stage, code int, text string) Rule {
	return Rule{Stage: stage, Over: Over{PerMinute: p.PerMinute}, Action: Action{Act: Reply, Code: code, Text: text}}
}
