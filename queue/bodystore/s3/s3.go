// Package s3 keeps mails in a bucket of Amazon S3, or of a server that speaks its protocol. The bucket has to be there.
//
// A mail is one object, mails/ and a hash of its key, so that any text can be a key; its metadata say when it expires.
// S3 can neither list objects by their metadata nor by age, and a bucket can hold millions of mails. So each mail has
// an empty object beside it:
//
//	expires/000001763731200-6f1ed002ab55...
//
// Its name begins with the time, and buckets list names in order: a sweep reads from the beginning and stops at the
// first name that lies in the future. It lists what has expired and at most a page more, however many mails there are.
// That object is made before the mail: a crash in between leaves a name without a mail, never a mail that nobody
// removes.
//
// Putting a mail again under its key looks at the metadata first and keeps the later time. Two programs that do so for
// the same key at the same moment can both see the earlier time; then the one that came last counts.
package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sluicemail/sluice/queue/bodystore"
)

// Options say where a bucket is. Bucket, Access and Secret must be set.
type Options struct {
	Access string // the id of the key
	Secret string // the key itself
	Region string // "" means us-east-1
	Bucket string
	// Endpoint is the URL of the server, http:// or https:// and a host; "" means Amazon's in the region.
	Endpoint string
	// PathStyle has the bucket in the path of URLs instead of the host name, whatever the server is. Servers that are
	// not Amazon's are asked in that way in any case, unless VirtualStyle is set.
	PathStyle, VirtualStyle bool
	// Prefix begins the names of all objects, so that a bucket can be shared. It ends with a slash unless it is empty.
	Prefix string
}

// String names the bucket and shows neither key.
func (o Options) String() string {
	where := o.Region
	if o.Endpoint != "" {
		where = o.Endpoint
	}
	return "s3 bucket " + o.Bucket + " at " + where
}

// Store is a bucket with mails. Several programs may share it.
type Store struct {
	opts      Options
	client    minio.Core
	transport *http.Transport
	locks     [64]sync.Mutex // of keys, by their hash: a Put looks before it writes
}

// Open makes a store. The server is not asked for anything yet.
func Open(o Options) (*Store, error) {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	endpoint, secure := "s3.amazonaws.com", true
	lookup := minio.BucketLookupAuto
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
			strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, errors.New("the endpoint is not understood: expected http://HOST:PORT or https://HOST:PORT")
		}
		endpoint, secure, lookup = u.Host, u.Scheme == "https", minio.BucketLookupPath
		o.Endpoint = u.Scheme + "://" + u.Host
	}
	switch {
	case o.PathStyle && o.VirtualStyle:
		return nil, errors.New("both path style and virtual style are asked for")
	case o.PathStyle:
		lookup = minio.BucketLookupPath
	case o.VirtualStyle:
		lookup = minio.BucketLookupDNS
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	client, err := minio.NewCore(endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(o.Access, o.Secret, ""), Secure: secure, Region: o.Region, BucketLookup: lookup,
		Transport: transport, MaxRetries: 3,
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", endpoint, err)
	}
	return &Store{opts: o, client: *client, transport: transport}, nil
}

// String names the bucket.
func (s *Store) String() string { return s.opts.String() }

// Close implements bodystore.Driver.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// The first parts of names.
const (
	mails   = "mails/"
	expires = "expires/"
)

// expiry is the name of the metadata that say when a mail expires, in seconds since 1970. Servers write it as a header.
const expiry = "Expiry"

func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func (s *Store) mail(hash string) string { return s.opts.Prefix + mails + hash }

// mark is the name of the object that has a mail swept.
func (s *Store) mark(at int64, hash string) string {
	return s.opts.Prefix + expires + fmt.Sprintf("%015d", at) + "-" + hash
}

// unmark takes such a name apart.
func (s *Store) unmark(name string) (at int64, hash string, ok bool) {
	text, hash, ok := strings.Cut(strings.TrimPrefix(name, s.opts.Prefix+expires), "-")
	at, err := strconv.ParseInt(text, 10, 64)
	return at, hash, ok && err == nil && len(hash) == 2*sha256.Size
}

