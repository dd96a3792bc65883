package house

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/packages"
)

// Reach is a place where a file reads or writes an unexported field of a struct that another file of its package
// declares. The keys of a literal are none: it makes a value, and reaches into none that is there.
type Reach struct {
	Struct, Field string
	File          string // that reaches
	Method        bool   // it is a method of the struct that does, or of one that embeds it
	At            token.Position
}

// ReachesIn returns the reaches inside a package of the module, in the order of its files.
func ReachesIn(room string) ([]Reach, error) {
	loaded, err := load(room)
	if err != nil {
		return nil, err
	}
	p := loaded[0]
	owners := fieldOwners(p)
	var all []Reach
	for _, f := range p.Syntax {
		var in *ast.FuncDecl
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				in = n
			case *ast.SelectorExpr:
				field, ok := p.TypesInfo.Uses[n.Sel].(*types.Var)
				if !ok || !field.IsField() || field.Exported() || field.Pkg() != p.Types {
					break
				}
				field = field.Origin()
				file, of := fileOf(p, n.Sel), owners[field]
				if of != nil && file != fileOf(p, field) {
					all = append(all, Reach{Struct: of.Name(), Field: field.Name(), File: file,
						Method: has(p, receiver(p, in), of), At: p.Fset.Position(n.Sel.Pos())})
				}
			}
			return true
		})
	}
	return all, nil
}

// fieldOwners returns the named struct of each field that a package declares.
func fieldOwners(p *packages.Package) map[*types.Var]*types.TypeName {
	owners := make(map[*types.Var]*types.TypeName)
	for _, name := range p.Types.Scope().Names() {
		if of, ok := p.Types.Scope().Lookup(name).(*types.TypeName); ok {
			if s, ok := of.Type().Underlying().(*types.Struct); ok {
				for field := range s.Fields() {
					owners[field] = of
				}
			}
		}
	}
	return owners
}

// receiver returns the type that a function is a method of; nil: of none.
func receiver(p *packages.Package, f *ast.FuncDecl) *types.TypeName {
	if f == nil || f.Recv == nil {
		return nil
	}
	t := p.TypesInfo.TypeOf(f.Recv.List[0].Type)
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	return t.(*types.Named).Obj()
}

// has reports whether a type is a struct, or embeds it at any depth.
func has(p *packages.Package, t, of *types.TypeName) bool {
	if t == nil || t == of {
		return t == of
	}
	s, ok := t.Type().Underlying().(*types.Struct)
	return ok && slices.ContainsFunc(slices.Collect(s.Fields()), func(field *types.Var) bool {
		named, ok := field.Type().(*types.Named)
		return ok && field.Embedded() && has(p, named.Obj(), of)
	})
}
