package clamd

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/printable"
)

// Definitions is one definition file, as its head tells.
type Definitions struct {
	File       string    // its name without the directory, such as "daily.cld"
	Version    int       // counts up; 0: a file of somebody else's, which has no head
	Signatures int       // how many there are; of a file without a head: how many lines it has
	Changed    time.Time // when the file was written here
}

// ReadDefinitions lists the definition files in a directory, by name: ClamAV's own (.cvd, .cld, .cud) with what their
// heads say, and others with their number of lines. A file that cannot be read is left out, and part of the error.
func ReadDefinitions(dir string) ([]Definitions, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []Definitions
	var problems []error
	for _, e := range entries {
		kind := strings.ToLower(filepath.Ext(e.Name()))
		if !slices.Contains(definitionKinds, kind) || !e.Type().IsRegular() {
			continue
		}
		d, err := readDefinitions(filepath.Join(dir, e.Name()), kind[1] == 'c' && kind[3] == 'd')
		if err != nil {
			problems = append(problems, err)
			continue
		}
		all = append(all, d)
	}
	return all, errors.Join(problems...)
}

// definitionKinds are files that begin with a head, and the most common of others.
var definitionKinds = []string{".cvd", ".cld", ".cud", ".ndb", ".ndu", ".hdb", ".hsb", ".hdu", ".hsu", ".ldb", ".ldu",
	".db", ".mdb", ".msb", ".cdb", ".yar", ".yara", ".ftm", ".fp", ".sfp", ".ign2", ".pdb", ".wdb", ".gdb"}

// mostDefinitions bounds what is read of a file to count its lines.
const mostDefinitions = 64 << 20

func readDefinitions(name string, head bool) (Definitions, error) {
	f, err := os.Open(name)
	if err != nil {
		return Definitions{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Definitions{}, err
	}
	d := Definitions{File: printable.Text(filepath.Base(name), 100), Changed: info.ModTime()}
	if head {
		err = d.parseHead(f)
	} else {
		d.Signatures, err = lines(io.LimitReader(f, mostDefinitions))
	}
	return d, err
}

// parseHead reads the 512 bytes that a file of ClamAV's begins with: "ClamAV-VDB:date:version:signatures:level:…".
func (d *Definitions) parseHead(r io.Reader) error {
	head := make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}

	fields := strings.Split(string(head[:n]), ":")
	if len(fields) < 4 || fields[0] != "ClamAV-VDB" {
		return errors.New(d.File + " is no definition file of ClamAV's")
	}
	version, wrong := strconv.Atoi(fields[2])
	signatures, none := strconv.Atoi(fields[3])
	if err := errors.Join(wrong, none); err != nil || version < 0 || signatures < 0 {
		return errors.New(d.File + " has a head that cannot be read")
	}
	d.Version, d.Signatures = version, signatures
	return nil
}

func lines(r io.Reader) (n int, err error) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of it
			_, err = in.ReadSlice('\n')
		}
		if len(line) > 0 && line[0] != '#' && line[0] != '\n' {
			n++
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Freshclam is how the program that updates the definitions is doing.
type Freshclam struct {
	Running bool      // as a service of its own; it may also be started now and then
	Looked  time.Time // when it last noted what it knows; zero: never, as far as can be seen
}

// ReadFreshclam looks for freshclam among the processes below proc ("/proc"), and for what it leaves in the directory
// of the definitions.
func ReadFreshclam(proc, dir string) Freshclam {
	var f Freshclam
	if info, err := os.Stat(filepath.Join(dir, "freshclam.dat")); err == nil {
		f.Looked = info.ModTime()
	}
	names, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	for _, name := range names {
		if comm, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(comm)) == "freshclam" {
			f.Running = true
			break
		}
	}
	return f
}
