package bodystore

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Store keeps mails. Driver must be set; the zero value of every other field works. Fields must not change once it is
// used; methods are safe for concurrent use.
type Store struct {
	Driver Driver
	// Gzip compresses what is stored. What is read is recognised by its first bytes, so that it may be switched at any
	// time.
	Gzip bool
	// Timeout limits each operation; zero means 20 seconds.
	Timeout time.Duration
	// Parallel is the largest number of operations at a time; zero means 16.
	Parallel int
	// SpoolDir is where mails of more than MemoryLimit bytes lie while they are used; "" means os.TempDir.
	SpoolDir string
	// MaxSize is the size of the largest mail that is read, uncompressed; zero means 100 MiB.
	MaxSize int64

	once sync.Once
	room chan struct{}
	last atomic.Pointer[error] // of the last operation; nil: it could be done
}

// MemoryLimit is the size of the largest mail that is kept in memory while it is used.
const MemoryLimit = 256 << 10

// Put stores a mail until expires. It returns when the mail is durable.
func (s *Store) Put(ctx context.Context, key string, mail queue.Body, expires time.Time) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return s.do(ctx, func(ctx context.Context) error {
		in := io.Reader(io.NewSectionReader(mail, 0, mail.Size()))
		size := mail.Size()
		if s.Gzip {
			z := pack(in)
			packed, err := s.hold(z)
			z.Close()
			if err != nil {
				return err
			}
			defer packed.Close()
			in, size = io.NewSectionReader(packed, 0, packed.Size()), packed.Size()
		}
		return fullness(s.Driver.Put(ctx, key, in, size, expires))
	})
}

// fullness recognises that a disk is full, whichever driver says so.
func fullness(err error) error {
	if !errors.Is(err, ErrFull) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// Get returns a mail; the caller closes it. An error wraps ErrNotFound or ErrDamaged, or says that the store could not
// be asked.
func (s *Store) Get(ctx context.Context, key string) (mail *Mail, err error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	err = s.do(ctx, func(ctx context.Context) error {
		in, err := s.Driver.Get(ctx, key)
		if err != nil {
			return err
		}
		defer in.Close()
		text, err := unpack(in)
		if err != nil {
			return err
		}
		if mail, err = s.hold(text); err == nil {
			mail.key = key
		}
		return err
	})
	return mail, err
}

// Fetch is Get for code that knows messages alone: the mail is a body that also has a method Close, and an error wraps
// queue.ErrNotFound when there is no such mail, and is a *queue.DamageError when it cannot be read.
func (s *Store) Fetch(ctx context.Context, key string) (queue.Body, error) {
	mail, err := s.Get(ctx, key)
	switch {
	case err == nil:
		return mail, nil
	case errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("%w: %w", queue.ErrNotFound, err)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrKey):
		return nil, &queue.DamageError{Reason: err.Error()}
	}
	return nil, err
}

// Sweep removes the mails whose time is over, and returns how many that were. Call it now and then; of several programs
// that share a store one is enough.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n, err := s.Driver.Sweep(ctx, time.Now())
	s.note(err)
	return n, err
}

// Close closes the driver.
func (s *Store) Close() error { return s.Driver.Close() }

// CheckKey returns an error that wraps ErrKey for what cannot be a key.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("key of %d bytes: %w", len(key), ErrKey)
	}
	return nil
}

// do runs an operation within the limits.
func (s *Store) do(ctx context.Context, f func(context.Context) error) error {
	s.once.Do(func() {
		n := s.Parallel
		if n <= 0 {
			n = 16
		}
		s.room = make(chan struct{}, n)
	})
	limit := s.Timeout
	if limit <= 0 {
		limit = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case s.room <- struct{}{}:
		defer func() { <-s.room }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for the message store: %w", ctx.Err())
	}
	err := f(ctx)
	s.note(err)
	return err
}

// note keeps what Err returns.
func (s *Store) note(err error) {
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrDamaged):
		s.last.Store(nil)
	case !errors.Is(err, context.Canceled): // nobody waited for the answer
		s.last.Store(&err)
	}
}

// Err returns why the last operation failed, if it did because the store could not be used.
func (s *Store) Err() error {
	if err := s.last.Load(); err != nil {
		return *err
	}
	return nil
}

// hold reads all of r, into memory or, when it is large, into a file without a name.
func (s *Store) hold(r io.Reader) (*Mail, error) {
	most := s.MaxSize
	if most <= 0 {
		most = 100 << 20
	}
	data, err := io.ReadAll(io.LimitReader(r, MemoryLimit+1))
	if err != nil {
		return nil, err
	}
	if len(data) <= MemoryLimit {
		return &Mail{data: data, size: int64(len(data))}, nil
	}
	file, err := os.CreateTemp(s.SpoolDir, "mail")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // it lives as long as it is open
	size, err := file.Write(data)
	m := &Mail{file: file, size: int64(size)}
	if err == nil {
		var n int64
		n, err = io.Copy(file, io.LimitReader(r, most-int64(size)+1))
		m.size += n
	}
	if err == nil && m.size > most {
		err = fmt.Errorf("a mail of more than %d bytes: %w", most, ErrDamaged)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Mail is a mail that was read from a store. It is a queue.Body until it is closed.
type Mail struct {
	key  string
	data []byte
	file *os.File
	size int64
}

// Size returns the length in bytes.
func (m *Mail) Size() int64 { return m.size }

// ReadAt implements io.ReaderAt.
func (m *Mail) ReadAt(p []byte, off int64) (int, error) {
	if m.file != nil {
		return m.file.ReadAt(p, off)
	}
	return queue.Bytes(m.data).ReadAt(p, off)
}

// Close gives back the file of a large mail.
func (m *Mail) Close() error {
	if m.file != nil {
		return m.file.Close()
	}
	return nil
}

// pack returns what r has, compressed. Closing it ends the compressor.
func pack(r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		z := gzip.NewWriter(in)
		_, err := io.Copy(z, r)
		in.CloseWithError(errors.Join(err, z.Close()))
	}()
	return out
}

// unpack returns what was stored, decompressed if need be.
func unpack(r io.Reader) (io.Reader, error) {
	source := &source{r: r}
	in := bufio.NewReader(source)
	if start, _ := in.Peek(2); string(start) != "\x1f\x8b" {
		return in, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, source.blame(err)
	}
	return unpacked{z, source}, nil
}

// source remembers why the bytes of a driver ended.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// blame returns the driver's error, and says that the mail is damaged when there was none.
func (s *source) blame(err error) error {
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// unpacked is a mail that is decompressed as it is read.
type unpacked struct {
	z      *gzip.Reader
	source *source
}

func (u unpacked) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	if err != nil && err != io.EOF {
		err = u.source.blame(err)
	}
	return n, err
}
