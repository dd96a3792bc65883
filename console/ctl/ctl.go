package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sluicemail/sluice/config/settings"
)

// Exit codes, as in sysexits.h.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 64
	ExitData        = 65
	ExitNoInput     = 66
	ExitUnavailable = 69
	ExitNoPerm      = 77
	ExitConfig      = 78
)

// Command is a run of the program. The functions must be set; the rest has a working zero.
type Command struct {
	// Name is how the program was called, for its help. "": "ctl".
	Name string
	// Server tells where the server of a configuration file is; "" is the usual file.
	Server func(configFile string) (Server, error)
	// OpenSettings opens the settings database of a configuration file; "" is the usual file.
	OpenSettings func(ctx context.Context, configFile string) (*settings.DB, error)
	// SettingsCache names the file that stands in for that database when it is lost. Nil: there is none.
	SettingsCache func(configFile string) (string, error)
	// Render returns the mail that would be sent of the JSON of a message. With download, it downloads what the mail
	// needs, as a configuration file says; without, left has the addresses that the mail goes without. Nil: there is
	// no such command.
	Render func(ctx context.Context, configFile string, message []byte, download bool) (mail []byte, left []string,
		err error)
	// Misconfigured tells errors of OpenSettings for which the configuration is to blame. Nil: none.
	Misconfigured func(error) bool

	Stdin          io.Reader // nil: nothing
	Stdout, Stderr io.Writer // nil: nowhere
	Environ        []string  // as os.Environ
}

// Server is where a server is.
type Server struct {
	URL string // "http://127.0.0.1:8485"
	// Certificate is a PEM file: the server is believed when it shows the first certificate in it. "": the system's
	// authorities decide.
	Certificate string
}

// grammar is the command line.
type grammar struct {
	ConfigFile string `name:"config-file" placeholder:"FILE" help:"Configuration file of the server."`
	URL        string `name:"url" placeholder:"URL" help:"Where the server is, instead of what the configuration says; also SLUICE_URL."`
	TokenFile  string `name:"token-file" placeholder:"FILE" help:"File that holds the token."`
	Bearer     string `name:"token" placeholder:"TOKEN" help:"The token itself, which others can see in the list of processes: SLUICE_TOKEN=TOKEN hides it."`
	JSON       bool   `name:"json" help:"Print the answer as it came."`

	Token    tokenCommand    `cmd:"" help:"Make, list and delete tokens, in the settings database itself."`
	Settings settingsCommand `cmd:"" help:"What only an operator can say about the settings database itself."`
	Queues   queuesCommand   `cmd:"" help:"What is in each queue."`
	Messages messagesCommand `cmd:"" help:"List messages that wait."`
	Message  messageCommand  `cmd:"" help:"One message, and why it has not left."`
	Retry    retryCommand    `cmd:"" help:"Try messages now that are deferred or parked."`
	Move     moveCommand     `cmd:"" help:"Move messages into another queue."`
	Drop     dropCommand     `cmd:"" help:"Remove messages, without any result."`
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
	Probe    probeCommand    `cmd:"" help:"Test an address: where its mail would go, over what TLS, and whether it is taken. Sends nothing."`
	Floods   floodsCommand   `cmd:"" help:"Flood patterns that are active."`
	Services servicesCommand `cmd:"" help:"How the parts of the server are doing."`
	Webhook  webhookCommand  `cmd:"" help:"How posting results to webhook-url goes, what was refused, and posting again."`
	DKIM     dkimCommand     `cmd:"" name:"dkim" help:"DKIM keys: made, published, rotated, withdrawn."`
	Logs     logsCommand     `cmd:"" help:"Search the machine-readable logs, newest first."`
}

// failure is an error with its exit code.
type failure struct {
	code   int
	reason string
}

func (f *failure) Error() string { return f.reason }

// stop is what kong ends the program with, such as after --help.
type stop int

// Run runs the command line args, without the name of the program, and returns the exit code.
func (c *Command) Run(ctx context.Context, args []string) (code int) {
	stdout, stderr := or(c.Stdout), or(c.Stderr)
	defer func() {
		if r := recover(); r != nil {
			ended, ok := r.(stop)
			if !ok {
				panic(r)
			}
			code = int(ended)
		}
	}()
	name := c.Name
	if name == "" {
		name = "ctl"
	}
	var g grammar
	parser, err := kong.New(&g, kong.Name(name), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(stop(code)) }),
		kong.Description("Speaks to a running server over its REST API."), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return ExitFailed
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitUsage
	}
	s := &session{ctx: ctx, command: c, grammar: &g, out: stdout, notes: stderr}
	if err := parsed.Run(s); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return c.exitCode(err)
	}
	return ExitOK
}

// Model returns the command line for programs that describe it.
func Model() *kong.Application {
	parser, err := kong.New(new(grammar), kong.Name("mtad ctl"))
	if err != nil {
		panic(err) // a mistake in the grammar, which every test finds
	}
	return parser.Model
}

// Commands returns the names of the commands.
func Commands() []string {
	var all []string
	for _, n := range Model().Children {
		all = append(all, n.Name)
	}
	return all
}

func (c *Command) exitCode(err error) int {
	var f *failure
	var address *settings.AddressError
	var schema *settings.SchemaError
	var database *settings.Error
	switch {
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &address), errors.As(err, &schema):
		return ExitConfig
	case errors.As(err, &database):
		return ExitUnavailable
	case c.Misconfigured != nil && c.Misconfigured(err):
		return ExitConfig
	}
	return ExitFailed
}

func or(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// session is what the commands work with.
type session struct {
	ctx     context.Context
	command *Command
	grammar *grammar
	out     io.Writer
	notes   io.Writer // what people want to know beside the answer
}

// environ returns an environment variable.
func (s *session) environ(name string) string {
	for _, line := range s.command.Environ {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}

// TokenVariable is the environment variable that has the token, where none is named.
const TokenVariable = "SLUICE_TOKEN"

// token returns the token from wherever it is.
func (s *session) token() (string, error) {
	g := s.grammar
	switch {
	case g.TokenFile != "":
		data, err := os.ReadFile(g.TokenFile)
		if err != nil {
			return "", &failure{ExitNoInput, err.Error()}
		}
		return strings.TrimSpace(string(data)), nil
	case g.Bearer != "":
		return g.Bearer, nil
	}
	if token := s.environ(TokenVariable); token != "" {
		return token, nil
	}
	return "",
		&failure{ExitNoPerm,
			"no token: name a file that holds it with --token-file, or put the token itself into SLUICE_TOKEN (make one with: token add NAME)"}
}

// server returns where the server is.
func (s *session) server() (Server, error) {
	url := s.grammar.URL
	if url == "" {
		url = s.environ("SLUICE_URL")
	}
	if url != "" {
		return Server{URL: strings.TrimSuffix(url, "/")}, nil
	}
	if s.command.Server == nil {
		return Server{}, &failure{ExitUsage, "where is the server? Say it with --url"}
	}
	server, err := s.command.Server(s.grammar.ConfigFile)
	if err != nil {
		return Server{}, &failure{ExitConfig, err.Error()}
	}
	return server, nil
}
