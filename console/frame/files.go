package frame

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed *.html *.js *.css *.svg
var builtIn embed.FS

// files are what the console is made of: those built in, and over them those of a directory.
type files struct {
	built   map[string][]byte // by name: templates/NAME.html, static/NAME
	over    fs.FS             // nil: none
	version string            // part of the address of static files
}

const maxFile = 8 << 20

// openFiles opens dir, when that has anything of ours.
func openFiles(pages []fs.FS, dir string, log *slog.Logger) (*files, error) {
	f := &files{built: map[string][]byte{}}
	for _, from := range append([]fs.FS{builtIn}, pages...) {
		if err := f.add(from); err != nil {
			return nil, err
		}
	}
	if dir != "" {
		f.openOver(dir, log)
	}
	sum := sha256.New()
	for _, name := range f.names("static") {
		text, err := f.read("static/" + name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(text))
		sum.Write(text)
	}
	f.version = hex.EncodeToString(sum.Sum(nil)[:8])
	return f, nil
}

// add takes over what a directory has: templates and static files lie side by side beside the page that they are of.
func (f *files) add(from fs.FS) error {
	return fs.WalkDir(from, ".", func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name := "static/" + e.Name()
		if path.Ext(at) == ".html" {
			name = "templates/" + e.Name()
		}
		if f.built[name] != nil {
			return fmt.Errorf("console: there are two files %s", name)
		}
		f.built[name], err = fs.ReadFile(from, at)
		return err
	})
}

// openOver looks for files of ours in a directory. How the console looks is no reason for mail to wait: a directory
// that is not there, as in configurations that were written for another MTA, is told of and left out.
func (f *files) openOver(dir string, log *slog.Logger) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		log.Warn("the directory of the console's own files cannot be opened; the built-in console is used", "directory", dir,
			"error", err)
		return
	}
	over := root.FS() // no link leads out of it
	for _, kind := range []string{"templates", "static"} {
		entries, _ := fs.ReadDir(over, kind)
		for _, e := range entries {
			if f.built[kind+"/"+e.Name()] != nil {
				f.over = over
				return
			}
		}
	}
	root.Close()
	log.Warn("the directory has no files of this console and is left alone; the built-in console is used", "directory",
		dir, "expected", "templates/NAME.html or static/NAME, such as static/style.css")
}

// names lists the files of a kind, sorted.
func (f *files) names(kind string) []string {
	names := map[string]bool{}
	for name := range f.built {
		if strings.HasPrefix(name, kind+"/") {
			names[path.Base(name)] = true
		}
	}
	if f.over != nil {
		entries, _ := fs.ReadDir(f.over, kind)
		for _, e := range entries {
			if e.Type().IsRegular() {
				names[e.Name()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// read returns a regular file.
func (f *files) read(name string) ([]byte, error) {
	if f.over != nil {
		text, err := readRegular(f.over, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	if text := f.built[name]; text != nil {
		return text, nil
	}
	return nil, fs.ErrNotExist
}

func readRegular(from fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(from, name) // before it is opened: a named pipe would wait
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("console: %s: expected a regular file of at most %d MB", name, maxFile>>20)
	}
	file, err := from.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// parse makes a template of each page: the layout, the shared parts, and the page's own blocks.
func (f *files) parse() (map[string]*template.Template, error) {
	shared := template.New("").Funcs(functions())
	for _, name := range []string{"layout.html", "parts.html"} {
		text, err := f.read("templates/" + name)
		if err != nil {
			return nil, err
		}
		if _, err := shared.New(name).Parse(string(text)); err != nil {
			return nil, fmt.Errorf("console: templates/%w", err)
		}
	}
	all := map[string]*template.Template{}
	for _, file := range f.names("templates") {
		name, ok := strings.CutSuffix(file, ".html")
		if !ok || name == "layout" || name == "parts" {
			continue
		}
		text, err := f.read("templates/" + file)
		if err != nil {
			return nil, err
		}
		own, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if all[name], err = own.New(file).Parse(string(text)); err != nil {
			return nil, fmt.Errorf("console: templates/%w", err)
		}
	}
	return all, nil
}

// contentType is the type of a static file; "": files of such names are not served.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return ""
}

// static serves a style sheet, script or picture.
func (f *Frame) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	kind := contentType(name)
	if kind == "" || !fs.ValidPath(name) || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		http.NotFound(w, r)
		return
	}
	text, err := f.files.read("static/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	switch {
	case f.CacheControl != "":
		h.Set("Cache-Control", f.CacheControl)
	case f.files.over == nil && r.PathValue("version") == f.files.version:
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		h.Set("Cache-Control", "no-cache")
	}
	sum := sha256.Sum256(text)
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
}

func (f *Frame) favicon(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/static/"+f.files.version+"/mark.svg", http.StatusFound)
}
