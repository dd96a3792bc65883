package mongostore

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/sluicemail/sluice/queue/bodystore"
)

const (
	largest   = 15 << 20         // bytes of a mail in one document, and of a part
	keepParts = 10 * time.Minute // for who reads a mail that was replaced
	closeTime = 5 * time.Second
)

// Store is a collection with mails. Several programs may share it.
type Store struct {
	opts   Options
	client *mongo.Client
	mails  *mongo.Collection
	part   int // bytes of a part
}

// document is a mail, a master or a part.
type document struct {
	ID       string        `bson:"_id"`
	Parent   string        `bson:"parent,omitempty"`
	Value    bson.RawValue `bson:"value,omitempty"`
	Keys     []string      `bson:"keys,omitempty"`
	Size     int64         `bson:"size,omitempty"`
	Offset   int64         `bson:"offset,omitempty"`
	Expire   time.Time     `bson:"expire"`
	Modified time.Time     `bson:"modified"`
	Encoding string        `bson:"encoding,omitempty"`
}

// Open makes a store. The server is not asked for anything yet.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	durable := writeconcern.Majority()
	journal := true
	durable.Journal = &journal
	settings := options.Client().ApplyURI(o.URI).SetWriteConcern(durable)
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %s", o, withoutLogin(err.Error(), o.URI))
	}
	client, err := mongo.Connect(settings)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", o, withoutLogin(err.Error(), o.URI))
	}
	return &Store{opts: o, client: client, mails: client.Database(o.Database).Collection(o.Collection), part: largest}, nil
}

// withoutLogin takes user and password out of an error that may quote the address.
func withoutLogin(text, uri string) string {
	login := strings.TrimPrefix(uri, "mongodb://")
	at := strings.LastIndexByte(login, '@')
	if at < 0 {
		return text
	}
	for _, secret := range strings.SplitN(login[:at], ":", 2) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// String names the collection.
func (s *Store) String() string { return s.opts.String() }

// Close implements bodystore.Driver.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return s.client.Disconnect(ctx)
}

// fail says of an error where it came from, and what it means.
func (s *Store) fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	var server mongo.ServerError
	if errors.As(err, &server) && server.HasErrorCode(14031) { // OutOfDiskSpace
		err = fmt.Errorf("%w: %w", bodystore.ErrFull, err)
	}
	return fmt.Errorf("%s: %s: %w", s.opts, doing, err)
}

// escaped begins the ids of keys that cannot be ids themselves.
const escaped = "hex:"

func idOf(key string) string {
	if utf8.ValidString(key) && !strings.Contains(key, "\x00") && !strings.HasPrefix(key, escaped) {
		return key
	}
	return escaped + hex.EncodeToString([]byte(key))
}

// Put implements bodystore.Driver.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	id := idOf(key)
	before, err := s.find(ctx, id, bson.D{{Key: "value", Value: 0}})
	if err != nil && !errors.Is(err, bodystore.ErrNotFound) {
		return err
	}
	if before.Expire.After(expires) {
		expires = before.Expire
	}
	set := bson.D{{Key: "modified", Value: time.Now()}}
	unset := bson.D{{Key: "keys", Value: ""}, {Key: "size", Value: ""}}
	var parts []string
	var first []byte
	if size <= int64(s.part) {
		if first, err = read(r, size); err == nil {
			err = ended(r)
		}
		set = append(set, bson.E{Key: "value", Value: bson.Binary{Data: first}})
	} else {
		parts, first, err = s.putParts(ctx, id, r, size, expires)
		set = append(set, bson.E{Key: "keys", Value: parts}, bson.E{Key: "size", Value: size})
		unset = bson.D{{Key: "value", Value: ""}}
	}
	if err == nil {
		set = append(set, bson.E{Key: "encoding", Value: encoding(first)})
		err = s.store(ctx, id, set, unset, expires)
	}
	if err != nil {
		s.retire(ctx, parts)
		return err
	}
	s.retire(ctx, before.Keys)
	return nil
}

// store writes the document of a mail; the later time counts.
func (s *Store) store(ctx context.Context, id string, set, unset bson.D, expires time.Time) error {
	change := bson.D{{Key: "$set", Value: set}, {Key: "$unset", Value: unset},
		{Key: "$max", Value: bson.D{{Key: "expire", Value: expires}}}}
	var err error
	for range 3 { // two that store a new mail at once can meet: one of them finds it there the next time
		_, err = s.mails.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, change, options.UpdateOne().SetUpsert(true))
		if !mongo.IsDuplicateKeyError(err) {
			break
		}
	}
	return s.fail("storing a mail", err)
}