// fail says of an error where it came from, and what it means.
func (s *Store) fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	switch minio.ToErrorResponse(err).Code {
	case "NoSuchKey":
		return bodystore.ErrNotFound
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "StorageFull":
		err = fmt.Errorf("%w: %w", bodystore.ErrFull, err)
	}
	return fmt.Errorf("%s: %s: %w", s.opts, doing, err)
}

// Put implements bodystore.Driver.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64, until time.Time) error {
	h := hash(key)
	lock := &s.locks[h[0]%byte(len(s.locks))]
	lock.Lock()
	defer lock.Unlock()
	at := max(until.Unix(), 0)
	before, err := s.expiry(ctx, h)
	switch {
	case err == nil:
		at = max(at, before)
	case !errors.Is(err, bodystore.ErrNotFound):
		return err
	}
	if before != at || err != nil {
		if err := s.put(ctx, s.mark(at, h), bytes.NewReader(nil), 0, at); err != nil {
			return s.fail("noting when a mail expires", err)
		}
	}
	in := &counter{r: r, want: size}
	err = s.put(ctx, s.mail(h), in, size, at)
	if in.err != nil {
		return in.err
	}
	return s.fail("storing a mail", err)
}

// put writes one object in one request. Its bytes are signed as they go where TLS does not protect them; there is
// nothing to sign of none.
func (s *Store) put(ctx context.Context, name string, r io.Reader, size, at int64) error {
	_, err := s.client.PutObject(ctx, s.opts.Bucket, name, r, size, "", "", minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: map[string]string{expiry: strconv.FormatInt(at, 10)},
		DisableContentSha256: size == 0,
	})
	return err
}

// expiry returns when a mail that is there expires.
func (s *Store) expiry(ctx context.Context, hash string) (int64, error) {
	info, err := s.client.StatObject(ctx, s.opts.Bucket, s.mail(hash), minio.StatObjectOptions{})
	if err != nil {
		return 0, s.fail("looking for a mail", err)
	}
	at, err := strconv.ParseInt(info.UserMetadata[expiry], 10, 64)
	if err != nil {
		return 0, nil // not of this package: it may be replaced
	}
	return at, nil
}

// counter keeps the error of what is read, and makes one of an early end.
type counter struct {
	r         io.Reader
	want, got int64
	err       error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.got += int64(n)
	switch {
	case err == io.EOF && c.got != c.want:
		err = fmt.Errorf("%d bytes came instead of %d: %w", c.got, c.want, io.ErrUnexpectedEOF)
		c.err = err
	case err != nil && err != io.EOF:
		c.err = err
	}
	return n, err
}

// Get implements bodystore.Driver.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	body, _, _, err := s.client.GetObject(ctx, s.opts.Bucket, s.mail(hash(key)), minio.GetObjectOptions{})
	if err != nil {
		return nil, s.fail("fetching a mail", err)
	}
	return body, nil
}

// page is how many names are listed at a time.
const page = 1000

// Sweep implements bodystore.Driver.
func (s *Store) Sweep(ctx context.Context, now time.Time) (n int, err error) {
	list := s.client.ListObjectsIter(ctx, s.opts.Bucket,
		minio.ListObjectsOptions{Prefix: s.opts.Prefix + expires, MaxKeys: page})
	for o := range list {
		if o.Err != nil {
			return n, s.fail("listing what expires", o.Err)
		}
		at, hash, ok := s.unmark(o.Key)
		if !ok {
			continue // not of this package
		}
		if at > now.Unix() {
			break
		}
		removed, err := s.remove(ctx, hash, now)
		if err == nil {
			err = s.delete(ctx, o.Key)
		}
		if err != nil {
			return n, err
		}
		if removed {
			n++
		}
	}
	return n, ctx.Err()
}

// remove removes a mail unless it was prolonged: then it has another mark.
func (s *Store) remove(ctx context.Context, hash string, now time.Time) (bool, error) {
	at, err := s.expiry(ctx, hash)
	if errors.Is(err, bodystore.ErrNotFound) {
		return false, nil
	}
	if err != nil || at > now.Unix() {
		return false, err
	}
	return true, s.delete(ctx, s.mail(hash))
}

func (s *Store) delete(ctx context.Context, name string) error {
	return s.fail("removing an object", s.client.RemoveObject(ctx, s.opts.Bucket, name, minio.RemoveObjectOptions{}))
}
