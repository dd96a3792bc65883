package ctl

import (
	"github.com/alecthomas/kong"

	"github.com/sluicemail/sluice/internal/cmdline"
)

// Tree is a set of commands.
type Tree int

const (
	Control   Tree = iota // all that a server can be asked
	Queue                 // what is about mail that waits; Control has the same under longer names
	Probe                 // one command, which tests an address
	Preflight             // one command, which looks at a mail
)

type (
	// What is tagged elsewhere is left to the help of another tree.
	controlTree struct {
		options `embed:""`

		Token    tokenCommand    `cmd:"" help:"Make, list and delete tokens, in the settings database itself."`
		Settings settingsCommand `cmd:"" help:"What only an operator can say about the settings database itself."`
		Queues   queuesCommand   `cmd:"" elsewhere:"" help:"What is in each queue."`
		Messages messagesCommand `cmd:"" elsewhere:"" help:"List messages that wait."`
		Message  messageCommand  `cmd:"" elsewhere:"" help:"One message, and why it has not left."`
		Retry    retryCommand    `cmd:"" elsewhere:"" help:"Try messages now that are deferred or parked."`
		Move     moveCommand     `cmd:"" elsewhere:"" help:"Move messages into another queue."`
		Drop     dropCommand     `cmd:"" elsewhere:"" help:"Remove messages, without any result."`
		Inject   injectCommand   `cmd:"" help:"Put messages into the inbox: the JSON of one, or an array."`
		Render   renderCommand   `cmd:"" help:"Print the mail that would be sent of a message, unsigned. Asks no server."`
		Pauses   pausesCommand   `cmd:"" help:"List pauses."`
		Pause    pauseCommand    `cmd:"" help:"Hold mail back: what is selected, or with --all everything."`
		Resume   resumeCommand   `cmd:"" help:"End the pause that selects exactly this; with --flood, what flood patterns hold."`
		Errors   errorsCommand   `cmd:"" help:"List forced errors (add and delete: add errors …, delete errors …)."`
		Suppress suppressCommand `cmd:"" help:"Add addresses or domains to the suppression list."`
		List     listCommand     `cmd:"" help:"List a table of settings."`
		Add      addCommand      `cmd:"" help:"Add a row to a table, or change the one with the same key."`
		Set      setCommand      `cmd:"" help:"Change columns of a row."`
		Delete   deleteCommand   `cmd:"" help:"Delete rows of a table, by id or by what they select."`
		Stats    statsCommand    `cmd:"" help:"Figures of the last 60 seconds."`
		Explain  explainCommand  `cmd:"" help:"Which limits hold for a domain, where they come from, and what holds its mail."`
		Probe    probeCommand    `cmd:"" elsewhere:"" help:"Test an address: where its mail would go, over what TLS, and whether it is taken. Sends nothing."`
		Floods   floodsCommand   `cmd:"" help:"Flood patterns that are active."`
		Services servicesCommand `cmd:"" help:"How the parts of the server are doing."`
		Webhook  webhookCommand  `cmd:"" help:"How posting results to webhook-url goes, what was refused, and posting again."`
		LogLevel logLevelCommand `cmd:"" name:"log-level" help:"What the application log tells; with a level, change that until the configuration is read again."`
		DKIM     dkimCommand     `cmd:"" name:"dkim" help:"DKIM keys: made, published, rotated, withdrawn."`
		Logs     logsCommand     `cmd:"" help:"Search the machine-readable logs, newest first."`

		Preflight preflightCommand `cmd:"" elsewhere:"" help:"What receivers will find wrong with a mail, before it leaves."`
	}
	queueTree struct {
		options `embed:""`

		List     queuesCommand   `cmd:"" default:"1" help:"What is in each queue; also without a command."`
		Messages messagesCommand `cmd:"" help:"List messages that wait."`
		Show     messageCommand  `cmd:"" help:"One message, and why it has not left."`
		Retry    retryCommand    `cmd:"" help:"Try messages now that are deferred or parked."`
		Move     moveCommand     `cmd:"" help:"Move messages into another queue."`
		Drop     dropCommand     `cmd:"" help:"Remove messages, without any result."`
	}
	probeTree struct {
		options      `embed:""`
		probeCommand `embed:""`
	}
	preflightTree struct {
		options          `embed:""`
		preflightCommand `embed:""`
	}
)

// line returns the command line of a tree, and where its options go.
func (t Tree) line() (*cmdline.Line, *options) {
	switch t {
	case Queue:
		g := new(queueTree)
		return &cmdline.Line{Name: "mtad queue", Grammar: g,
			Meaning: "Looks at mail that waits in the queues of the running server, and does something about it.",
			Examples: []string{"mtad queue messages --domain example.com --older-than 2h",
				"mtad queue show MESSAGE-ID        why it has not left",
				"mtad queue retry --domain example.com",
				"mtad queue drop --tag campaign-7 --dry-run"}}, &g.options
	case Probe:
		g := new(probeTree)
		return &cmdline.Line{Name: "mtad probe", Grammar: g,
			Meaning: "Tests an address: where its mail would go, over what TLS, and whether it is taken. Sends nothing. " +
				"The running server does it, over its own addresses.",
			Examples: []string{"mtad probe jo@example.com"}}, &g.options
	case Preflight:
		g := new(preflightTree)
		return &cmdline.Line{Name: "mtad preflight", Grammar: g,
			Meaning: "Tells what Gmail, Yahoo, Microsoft and Apple publish that they refuse a mail for, who asks for it, and what " +
				"to do. The running server signs the mail as it would be signed, and sends nothing.",
			Examples: []string{"mtad preflight --envelope bounces@example.com mail.eml", "mtad preflight message.json"}}, &g.options
	}
	g := new(controlTree)
	return &cmdline.Line{Name: "mtad ctl", Grammar: g,
		Meaning: "Speaks to a running server over its REST API. The commands of mtad queue, mtad probe and mtad preflight " +
			"work here too, as queues, messages, message, retry, move, drop, probe and preflight.",
		Examples: []string{"mtad ctl token add ci                          first of all: then SLUICE_TOKEN=… before the others",
			"mtad ctl pause --domain example.com --expire '2030-01-01 00:00:00'",
			"mtad ctl explain example.com"}}, &g.options
}

// Model returns the command line for programs that describe it.
func (t Tree) Model() *kong.Application {
	line, _ := t.line()
	return line.Model()
}

// Commands returns the names of the commands of Control.
func Commands() []string {
	var all []string
	for _, n := range Control.Model().Children {
		all = append(all, n.Name)
	}
	return all
}
