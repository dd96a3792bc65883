package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sluicemail/sluice/internal/database"
	"github.com/sluicemail/sluice/queue/bodystore"
)

// Store is a table with mails. Several programs may share it.
type Store struct {
	pool    *sql.DB
	dialect *dialect
	name    string        // the address, without the password
	ready   chan struct{} // closed once the table is there
	making  chan struct{} // held by who makes it
	writing chan struct{} // of SQLite: held by the goroutine that writes
}

const (
	// PartSize is the length of the longest part.
	PartSize = 1 << 20

	dialTime    = 10 * time.Second
	lockWait    = 5 * time.Second
	connections = 16
)

// OpenAddress opens the store that an address stands for, given its scheme and what follows ://. It is a
// bodystore.Opener.
func OpenAddress(_ context.Context, scheme, rest string) (bodystore.Driver, error) {
	a, err := database.Parse(scheme + "://" + rest)
	if err != nil {
		return nil, err
	}
	switch a.Scheme {
	case "postgresql":
		cfg, err := database.PostgresConfig(a)
		if err != nil {
			return nil, err
		}
		pool, name := database.Postgres(cfg, dialTime)
		return newStore(pool, postgresDialect(), name), nil
	case "mysql":
		cfg, err := database.MySQLConfig(a)
		if err != nil {
			return nil, err
		}
		pool, name, err := database.MySQL(cfg, dialTime)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return newStore(pool, mysqlDialect(), name), nil
	}
	return OpenSQLite(a.Path)
}

// OpenSQLite uses the file at path, which is made when it is missing.
func OpenSQLite(path string) (*Store, error) {
	if path == database.InMemory {
		return nil, errors.New("a message store in memory would be lost with the program: expected the path of a file")
	}
	pool, err := database.SQLite(path, lockWait)
	if err != nil {
		return nil, err
	}
	s := newStore(pool, sqliteDialect(), "sqlite://"+path)
	s.writing = make(chan struct{}, 1)
	return s, nil
}

func newStore(pool *sql.DB, d *dialect, name string) *Store {
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(4)
	pool.SetConnMaxIdleTime(time.Minute)
	return &Store{pool: pool, dialect: d, name: name, ready: make(chan struct{}), making: make(chan struct{}, 1)}
}

// String returns the address without its password.
func (s *Store) String() string { return s.name }

// Close implements bodystore.Driver.
func (s *Store) Close() error { return s.pool.Close() }

