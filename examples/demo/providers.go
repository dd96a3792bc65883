package main

import (
	"time"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// provider is somebody who receives mail, or does not.
type provider struct {
	domains []string
	hosts   int  // mail servers; 0: it says that it takes no mail
	weight  int  // share of the traffic
	unknown bool // nobody registered these domains
	silent  bool // connections get no answer
	sink    *smtptest.Sink

	visitors *entrance
}

// rule is one thing that a provider does to a share of what reaches a stage.
func rule(stage smtptest.Stage, percent float64, code int, text string) smtptest.Rule {
	return smtptest.Rule{Stage: stage, Share: percent / 100,
		Action: smtptest.Action{Act: smtptest.Reply, Code: code, Text: text}}
}

func wait(stage smtptest.Stage, act smtptest.Act, percent float64, d time.Duration) smtptest.Rule {
	return smtptest.Rule{Stage: stage, Share: percent / 100, Action: smtptest.Action{Act: act, For: d}}
}

// sink is a provider's mail server.
func sink(name string, latency time.Duration, rules ...smtptest.Rule) *smtptest.Sink {
	return &smtptest.Sink{Hostname: name, Latency: latency, Rules: rules, NoNames: true, MaxConnections: 200}
}

// playing is the mail server of a provider whose likeness it plays, with a few mails that fail for reasons of their
// own.
func playing(p smtptest.Profile, name string, latency time.Duration, rules ...smtptest.Rule) *smtptest.Sink {
	limits, err := p.Rules()
	if err != nil {
		panic(err) // there is no profile of that name
	}
	return sink(name, latency, append(limits, rules...)...)
}

// providers are all there are. The large ones have limits as their likenesses do; the others have troubles of their
// own.
func providers() []*provider {
	const ms = time.Millisecond
	full := rule(smtptest.Rcpt, 1, 452, "4.2.2 The recipient's inbox is out of storage space")
	nobody := rule(smtptest.Rcpt, 1.5, 550, "5.1.1 The email account that you tried to reach does not exist")
	quick := rule(smtptest.Dot, 0.4, 421, "4.7.28 Mail from your address comes at an unusual rate")
	all := []*provider{
		{domains: []string{"gmail.example"}, hosts: 3, weight: 300,
			sink: playing(smtptest.Profile{Name: "gmail"}, "mx.gmail.example", 25*ms, nobody, full, quick)},
		{domains: []string{"outlook.example", "hotmail.example", "live.example"}, hosts: 2, weight: 160,
			sink: playing(smtptest.Profile{Name: "microsoft"}, "mail.protection.outlook.example", 60*ms,
				rule(smtptest.Rcpt, 2, 550, "5.5.0 Requested action not taken: mailbox unavailable"))},
		{domains: []string{"yahoo.example", "ymail.example"}, hosts: 2, weight: 90,
			sink: playing(smtptest.Profile{Name: "yahoo", PerMinute: 30}, "mta.yahoo.example", 40*ms,
				rule(smtptest.Rcpt, 8, 421, "4.7.0 [TSS04] Mail from your address is deferred because of complaints"), nobody)},
		{domains: []string{"icloud.example"}, hosts: 2, weight: 90, sink: sink("mx.icloud.example", 30*ms, full)},
		{domains: []string{"gmx.example", "web.example"}, hosts: 2, weight: 70,
			sink: sink("mx.gmx.example", 20*ms, wait(smtptest.Rcpt, smtptest.Greylist, 100, 10*time.Second))},
		{domains: []string{"orange.example"}, hosts: 1, weight: 45, sink: sink("smtp-in.orange.example", 350*ms)},
		{domains: []string{"comcast.example"}, hosts: 2, weight: 45,
			sink: sink("mx.comcast.example", 80*ms, wait(smtptest.Dot, smtptest.Delay, 10, 2*time.Second))},
		{domains: []string{"proton.example"}, hosts: 1, weight: 35, sink: sink("mail.proton.example", 50*ms)},
		{domains: []string{"university.test"}, hosts: 1, weight: 20,
			sink: sink("mx.university.test", 30*ms, wait(smtptest.Rcpt, smtptest.Greylist, 100, 20*time.Second))},
		{domains: []string{"old-isp.test"}, hosts: 1, weight: 12,
			sink: sink("mail.old-isp.test", 100*ms, wait(smtptest.Dot, smtptest.Hang, 50, 0))},
		{domains: []string{"bakery.test"}, hosts: 1, weight: 12,
			sink: sink("mail.bakery.test", 20*ms, rule(smtptest.Rcpt, 60, 550, "5.1.1 No such user here"))},
		{domains: []string{"strange.test"}, hosts: 1, weight: 5,
			sink: sink("strange.test", 20*ms, wait(smtptest.Mail, smtptest.Garbage, 40, 0))},
		{domains: []string{"holiday.example"}, hosts: 1, weight: 12, sink: sink("mx.holiday.example", 20*ms)},
		{domains: []string{"closed.example"}, hosts: 1, weight: 6, sink: sink("mx.closed.example", 20*ms)},
		{domains: []string{"unplugged.test"}, hosts: 1, weight: 6},
		{domains: []string{"silent.test"}, hosts: 1, weight: 4, silent: true},
		{domains: []string{"nomail.test"}, weight: 3},
		{domains: []string{"gmial.example"}, weight: 4, unknown: true}, // a slip of the pen
	}
	for _, p := range all {
		if p.sink != nil && p.weight > 30 {
			p.sink.TLS, _, _ = smtptest.SelfSigned(p.sink.Hostname) // without a certificate it does without TLS
		}
	}
	return all
}
