package cmdline

import (
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// width is where lines of help end; columns is how wide the left half of a list is at most.
const (
	width   = 100
	columns = 26
)

// help prints what there is to say of the command that the command line has come to.
func (l *Line) help(_ kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Model.Node
	if selected := ctx.Selected(); selected != nil {
		node = selected
	}
	var b strings.Builder
	b.WriteString("Usage: " + l.Name + " " + strings.TrimSpace(node.Summary()) + "\n" + Wrap(node.Help, 0) + "\n")
	section(&b, "Arguments", arguments(node))
	section(&b, "Commands", commands(node))
	section(&b, "Options", flags(node))
	if len(l.Examples) > 0 && node == ctx.Model.Node {
		b.WriteString("\nExamples\n  " + strings.Join(l.Examples, "\n  ") + "\n")
	}
	_, err := io.WriteString(ctx.Stdout, b.String())
	return err
}

// item is a line of a list.
type item struct{ name, meaning string }

func arguments(node *kong.Node) (all []item) {
	for _, p := range node.Positional {
		if p.Help != "" {
			all = append(all, item{p.Summary(), p.Help})
		}
	}
	return all
}

// commands leaves out what is tagged elsewhere: it works, and another command's help tells of it.
func commands(node *kong.Node) (all []item) {
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && !child.Tag.Has("elsewhere") {
			all = append(all, item{child.Name, child.Help})
		}
	}
	return all
}

// flags lists the options of a command, and then those of the commands around it.
func flags(node *kong.Node) (all []item) {
	groups := node.AllFlags(true)
	for i := len(groups) - 1; i >= 0; i-- {
		for _, f := range groups[i] {
			if f.Name == "help" {
				continue
			}
			all = append(all, item{f.String(), f.Help})
		}
	}
	return all
}

func section(b *strings.Builder, title string, items []item) {
	if len(items) == 0 {
		return
	}
	left := 0
	for _, i := range items {
		left = max(left, min(len(i.name), columns))
	}
	b.WriteString("\n" + title + "\n")
	for _, i := range items {
		name := "  " + i.name + strings.Repeat(" ", max(left-len(i.name), 0)) + "  "
		if len(i.name) > left {
			name = "  " + i.name + "\n" + strings.Repeat(" ", left+4)
		}
		b.WriteString(name + Wrap(i.meaning, left+4) + "\n")
	}
}

// Wrap breaks a text into lines, of which all but the first are indented.
func Wrap(text string, indent int) string {
	var b strings.Builder
	at := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case at+1+len(word) > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}
