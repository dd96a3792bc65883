package mongostore

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/bodystoretest"
)

func open(t *testing.T, address string) *Store {
	t.Helper()
	d, err := OpenAddress(t.Context(), "mongodb", address)
	require.NoError(t, err)
	return d.(*Store)
}

func TestContract(t *testing.T) {
	server := testserver.FerretDB(t)
	for name, part := range map[string]int{"whole": largest, "parts": 300_000} {
		t.Run(name, func(t *testing.T) {
			bodystoretest.Run(t, func(t *testing.T) func() bodystore.Driver {
				database := "t" + strings.ToLower(rand.Text())
				return func() bodystore.Driver {
					s := open(t, server+"/"+database+"/mime")
					s.part = part
					return s
				}
			})
		})
	}
}

// TestLayout is MailerQ's, written and read.
func TestLayout(t *testing.T) {
	s := open(t, testserver.FerretDB(t)+"/mailerq/mime?readAttempts=3&maxQuerySize=10")
	defer s.Close()
	ctx, until := t.Context(), time.Now().Add(time.Hour).Truncate(time.Millisecond)
	fields := func(id string) (m bson.M) {
		require.NoError(t, s.mails.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&m))
		return m
	}
	require.NoError(t, s.Put(ctx, "small", strings.NewReader("a mail"), 6, until))
	m := fields("small")
	require.Equal(t, "a mail", string(m["value"].(bson.Binary).Data))
	require.Equal(t, "identity", m["encoding"])
	require.Equal(t, until.UTC(), m["expire"].(bson.DateTime).Time().UTC())
	require.Contains(t, m, "modified")

	s.part = 4
	require.NoError(t, s.Put(ctx, "large", strings.NewReader("\x1f\x8bcompressed"), 12, until))
	m = fields("large")
	require.Equal(t, "gzip", m["encoding"])
	require.EqualValues(t, 12, m["size"])
	require.NotContains(t, m, "value")
	ids := m["keys"].(bson.A)
	require.Len(t, ids, 3)
	m = fields(ids[1].(string))
	require.Equal(t, "large", m["parent"])
	require.EqualValues(t, 4, m["offset"])
	require.Equal(t, "mpre", string(m["value"].(bson.Binary).Data))
	_, err := s.Get(ctx, ids[1].(string))
	require.ErrorIs(t, err, bodystore.ErrNotFound, "a part is no mail")

	// As other programs write it.
	_, err = s.mails.InsertOne(ctx, bson.D{{Key: "_id", Value: "text"}, {Key: "value", Value: "Subject: ä\r\n\r\n"},
		{Key: "expire", Value: until},
		{Key: "modified", Value: until}, {Key: "encoding", Value: "identity"}})
	require.NoError(t, err)
	r, err := s.Get(ctx, "text")
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "Subject: ä\r\n\r\n", string(data))

	// A part that is gone is damage, not an end.
	_, err = s.mails.DeleteOne(ctx, bson.D{{Key: "_id", Value: ids[2]}})
	require.NoError(t, err)
	r, err = s.Get(ctx, "large")
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, bodystore.ErrDamaged)
}

func TestAway(t *testing.T) {
	s := open(t, "127.0.0.1:1/mail/mime")
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.Get(ctx, "a")
	require.Error(t, err)
	require.NotErrorIs(t, err, bodystore.ErrNotFound)
	require.Contains(t, err.Error(), "mongodb://127.0.0.1:1/mail/mime")
	require.Error(t, s.Put(ctx, "a", bytes.NewReader(nil), 0, time.Now()))
}

func TestParseAddress(t *testing.T) {
	for address, want := range map[string]Options{
		"host":          {URI: "mongodb://host/", Database: "mailerq", Collection: "mime"},
		"host:27018/db": {URI: "mongodb://host:27018/", Database: "db", Collection: "mime"},
		"host/db/c":     {URI: "mongodb://host/", Database: "db", Collection: "c"},
		"h1;h2;h3/rs/db/c?readAttempts=3": {URI: "mongodb://h1,h2,h3/?replicaSet=rs", Database: "db", Collection: "c",
			Attempts: 3},
		"u:p%40w@h/db/c?tls=true": {URI: "mongodb://u:p%40w@h/db?tls=true", Database: "db", Collection: "c"},
	} {
		got, err := ParseAddress(address)
		require.NoError(t, err, address)
		require.Equal(t, want, got, address)
		require.NotContains(t, got.String(), "p%40w")
	}
	for address, want := range map[string]string{
		"": "no host", ";/db": "no host", "h/a/b/c/d": "more parts", "h/db?readAttempts=many": "readAttempts",
	} {
		_, err := ParseAddress(address)
		require.ErrorContains(t, err, want, address)
	}
	for _, address := range []string{"joe:hunter2@h/db/c?tls=perhaps", "joe:hunter2@h:port/db",
		"joe:hunter2@h/db?authMechanism=NONE"} {
		_, err := OpenAddress(t.Context(), "mongodb", address)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
