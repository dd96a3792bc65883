package mta

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sluicemail/sluice/checks/clamd"
)

// definitions tells of ClamAV's definition files, which are looked at once a minute at most.
type definitions struct {
	mu   sync.Mutex
	dir  string
	at   time.Time
	text string
}

// say lists the files in a directory and how freshclam is doing; "" when clamd has none on this machine.
func (d *definitions) say(dir string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dir != dir || time.Since(d.at) >= time.Minute {
		d.dir, d.at, d.text = dir, time.Now(), definitionsIn(dir)
	}
	return d.text
}

func definitionsIn(dir string) string {
	all, err := clamd.ReadDefinitions(dir)
	if errors.Is(err, os.ErrNotExist) && len(all) == 0 {
		return ""
	}
	var files []string
	for _, f := range all {
		text := f.File
		if f.Version > 0 {
			text += " version " + humanize.Comma(int64(f.Version))
		}
		files = append(files, text+" ("+plural(f.Signatures, "signature")+", of "+f.Changed.UTC().Format(time.DateTime)+")")
	}
	problem := ""
	if err != nil {
		problem = "not all definition files can be read: " + strings.ReplaceAll(err.Error(), "\n", ", ")
	}
	fresh := clamd.ReadFreshclam("/proc", dir)
	state := "freshclam does not run as a service"
	if fresh.Running {
		state = "freshclam runs"
	}
	if !fresh.Looked.IsZero() {
		state += ", last noted anything at " + fresh.Looked.UTC().Format(time.DateTime)
	}
	return joined("; ", strings.Join(files, ", "), problem, state)
}

// joined joins the texts that are not empty.
func joined(between string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), between)
}
