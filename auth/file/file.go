package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/internal/rawurl"
)

const (
	settle       = 200 * time.Millisecond // how long a file has to be left alone before it is believed
	settleRagged = 2 * time.Second        // how long one that is empty or ends within a line
	wait         = 3 * time.Second        // how long a login waits for that
	look         = 20 * time.Millisecond  // how often it looks
	maxFile      = 64 << 20
)

// File is an auth.Authenticator that reads names and hashes from a file. Make one with New. It is safe for concurrent
// use.
type File struct {
	path     string
	verifier *crypt.Verifier
	log      *slog.Logger
	seed     maphash.Seed

	current atomic.Pointer[version]
	reading chan struct{} // one place: who holds it reads the file
}

// version is a file as it was read.
type version struct {
	*table
	info    fs.FileInfo
	rest    time.Duration // how long it has to be left alone
	settled bool          // it was, when it was read
}

// Options are what New can do without.
type Options struct {
	// Verifier checks the passwords; sharing one bounds how many are checked at a time. Nil: one of its own.
	Verifier *crypt.Verifier
	// Logger gets the lines that are broken. Nil: slog.Default.
	Logger *slog.Logger
}

// New reads a file, which must be there and readable. A nil opts is that of zero values.
func New(path string, opts *Options) (*File, error) {
	if opts == nil {
		opts = new(Options)
	}
	f := &File{path: path, verifier: opts.Verifier, log: opts.Logger, seed: maphash.MakeSeed(),
		reading: make(chan struct{}, 1)}
	if f.verifier == nil {
		f.verifier = new(crypt.Verifier)
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	v, err := f.read()
	if errors.Is(err, errChanging) { // it is being written at this moment
		v, err = f.await(context.Background())
	}
	if err != nil {
		return nil, err
	}
	f.current.Store(v)
	return f, nil
}

// Opener returns the opener of file:///path/to/users.txt. There are no parameters. A nil opts is that of zero values.
func Opener(opts *Options) auth.Opener {
	return func(_, rest string) (auth.Authenticator, error) {
		path, query, _ := strings.Cut(rest, "?")
		if _, err := rawurl.ParseParams(query); err != nil {
			return nil, err
		}
		if path = rawurl.UnescapeLoose(path); !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("path %q is not absolute, expected is file:///path/to/users.txt", path)
		}
		return New(path, opts)
	}
}

// Authenticate checks a password against the hash in the file.
func (f *File) Authenticate(ctx context.Context, login auth.Login) error {
	if login.Username == "" || login.Password == "" || len(login.Password) > crypt.MaxPassword {
		return auth.ErrRejected
	}
	v, err := f.latest(ctx)
	if err != nil {
		return err
	}
	hash, own := v.lookUp(login.Username)
	if hash == "" { // nobody may log in
		return auth.ErrRejected
	}
	matches, err := f.verifier.Verify(ctx, hash, login.Password)
	if err != nil {
		return fmt.Errorf("auth: file %s: %w", f.path, err)
	}
	if !matches || !own {
		return auth.ErrRejected
	}
	return nil
}

// latest returns the file as it is now, which is one look at its size and times unless it has changed.
func (f *File) latest(ctx context.Context) (*version, error) {
	if v := f.current.Load(); v.settled && f.unchanged(v) {
		return v, nil
	}
	select {
	case f.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("auth: file %s: waiting until it is read again: %w", f.path, ctx.Err())
	}
	defer func() { <-f.reading }()
	if v := f.current.Load(); v.settled && f.unchanged(v) { // another login has read it
		return v, nil
	}
	v, err := f.await(ctx)
	if err != nil {
		return nil, err
	}
	f.current.Store(v)
	return v, nil
}

func (f *File) unchanged(v *version) bool {
	info, err := os.Stat(f.path)
	return err == nil && same(v.info, info)
}

// errChanging says that a file was not the same before and after it was read.
var errChanging = errors.New("it does not stay the same while it is read")

// await reads the file once it has come to rest.
func (f *File) await(ctx context.Context) (*version, error) {
	deadline := time.Now().Add(wait)
	var seen fs.FileInfo // since when it is the same, for file systems whose clock is not ours
	var since time.Time
	rest := settle
	for {
		info, err := os.Stat(f.path)
		now := time.Now()
		if err == nil && (seen == nil || !same(seen, info)) {
			seen, since, rest = info, now, settle
		}
		if err == nil && max(now.Sub(info.ModTime()), now.Sub(since)) >= rest {
			var v *version
			if v, err = f.read(); err == nil && v.rest <= rest {
				v.settled = true
				return v, nil
			}
			if err != nil {
				seen = nil
			} else {
				rest = v.rest
			}
		}
		if now.After(deadline) {
			return nil, fmt.Errorf("auth: file %s: %w", f.path, cmp.Or(err, errChanging))
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return nil, fmt.Errorf("auth: file %s: waiting until it is written: %w", f.path, ctx.Err())
		}
	}
}

// read reads the file, logs what is broken, and makes sure that nobody wrote it meanwhile.
func (f *File) read() (*version, error) {
	// opening a pipe would wait for its writer
	if info, err := os.Stat(f.path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", f.path)
	}
	opened, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	before, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(opened, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s has more than %d MiB", f.path, maxFile>>20)
	}
	after, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if !same(before, after) {
		return nil, errChanging
	}
	table, flaws := parse(string(text), f.seed)
	if known := f.current.Load(); known == nil || !same(known.info, before) {
		f.complain(flaws)
	}
	rest := settle
	if !bytes.HasSuffix(text, []byte("\n")) {
		rest = settleRagged
	}
	return &version{table: table, info: before, rest: rest, settled: time.Since(before.ModTime()) >= rest}, nil
}

// complain logs the first broken lines, and how many more there are: the file may be a wrong one.
func (f *File) complain(flaws []flaw) {
	const most = 50
	for _, flaw := range flaws[:min(len(flaws), most)] {
		f.log.Warn("a line of a users file is broken", "file", f.path, "line", flaw.line, "error", flaw.err)
	}
	if more := len(flaws) - most; more > 0 {
		f.log.Warn("more lines of a users file are broken", "file", f.path, "lines", more)
	}
}

// same reports whether two looks at a file saw the same contents, as far as can be known without reading it.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// String names the file.
func (f *File) String() string { return "file " + f.path }

// GoString is String.
func (f *File) GoString() string { return f.String() }
