package house

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestInternalsAreUsed finds functions, variables and constants of internal packages that are exported for nobody.
// Types are let be: values of them may pass through packages that do not name them. So are constants with others of
// their kind.
func TestInternalsAreUsed(t *testing.T) {
	all := sources(t)
	used := map[string]bool{} // by import path and name
	for _, s := range all {
		imported := map[string]string{}
		for _, i := range s.file.Imports {
			from, _ := strconv.Unquote(i.Path.Value)
			name := path.Base(from)
			if i.Name != nil {
				name = i.Name.Name
			}
			imported[name] = from
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && imported[x.Name] != "" {
					used[imported[x.Name]+"."+sel.Sel.Name] = true
				}
			}
			return true
		})
	}
	for _, s := range all {
		pkg := Module + "/" + path.Dir(s.name)
		if !strings.Contains(pkg, "/internal/") || s.test() || s.file.Name.Name == "house" {
			continue
		}
		for _, group := range exported(s.file) {
			if slices.ContainsFunc(group, func(id *ast.Ident) bool { return used[pkg+"."+id.Name] }) {
				continue
			}
			for _, id := range group {
				t.Errorf("%s: nobody outside the package uses %s", s.at(id.Pos()), id.Name)
			}
		}
	}
}

// exported returns the functions, variables and constants of a file that other packages can name. Constants that are
// declared together stay together.
func exported(f *ast.File) (groups [][]*ast.Ident) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				groups = append(groups, []*ast.Ident{d.Name})
			}
		case *ast.GenDecl:
			var group []*ast.Ident
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					group = append(group, v.Names...)
				}
			}
			group = slices.DeleteFunc(group, func(id *ast.Ident) bool { return !id.IsExported() })
			if d.Tok == token.CONST {
				groups = append(groups, group)
				continue
			}
			for _, id := range group {
				groups = append(groups, []*ast.Ident{id})
			}
		}
	}
	return groups
}
