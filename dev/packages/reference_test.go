package packages

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console/ctl"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/mta/command"
)

var update = flag.Bool("update", false, "write the manual pages and completions anew")

// golden compares text with a file in packaging, or writes it, and returns the file.
func golden(t *testing.T, name, text string) string {
	t.Helper()
	file := "../../packaging/" + name
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	require.Equal(t, read(t, file), text, "run: go test ./packages -update")
	return file
}

// TestManual keeps the manual pages true to the tables behind --help, and has the programs that show them find no
// fault.
func TestManual(t *testing.T) {
	pages := map[string]string{"mtad.8": manual(), "mtad.conf.5": keyManual()}
	for _, c := range command.Commands() {
		if c.Model != nil {
			pages["mtad-"+c.Name+".8"] = commandManual(c)
		}
	}
	for name, text := range pages {
		file := golden(t, "man/"+name, text)
		testserver.Need(t, "groff", "mandoc")
		out, err := exec.Command("groff", "-man", "-Tutf8", "-z", "-ww", file).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, string(out))
		out, err = exec.Command("mandoc", "-Tlint", "-Wwarning", file).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// page is a manual page in the making.
type page struct{ strings.Builder }

func newPage(title, section, name, meaning string) *page {
	p := new(page)
	fmt.Fprintf(p, ".TH %s %s 2026-12-01 Sluice\n.ad l\n.SH NAME\n%s \\- %s\n", title, section, name, meaning)
	return p
}

func (p *page) section(name string) { p.WriteString(".SH " + `"` + name + `"` + "\n") }

func (p *page) text(lines ...string) {
	for i, line := range lines {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		p.WriteString(roff(line) + "\n")
	}
}

func (p *page) item(name, meaning string) {
	fmt.Fprintf(p, ".TP\n.B %s\n%s\n", roff(name), roff(meaning))
}

// roff has a text stand for itself.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ", ", ", ", ", ",", `,\:`, "“", `\(lq`, "”", `\(rq`, "…",
		"...", "–", `\(en`).
		Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

func manual() string {
	p := newPage("MTAD", "8", "mtad", "mail transfer agent")
	p.section("SYNOPSIS")
	p.text("mtad [run] [--config-file FILE] [--KEY=VALUE ...]", "mtad COMMAND ...",
		"mtad [-t] [-i] [-f ADDRESS] [ADDRESS ...]")
	p.section("DESCRIPTION")
	p.text("Takes mail over SMTP, HTTP, RabbitMQ and from a directory, keeps it in a queue, and delivers it. With addresses, or "+
		"the switches of sendmail, it reads a mail from standard input instead and leaves it to the server.",
		"Every key of mtad.conf(5) is a switch too.")
	p.section("COMMANDS")
	for _, c := range command.Commands() {
		p.item(c.Name, c.Meaning)
	}
	p.section("OPTIONS")
	for _, w := range config.Usage() {
		name := w.Name
		if w.Short != "" {
			name += ", " + w.Short
		}
		p.item(strings.TrimSpace(name+" "+w.Value), w.Meaning)
	}
	p.section("SIGNALS")
	p.item("SIGHUP", "reads the configuration again and opens log files anew")
	p.item("SIGTERM, SIGINT", "ends in order, within half a minute; at once when it comes again")
	p.section("EXIT STATUS")
	p.text("0, 1 after a failure, 78 when the configuration is wrong; of a mail that is read, those of sysexits.h.")
	p.section("FILES")
	p.item("/etc/mtad/config.txt", "the configuration; or /etc/mailerq/config.txt")
	p.item("/var/lib/mtad", "queue and settings")
	p.section("SEE ALSO")
	var others []string
	for _, c := range command.Commands() {
		if c.Model != nil {
			others = append(others, "mtad-"+c.Name+"(8)")
		}
	}
	p.text(strings.Join(append(others, "mtad.conf(5)"), ", "))
	return p.String()
}

func keyManual() string {
	p := newPage("MTAD.CONF", "5", "mtad.conf", "configuration of mtad(8)")
	p.section("DESCRIPTION")
	p.text("/etc/mtad/config.txt has one \"key: value\" a line; # begins a comment. Later sources win: that file, the one of "+
		"--config-file, the environment (MTAD_SMTP_PORT), the command line (--smtp-port=25).",
		"mtad --check-config prints every effective value. What stands in brackets holds without the key.")
	group := ""
	for _, k := range config.Keys() {
		if k.Ignored != "" || k.Older {
			continue
		}
		if k.Group != group {
			group = k.Group
			p.section(strings.ToUpper(group))
		}
		meaning := k.Meaning
		if text := k.DefaultText(); text != "–" {
			meaning += " [" + text + "]"
		}
		p.item(k.Name+" ("+k.Type+")", meaning)
	}
	p.section("SEE ALSO")
	p.text("mtad(8)")
	return p.String()
}

