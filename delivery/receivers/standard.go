package receivers

import (
	"cmp"
	"embed"
	"io/fs"
	"slices"
	"sync"
)

//go:embed data
var data embed.FS

// Standard returns the book that comes with the program.
var Standard = sync.OnceValue(func() *Book {
	book, problems := build(standardFiles())
	if len(problems) > 0 {
		panic(problems[0])
	}
	return book
})

func standardFiles() []source {
	names, err := fs.Glob(data, "data/*.txt")
	if err != nil {
		panic(err)
	}
	all := make([]source, len(names))
	for i, name := range names {
		text, err := data.ReadFile(name)
		if err != nil {
			panic(err)
		}
		all[i] = source{name[len("data/"):], string(text)}
	}
	return all
}

// source is a file before it is read.
type source struct{ name, data string }

// Extend returns a book that has the rules of a file before those of the standard one. Of a group that the file
// replaces, the standard rules and hosts do not count. name is that of the file, for problems.
func Extend(name, data string) (*Book, []Problem) {
	return build([]source{{name, data}}, standardFiles())
}

// build makes a book of layers of files. What an earlier layer says counts before what a later one does, and in each
// layer rules about a group before general ones.
func build(layers ...[]source) (*Book, []Problem) {
	var b builder
	for _, layer := range layers {
		b.add(layer)
	}
	for _, g := range b.groups {
		if len(g.MX) == 0 {
			b.problems = append(b.problems, Problem{g.file, g.line, "expected mx: no file has hosts of the group " + g.Name})
		}
	}
	return newBook(b.rules, b.groups), b.problems
}

type builder struct {
	groups   []Group
	rules    []Rule
	replaced []string // groups, or General, of which later layers do not count
	problems []Problem
}

func (b *builder) add(layer []source) {
	var general []Rule
	var replaced []string
	for _, s := range layer {
		f, problems := readFile(s.name, s.data)
		b.problems = append(b.problems, problems...)
		for _, g := range f.groups {
			if g.Name != General && !slices.Contains(b.replaced, g.Name) {
				b.join(g)
			}
		}
		for _, r := range f.rules {
			switch {
			case slices.Contains(b.replaced, cmp.Or(r.Group, General)):
			case r.Group == "":
				general = append(general, r)
			default:
				b.rules = append(b.rules, r)
			}
		}
		replaced = append(replaced, f.replace...)
	}
	b.rules = append(b.rules, general...)
	b.replaced = append(b.replaced, replaced...)
}

// join adds a group, or its hosts to the one of the same name.
func (b *builder) join(g Group) {
	for i := range b.groups {
		if known := &b.groups[i]; known.Name == g.Name {
			known.MX = append(known.MX, g.MX...)
			known.Title = cmp.Or(known.Title, g.Title)
			return
		}
	}
	b.groups = append(b.groups, g)
}
