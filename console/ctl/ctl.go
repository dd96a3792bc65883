package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
	// Tree is which commands there are; zero: all.
	Tree Tree
	// Name is how the program was called, for its help. "": as the tree.
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

// options are those of every command.
type options struct {
	ConfigFile string `name:"config-file" placeholder:"FILE" help:"Configuration file of the server."`
	URL        string `name:"url" placeholder:"URL" help:"Where the server is, instead of what the configuration says; also SLUICE_URL."`
	TokenFile  string `name:"token-file" placeholder:"FILE" help:"File that holds the token."`
	Bearer     string `name:"token" placeholder:"TOKEN" help:"The token itself, which others can see in the list of processes: SLUICE_TOKEN=TOKEN hides it."`
	JSON       bool   `name:"json" help:"Print the answer as it came."`
}

// failure is an error with its exit code.
type failure struct {
	code   int
	reason string
}

func (f *failure) Error() string { return f.reason }

// Run runs the command line args, without the name of the program, and returns the exit code.
func (c *Command) Run(ctx context.Context, args []string) (code int) {
	stdout, stderr := or(c.Stdout), or(c.Stderr)
	line, common := c.Tree.line()
	if c.Name != "" {
		line.Name = c.Name
	}
	parsed, code, done := line.Parse(args, stdout, stderr)
	if done {
		return code
	}
	s := &session{ctx: ctx, command: c, options: common, out: stdout, notes: stderr}
	if err := parsed.Run(s); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", line.Name, err)
		return c.exitCode(err)
	}
	return ExitOK
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
	options *options
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
	g := s.options
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
	url := s.options.URL
	if url == "" {
		url = s.environ("SLUICE_URL")
	}
	if url != "" {
		return Server{URL: strings.TrimSuffix(url, "/")}, nil
	}
	if s.command.Server == nil {
		return Server{}, &failure{ExitUsage, "where is the server? Say it with --url"}
	}
	server, err := s.command.Server(s.options.ConfigFile)
	if err != nil {
		return Server{}, &failure{ExitConfig, err.Error()}
	}
	return server, nil
}