// commandManual is the page of a command that is a tree of options.
func commandManual(c command.Command) string {
	model := c.Model()
	p := newPage("MTAD-"+strings.ToUpper(c.Name), "8", "mtad-"+c.Name, c.Meaning)
	p.section("SYNOPSIS")
	p.text(model.Name + model.Summary())
	p.section("DESCRIPTION")
	p.text(model.Help)
	if len(model.Positional) > 0 {
		p.section("ARGUMENTS")
		for _, a := range model.Positional {
			p.item(a.Summary(), a.Help)
		}
	}
	p.section("OPTIONS")
	for _, f := range model.Flags {
		p.item(f.String(), f.Help)
	}
	if leaves := model.Leaves(true); len(leaves) > 0 {
		p.section("COMMANDS")
		for _, leaf := range leaves {
			p.item(leaf.Summary(), leaf.Help)
			for _, f := range leaf.Flags {
				p.WriteString(".RS\n")
				p.item(f.String(), f.Help)
				p.WriteString(".RE\n")
			}
		}
	}
	p.section("SEE ALSO")
	p.text("mtad(8)")
	return p.String()
}

// step is a place on the command line, and what may come next.
type step struct{ path, next string }

// steps returns the places of the whole command line, the first of which is the program's name alone.
func steps() []step {
	var first []string
	for _, c := range command.Commands() {
		first = append(first, c.Name)
	}
	for _, w := range config.Usage() {
		first = append(first, w.Name)
	}
	for _, k := range config.Keys() {
		if k.Ignored == "" && !k.Older {
			first = append(first, "--"+k.Name)
		}
	}
	all := []step{{"mtad", strings.Join(first, " ")}, {"mtad learn", "spam ham forget --config-file --user --json"}}
	var walk func(path string, n *kong.Node)
	walk = func(path string, n *kong.Node) {
		var next []string
		for _, child := range n.Children {
			if child.Type == kong.CommandNode {
				next = append(next, child.Name)
			}
		}
		for _, flags := range n.AllFlags(true) {
			for _, f := range flags {
				next = append(next, "--"+f.Name)
			}
		}
		all = append(all, step{path, strings.Join(next, " ")})
		for _, child := range n.Children {
			if child.Type == kong.CommandNode {
				walk(path+" "+child.Name, child)
			}
		}
	}
	for _, c := range command.Commands() {
		if c.Model != nil {
			walk("mtad "+c.Name, c.Model().Node)
		}
	}
	return all
}

// TestCompletions keeps the completions true to the command line, and has each shell complete with them.
func TestCompletions(t *testing.T) {
	var known []string
	var bash, fish strings.Builder
	for _, s := range steps() {
		if s.path != "mtad" {
			known = append(known, "'"+s.path+"'")
		}
		fmt.Fprintf(&bash, "\t'%s') next='%s' ;;\n", s.path, s.next)
		fmt.Fprintf(&fish, "complete -c mtad -n '__mtad_at \"%s\"' -a '%s'\n", s.path, s.next)
	}
	for _, name := range ctl.Commands() {
		require.Contains(t, known, "'mtad ctl "+name+"'")
	}
	const walk = "\tfor word in %s; do\n\t\tcase \"$path $word\" in\n\t\t%s) path=\"$path $word\" ;;\n\t\tesac\n\tdone\n\tcase $path in\n%s\tesac\n"
	files := map[string]string{
		"bash": golden(t, "completion/mtad.bash", "_mtad() {\n\tlocal path=mtad word next\n"+
			fmt.Sprintf(walk, `"${COMP_WORDS[@]:1:COMP_CWORD-1}"`, strings.Join(known, " | "), bash.String())+
			"\tCOMPREPLY=($(compgen -W \"$next\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _mtad mtad\n"),
		"zsh": golden(t, "completion/_mtad", "#compdef mtad\nlocal path_=mtad word next\n"+
			strings.ReplaceAll(strings.ReplaceAll(fmt.Sprintf(walk, `"${(@)words[2,CURRENT-1]}"`, strings.Join(known, " | "),
				bash.String()), "$path", "$path_"), "path=", "path_=")+
			"compadd -- ${=next}\n_files\n"),
		"fish": golden(t, "completion/mtad.fish",
			"function __mtad_at\n\tset -l path mtad\n\tfor word in (commandline -opc)[2..-1]\n"+
				"\t\tswitch \"$path $word\"\n\t\t\tcase "+strings.Join(known, " ")+
				"\n\t\t\t\tset path \"$path $word\"\n\t\tend\n\tend\n"+
				"\ttest \"$path\" = \"$argv[1]\"\nend\n"+fish.String()),
	}
	for shell, file := range files {
		t.Run(shell, func(t *testing.T) {
			testserver.Need(t, shell)
			out, err := exec.Command(shell, "-n", file).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Empty(t, string(out))
		})
	}
	complete := func(shell, script, file string) string {
		testserver.Need(t, shell)
		out, err := exec.Command(shell, "-c", fmt.Sprintf(script, file)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	said := complete("bash", "source %s; COMP_WORDS=(mtad ctl --json qu); COMP_CWORD=3; _mtad; echo ${COMPREPLY[@]}",
		files["bash"])
	require.Equal(t, "queues\n", said)
	said = complete("fish", "source %s; complete -C 'mtad ctl qu'", files["fish"])
	require.Regexp(t, regexp.MustCompile(`(?m)^queues$`), said)
}