// fail says of an error where it came from, and what it means.
func (s *Store) fail(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if s.dialect.full(err) {
		err = fmt.Errorf("%w: %w", bodystore.ErrFull, err)
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return fmt.Errorf("%s: %s: %w", s.name, doing, err)
}

// prepare makes the table when it is first needed.
func (s *Store) prepare(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.ready:
		return nil
	case s.making <- struct{}{}:
		defer func() { <-s.making }()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.ready:
		return nil
	default:
	}
	var err error
	for range 3 { // PostgreSQL can fail when two programs make a table at once
		if err = s.create(ctx); err == nil {
			close(s.ready)
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return s.fail(ctx, "making the table", err)
}

func (s *Store) create(ctx context.Context) error {
	for _, statement := range s.dialect.create {
		if _, err := s.pool.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// write runs f in a transaction.
func (s *Store) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	if s.writing != nil {
		select {
		case s.writing <- struct{}{}:
			defer func() { <-s.writing }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	tx, err := s.pool.BeginTx(ctx, &sql.TxOptions{Isolation: s.dialect.isolation})
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // it ends with its connection at the latest
		return err
	}
	return tx.Commit()
}

// Put implements bodystore.Driver.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64, expires time.Time) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	in := &parts{r: r, left: size, buf: make([]byte, min(size, PartSize))}
	first, err := in.next()
	if err != nil {
		return err
	}
	for range 5 {
		err = s.write(ctx, func(tx *sql.Tx) error { return s.put(ctx, tx, []byte(key), first, in, size, expires) })
		if err == nil || in.part > 1 || !s.dialect.again(err) { // what was read is gone
			break
		}
	}
	if in.err != nil {
		return in.err
	}
	return s.fail(ctx, "storing a mail", err)
}

func (s *Store) put(ctx context.Context, tx *sql.Tx, key, first []byte, in *parts, size int64,
	expires time.Time) error {
	run := func(statement string, values ...any) error {
		_, err := tx.ExecContext(ctx, s.dialect.place(statement), values...)
		return err
	}
	if err := run(s.dialect.upsert, key, expires.Unix(), size, first); err != nil {
		return err
	}
	if err := run("DELETE FROM sluice_mails WHERE mail = ? AND part > 0", key); err != nil {
		return err
	}
	for in.left > 0 {
		n := in.part
		data, err := in.next()
		if err != nil {
			return err
		}
		if err := run("INSERT INTO sluice_mails (mail, part, data) VALUES (?, ?, ?)", key, n, data); err != nil {
			return err
		}
	}
	return in.end()
}

// parts cuts a mail.
type parts struct {
	r    io.Reader
	left int64
	part int   // the next one
	err  error // of what is read
	buf  []byte
}

// next returns the next part, which is valid until the next call; the first of an empty mail is empty.
func (p *parts) next() ([]byte, error) {
	p.part++
	data := p.buf[:min(p.left, PartSize)]
	n, err := io.ReadFull(p.r, data)
	if err != nil {
		p.err = fmt.Errorf("%d bytes came less than expected: %w", p.left-int64(n), noEOF(err))
		return nil, p.err
	}
	p.left -= int64(n)
	return data, nil
}

// end makes sure that nothing follows.
func (p *parts) end() error {
	if n, err := p.r.Read(make([]byte, 1)); n > 0 {
		p.err = errors.New("the mail is longer than it was said to be")
	} else if err != nil && err != io.EOF {
		p.err = err
	}
	return p.err
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Get implements bodystore.Driver.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	rows,
		err := s.pool.QueryContext(ctx,
		s.dialect.place("SELECT part, size, data FROM sluice_mails WHERE mail = ? ORDER BY part"), []byte(key))
	if err != nil {
		return nil, s.fail(ctx, "fetching a mail", err)
	}
	m := &mail{ctx: ctx, s: s, rows: rows}
	if err := m.next(); err != nil {
		m.Close()
		if err == io.EOF {
			err = bodystore.ErrNotFound
		}
		return nil, err
	}
	return m, nil
}

// mail reads the parts of a mail as they come.
type mail struct {
	ctx  context.Context
	s    *Store
	rows *sql.Rows
	part int64
	left int64 // of what part 0 says
	data sql.RawBytes
}

func (m *mail) Read(p []byte) (int, error) {
	for len(m.data) == 0 {
		if err := m.next(); err != nil {
			if err == io.EOF && m.left > 0 {
				err = fmt.Errorf("%d bytes are missing: %w", m.left, bodystore.ErrDamaged)
			}
			return 0, err
		}
	}
	n := copy(p, m.data)
	m.data = m.data[n:]
	return n, nil
}

// next reads the next part; io.EOF when there is none.
func (m *mail) next() error {
	if !m.rows.Next() {
		if err := m.rows.Err(); err != nil {
			return m.s.fail(m.ctx, "fetching a mail", err)
		}
		return io.EOF
	}
	var (
		part int64
		size sql.NullInt64
	)
	if err := m.rows.Scan(&part, &size, &m.data); err != nil {
		return m.s.fail(m.ctx, "fetching a mail", err)
	}
	if part == 0 {
		m.left = size.Int64
	}
	if part != m.part || int64(len(m.data)) > m.left {
		return fmt.Errorf("part %d has %d bytes, expected part %d of %d bytes at most: %w", part, len(m.data), m.part, m.left,
			bodystore.ErrDamaged)
	}
	m.part++
	m.left -= int64(len(m.data))
	return nil
}

// Close ends reading.
func (m *mail) Close() error { return m.rows.Close() }

// sweepAtOnce is how many mails are looked up at a time.
const sweepAtOnce = 500

// Sweep implements bodystore.Driver. Each mail is removed in a transaction of its own.
func (s *Store) Sweep(ctx context.Context, now time.Time) (n int, err error) {
	if err := s.prepare(ctx); err != nil {
		return 0, err
	}
	for {
		keys, err := s.expired(ctx, now)
		if err != nil {
			return n, s.fail(ctx, "looking for old mails", err)
		}
		removed := 0
		for _, key := range keys {
			ok, err := s.remove(ctx, key, now)
			if err != nil {
				return n, s.fail(ctx, "removing an old mail", err)
			}
			if ok {
				removed++
			}
		}
		if n += removed; removed == 0 || len(keys) < sweepAtOnce {
			return n, nil
		}
	}
}

func (s *Store) expired(ctx context.Context, now time.Time) (keys [][]byte, err error) {
	rows, err := s.pool.QueryContext(ctx, s.dialect.place("SELECT mail FROM sluice_mails WHERE expires <= ? LIMIT ?"),
		now.Unix(), sweepAtOnce)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// remove removes a mail unless it was prolonged meanwhile.
func (s *Store) remove(ctx context.Context, key []byte, now time.Time) (ok bool, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		result,
			err := tx.ExecContext(ctx, s.dialect.place("DELETE FROM sluice_mails WHERE mail = ? AND part = 0 AND expires <= ?"),
			key, now.Unix())
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		ok = true
		_, err = tx.ExecContext(ctx, s.dialect.place("DELETE FROM sluice_mails WHERE mail = ?"), key)
		return err
	})
	return ok && err == nil, err
}