// putParts writes the parts of a large mail, and returns their ids and the first bytes.
func (s *Store) putParts(ctx context.Context, parent string, r io.Reader, size int64, expires time.Time) (ids []string,
	first []byte, err error) {
	for offset := int64(0); offset < size; offset += int64(s.part) {
		data, err := read(r, min(size-offset, int64(s.part)))
		if err != nil {
			return ids, nil, err
		}
		if offset == 0 {
			first = data[:min(len(data), 2)]
		}
		id := bson.NewObjectID().Hex()
		_, err = s.mails.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "parent", Value: parent},
			{Key: "value", Value: bson.Binary{Data: data}},
			{Key: "offset", Value: offset}, {Key: "expire", Value: expires}, {Key: "modified", Value: time.Now()}})
		ids = append(ids, id)
		if err != nil {
			return ids, nil, s.fail("storing a part of a mail", err)
		}
	}
	return ids, first, ended(r)
}

// retire has parts removed that no mail consists of any more. When that fails, they go when they expire.
func (s *Store) retire(ctx context.Context, parts []string) {
	if len(parts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	_, _ = s.mails.UpdateMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: parts}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "expire", Value: time.Now().Add(keepParts)}}}})
}

// read reads n bytes.
func read(r io.Reader, n int64) ([]byte, error) {
	data := make([]byte, n)
	if got, err := io.ReadFull(r, data); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%d bytes came instead of %d: %w", got, n, io.ErrUnexpectedEOF)
	} else if err != nil {
		return nil, err
	}
	return data, nil
}

// ended makes sure that nothing follows.
func ended(r io.Reader) error {
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return errors.New("the mail is longer than it was said to be")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// encoding tells compressed mails, which bodystore.Store recognises in the same way.
func encoding(data []byte) string {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return "gzip"
	}
	return "identity"
}

// find returns a document without the fields that are left out.
func (s *Store) find(ctx context.Context, id string, without bson.D) (d document, err error) {
	opts := options.FindOne()
	if without != nil {
		opts.SetProjection(without)
	}
	err = s.mails.FindOne(ctx, bson.D{{Key: "_id", Value: id}}, opts).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return d, bodystore.ErrNotFound
	}
	return d, s.fail("fetching a mail", err)
}

// Get implements bodystore.Driver.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	var d document
	var err error
	for range max(s.opts.Attempts, 1) {
		if d, err = s.find(ctx, idOf(key), nil); !errors.Is(err, bodystore.ErrNotFound) {
			break
		}
	}
	switch {
	case err != nil:
		return nil, err
	case d.Parent != "":
		return nil, bodystore.ErrNotFound // a part is no mail
	case d.Keys != nil:
		return &parts{ctx: ctx, store: s, keys: d.Keys, left: d.Size}, nil
	}
	data, err := d.data()
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// data returns the value, binary or a string.
func (d *document) data() ([]byte, error) {
	if _, data, ok := d.Value.BinaryOK(); ok {
		return data, nil
	}
	if text, ok := d.Value.StringValueOK(); ok {
		return []byte(text), nil
	}
	return nil, fmt.Errorf("%w: its document has no value", bodystore.ErrDamaged)
}

// parts reads a large mail, one part after another.
type parts struct {
	ctx   context.Context
	store *Store
	keys  []string
	left  int64
	data  []byte
}

func (p *parts) Read(b []byte) (int, error) {
	for len(p.data) == 0 {
		if len(p.keys) == 0 && p.left == 0 {
			return 0, io.EOF
		}
		if len(p.keys) == 0 || p.left <= 0 {
			return 0, fmt.Errorf("%w: its parts have another size than the whole", bodystore.ErrDamaged)
		}
		d, err := p.store.find(p.ctx, p.keys[0], nil)
		if errors.Is(err, bodystore.ErrNotFound) {
			err = fmt.Errorf("%w: a part is missing", bodystore.ErrDamaged)
		}
		if err == nil {
			p.data, err = d.data()
		}
		if err != nil {
			return 0, err
		}
		p.keys, p.left = p.keys[1:], p.left-int64(len(p.data))
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}

func (p *parts) Close() error { return nil }

// Sweep implements bodystore.Driver.
func (s *Store) Sweep(ctx context.Context, now time.Time) (int, error) {
	over := func(part bool) bson.D {
		return bson.D{{Key: "parent", Value: bson.D{{Key: "$exists", Value: part}}},
			{Key: "expire", Value: bson.D{{Key: "$lte", Value: now}}}}
	}
	if _, err := s.mails.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "expire", Value: 1}}}); err != nil {
		return 0, s.fail("making the index of what expires", err)
	}
	gone, err := s.mails.DeleteMany(ctx, over(false))
	if err != nil {
		return 0, s.fail("removing what has expired", err)
	}
	_, err = s.mails.DeleteMany(ctx, over(true))
	return int(gone.DeletedCount), s.fail("removing parts that have expired", err)
}
