package house

import (
	"fmt"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// Arrows are the references inside one package from one file to a name that another file declares: a function, a
// method, a type, a field, a constant or a variable. However often a file refers to the same name, that is one arrow.
type Arrows struct {
	Down int      // from a file to one that doc.go lists after it
	Up   []string // the others: "path.go -> engine.go Engine.park"
}

// Share is the part of the arrows that run downwards; 1 when there are none.
func (a Arrows) Share() float64 {
	if a.Down+len(a.Up) == 0 {
		return 1
	}
	return float64(a.Down) / float64(a.Down+len(a.Up))
}

// ArrowsIn counts the arrows inside packages of the module, each by itself. The order of its files, top first, is that
// in which the section "# Files" of its doc.go names them; it is an error when that section leaves one out, or names
// one that is not there.
func ArrowsIn(rooms ...string) (map[string]Arrows, error) {
	loaded, err := load(rooms...)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Arrows, len(loaded))
	for _, p := range loaded {
		rank, err := fileOrder(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.PkgPath, err)
		}
		all[strings.TrimPrefix(p.PkgPath, Module+"/")] = count(p, rank)
	}
	return all, nil
}

// load returns packages of the module with their types.
func load(rooms ...string) ([]*packages.Package, error) {
	paths := make([]string, len(rooms))
	for i, room := range rooms {
		paths[i] = Module + "/" + room
	}
	mode := packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax |
		packages.NeedTypesInfo
	loaded, err := packages.Load(&packages.Config{Mode: mode}, paths...)
	if err != nil {
		return nil, err
	}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, p.Errors[0]
		}
	}
	return loaded, nil
}

// count goes through every use of a name. What two files share is declared outside of functions.
func count(p *packages.Package, rank map[string]int) Arrows {
	var all Arrows
	type arrow struct {
		from string
		to   types.Object
	}
	seen := make(map[arrow]bool)
	for id, obj := range p.TypesInfo.Uses {
		obj = origin(obj)
		if obj.Pkg() != p.Types {
			continue
		}
		from, to := fileOf(p, id), fileOf(p, obj)
		if from == to || seen[arrow{from, obj}] {
			continue
		}
		seen[arrow{from, obj}] = true
		if rank[from] < rank[to] {
			all.Down++
		} else {
			all.Up = append(all.Up, fmt.Sprintf("%s -> %s %s", from, to, obj.Name()))
		}
	}
	slices.Sort(all.Up)
	return all
}

// origin returns the generic function, method or field that an instance was made from.
func origin(obj types.Object) types.Object {
	switch obj := obj.(type) {
	case *types.Func:
		return obj.Origin()
	case *types.Var:
		return obj.Origin()
	}
	return obj
}

func fileOf(p *packages.Package, at interface{ Pos() token.Pos }) string {
	return filepath.Base(p.Fset.Position(at.Pos()).Filename)
}

var fileName = regexp.MustCompile(`\b[a-z][a-z0-9_]*\.go\b`)

// fileOrder returns the place of each file of a package in the section "# Files" of its package comment.
func fileOrder(p *packages.Package) (map[string]int, error) {
	section := ""
	for _, f := range p.Syntax {
		if _, text, found := strings.Cut(f.Doc.Text(), "# Files\n"); found {
			section, _, _ = strings.Cut(text, "\n# ")
		}
	}
	rank := make(map[string]int)
	for _, name := range fileName.FindAllString(section, -1) {
		if _, twice := rank[name]; !twice {
			rank[name] = len(rank)
		}
	}
	present := make(map[string]bool)
	for _, path := range p.GoFiles {
		name := filepath.Base(path)
		present[name] = true
		if _, listed := rank[name]; !listed && name != "doc.go" {
			return nil, fmt.Errorf("doc.go does not list %s under \"# Files\"", name)
		}
	}
	for name := range rank {
		if !present[name] {
			return nil, fmt.Errorf("doc.go lists %s, which is not there", name)
		}
	}
	return rank, nil
}
