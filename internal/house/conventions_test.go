package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// source is a Go file of the project as it is checked in.
type source struct {
	name string // relative to the module's root
	text string
	fset *token.FileSet
	file *ast.File
}

func (s *source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s *source) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(pos).Line)
}

// sources parses every Go file that is checked in or about to be.
func sources(t *testing.T) []*source {
	t.Helper()
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.go")
	list.Dir = "../.."
	out, err := list.Output()
	require.NoError(t, err)
	var all []*source
	for _, name := range strings.Fields(string(out)) {
		s := &source{name: name, text: read(t, "../../"+name), fset: token.NewFileSet()}
		s.file, err = parser.ParseFile(s.fset, name, s.text, parser.ParseComments)
		require.NoError(t, err)
		all = append(all, s)
	}
	require.Greater(t, len(all), 100)
	return all
}

// TestConventions reads every source once, and holds it against what docs/conventions.md says and a program can check.
func TestConventions(t *testing.T) {
	all := sources(t)
	for name, check := range map[string]func(*testing.T, *source){
		"line length": lineLength, "loggers": loggers, "words": words, "defaults": defaults,
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range all {
				check(t, s)
			}
		})
	}
}

const maxLine = 120

// lineLength finds lines of more than 120 characters. Texts and tables that are best read in one piece are let be.
func lineLength(t *testing.T, s *source) {
	whole := wholeLines(s)
	for i, line := range strings.Split(s.text, "\n") {
		preformatted := strings.HasPrefix(line, "//go:") || strings.HasPrefix(line, "//\t") || strings.HasPrefix(line, "//  ")
		if n := utf8.RuneCountInString(line); n > maxLine && !whole[i+1] && !preformatted {
			t.Errorf("%s:%d: %d characters", s.name, i+1, n)
		}
	}
}

// wholeLines returns the lines that stay in one piece: those of strings of several lines or of more than half a line,
// rows of tables, and what an example is expected to print. In tests, all lines with a string do.
func wholeLines(s *source) map[int]bool {
	lines := make(map[int]bool)
	mark := func(n ast.Node) {
		for l := s.fset.Position(n.Pos()).Line; l <= s.fset.Position(n.End()).Line; l++ {
			lines[l] = true
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING && (len(n.Value) > maxLine/2 || s.test()) {
				mark(n)
			}
		case *ast.CompositeLit:
			for _, row := range n.Elts {
				if s.fset.Position(row.Pos()).Line == s.fset.Position(row.End()).Line {
					mark(row)
				}
			}
		}
		return true
	})
	for _, comment := range s.file.Comments {
		if text := strings.ToLower(comment.Text()); strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:") {
			mark(comment)
		}
	}
	return lines
}

// loggers finds loggers in exported structs that are not called Logger.
func loggers(t *testing.T, s *source) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || len(field.Names) == 0 || !field.Names[0].IsExported() || !isLogger(field.Type) {
			return true
		}
		if name := field.Names[0].Name; name != "Logger" {
			t.Errorf("%s: the field %s is a logger: call it Logger", s.at(field.Pos()), name)
		}
		return true
	})
}

func isLogger(e ast.Expr) bool {
	star, ok := e.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "slog" && sel.Sel.Name == "Logger"
}

// private are words that only this project used, with the trade's in their place.
var private = map[string]string{
	"shun":     "avoid",
	"shunned":  "avoided, backed off",
	"lessen":   "reduce",
	"hopeless": "cannot be delivered",
	"rouse":    "wake",
	"roused":   "woken",
	"heaped":   "memory is short",
	"helm":     "steering",
}

var word = regexp.MustCompile(`[A-Za-z][a-z]*`)

// words finds private words in names and comments.
func words(t *testing.T, s *source) {
	if strings.HasPrefix(s.name, "internal/house/") {
		return
	}
	for i, line := range strings.Split(s.text, "\n") {
		for _, w := range word.FindAllString(line, -1) {
			if instead, found := private[strings.ToLower(w)]; found {
				t.Errorf("%s:%d: %q: say %s", s.name, i+1, w, instead)
			}
		}
	}
}

// defaults finds methods called init that write exported fields of their receiver: the caller set those.
func defaults(t *testing.T, s *source) {
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "init" || len(f.Recv.List[0].Names) == 0 {
			continue
		}
		receiver := f.Recv.List[0].Names[0].Name
		ast.Inspect(f, func(n ast.Node) bool {
			assign, ok := n.(*ast.AssignStmt)
			if !ok {
				return true
			}
			for _, left := range assign.Lhs {
				sel, ok := left.(*ast.SelectorExpr)
				if !ok {
					continue
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == receiver && sel.Sel.IsExported() {
					t.Errorf("%s: init writes the field %s, which is the caller's", s.at(sel.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	}
}
