package snapshot

import (
	"crypto/ed25519"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/database"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/throttle"
	limits "github.com/sluicemail/sluice/throttle/rules"
)

// minimal are rows that name only what they are about, as a script writes them.
var minimal = []struct {
	table  settings.TableName
	values map[string]any
}{
	{"locals", map[string]any{"address": "info@here.test", "type": "exact"}},
	{"mtanames", map[string]any{"localip": "192.0.2.1", "name": "one.test"}},
	{"mtalabels", map[string]any{"localip": "192.0.2.1", "label": "one"}},
	{"ips", map[string]any{"ip": "192.0.2.1"}},
	{"blocklist", map[string]any{"value": "192.0.2.66"}},
	{"capacity", map[string]any{"name": "slow", "maxmessages": 5}},
	{"capacity_rules", map[string]any{"capacity": 1}},
	{"flood_responses", map[string]any{"name": "fast", "pattern": "too fast", "type": "substr", "pause": 60}},
	{"schedules", map[string]any{"name": "warm"}},
	{"schedule_steps", map[string]any{"schedule": 1, "day": 1, "capacity": 1}},
	{"schedule_rules", map[string]any{"schedule": 1, "domain": "warm.test"}},
	{"schedule_days", map[string]any{"localip": "192.0.2.1", "site": "warm.test", "day": 1}},
	{"pools", map[string]any{"name": "bulk"}},
	{"poolips", map[string]any{"pool": "bulk", "ip": "192.0.2.1"}},
	{"externalmtas", map[string]any{"public_ip": "203.0.113.1", "local_ip": "192.0.2.1"}},
	{"dkim_keys", map[string]any{"domain": "here.test", "selector": "s", "privatekey": ""}},
	{"dkim_patterns", map[string]any{"dkim_key": 1, "type": "global"}},
	{"dns", map[string]any{"hostname": "mx.test", "ip": "192.0.2.9"}},
	{"errors", map[string]any{"domain": "refused.test"}},
	{"paused", map[string]any{"target": "paused.test"}},
	{"delegates", map[string]any{"localip": "192.0.2.7", "newip": "192.0.2.8"}},
	{"suppressions", map[string]any{"value": "gone@there.test"}},
	{"suppressions", map[string]any{"value": "closed.test"}},
	{"response_patterns", map[string]any{"name": "later", "pattern": "later", "type": "substr"}},
	{"response_actions", map[string]any{"name": "retry", "type": "retry", "value": "5"}},
	{"response_patterns_actions", map[string]any{"pattern": 1, "action": 1}},
	{"rewrite_triggers", map[string]any{"name": "tag"}},
	{"rewrite_conditions", map[string]any{"trigger": 1, "property": "subject", "type": "substr", "value": "x"}},
	{"rewrite_actions", map[string]any{"trigger": 1, "type": "addtag", "value": "t"}},
	{"tokens", map[string]any{"name": "script", "hash": "open sesame"}},
	{"routes", map[string]any{"domain": "routed.test", "relay": "relay.test"}},
	{"feedback_rules", map[string]any{"kind": "bounce"}},
	{"feedback_senders", map[string]any{"domain": "loop.test"}},
	{"returnpath_keys", map[string]any{"created": "2026-01-02 03:04:05"}},
}

// TestMinimalRows has rows of others, who name only what a row is about or write NULL into the rest, mean on all
// engines what they say and nothing else.
func TestMinimalRows(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		minimalRows(t, func() string { return "sqlite://" + filepath.Join(t.TempDir(), "settings.db") })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		s := testserver.Postgres(t)
		minimalRows(t, func() string { return s.Database(t) })
	})
	t.Run("MariaDB", func(t *testing.T) {
		s := testserver.MariaDB(t)
		minimalRows(t, func() string { return s.Database(t) })
	})
}

func minimalRows(t *testing.T, address func() string) {
	var written [2]*settings.Rows
	for i := range written {
		at := address()
		db, err := settings.Open(t.Context(), at, settings.Options{})
		require.NoError(t, err)
		defer db.Close()
		writeMinimal(t, at, i == 1)
		written[i], err = db.Load(t.Context())
		require.NoError(t, err)
		s := (&Compiler{Instance: 3}).Compile(written[i], nil, nil)
		require.Empty(t, s.Broken)
		requireMinimal(t, s)
	}
	for i := range written {
		written[i].Notices = nil
	}
	if !reflect.DeepEqual(written[0], written[1]) {
		require.Equal(t, written[0], written[1], "NULL is what a column means that is not named")
	}
}

// writeMinimal writes past the settings, with NULL in all that is not named or without naming it.
func writeMinimal(t *testing.T, address string, nulls bool) {
	t.Helper()
	a, err := database.Parse(address)
	require.NoError(t, err)
	var pool *sql.DB
	quote := `"`
	switch a.Scheme {
	case "postgresql":
		cfg, err := database.PostgresConfig(a)
		require.NoError(t, err)
		pool, _ = database.Postgres(cfg, time.Minute)
	case "mysql":
		cfg, err := database.MySQLConfig(a)
		require.NoError(t, err)
		pool, _, err = database.MySQL(cfg, time.Minute)
		require.NoError(t, err)
		quote = "`"
	default:
		pool, err = database.SQLite(a.Path, time.Minute)
		require.NoError(t, err)
	}
	defer pool.Close()
	seen := map[settings.TableName]bool{}
	for _, row := range minimal {
		i := slices.IndexFunc(settings.Tables(), func(d settings.Table) bool { return d.Name == row.table })
		seen[row.table] = true
		var names, values []string
		for _, c := range settings.Tables()[i].Columns {
			v, named := row.values[c.Name]
			switch {
			case c.Name == "privatekey":
				v = key(t)
				fallthrough
			case named:
				names, values = append(names, quote+c.Name+quote), append(values, literal(v))
			case nulls:
				names, values = append(names, quote+c.Name+quote), append(values, "NULL")
			}
		}
		_, err := pool.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO %s%s%s (%s) VALUES (%s)", quote, row.table, quote,
			strings.Join(names, ","), strings.Join(values, ",")))
		require.NoError(t, err, row.table)
	}
	require.Len(t, seen, len(settings.Tables()), "every table has its row")
}

func literal(v any) string {
	if s, ok := v.(string); ok {
		return "'" + s + "'"
	}
	return fmt.Sprint(v)
}

func key(t *testing.T) string {
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func requireMinimal(t *testing.T, s *Snapshot) {
	t.Helper()
	now := time.Now()
	require.True(t, s.Locals.Contains("info@here.test"))
	require.Equal(t, 554, s.Blocklist.Client(netip.MustParseAddr("192.0.2.66")).Code)
	require.Equal(t, "one.test", s.Name(netip.MustParseAddr("192.0.2.1")))
	why, refused := s.Steering.Refused(&delivery.Selection{Domain: "refused.test"}, now)
	require.True(t, refused, "an error that names neither cluster nor instance holds for all")
	require.Equal(t, 550, why.Code)
	_, paused := s.Steering.Paused(&delivery.Selection{Domain: "paused.test"}, now)
	require.True(t, paused, "a pause that names neither cluster nor instance holds for all")
	_, paused = s.Steering.Paused(&delivery.Selection{Domain: "other.test"}, now)
	require.False(t, paused)
	for _, listed := range []string{"gone@there.test", "any@closed.test"} {
		suppressed, ok := s.Suppressions.Find(listed)
		require.True(t, ok, listed)
		require.Equal(t, 550, suppressed.Code)
	}
	to, _ := s.Steering.Redirect(netip.MustParseAddr("192.0.2.7"), "any.test", now)
	require.Equal(t, "192.0.2.8", to.String())
	require.Len(t, s.Steering.Pool("bulk"), 1)
	require.Len(t, s.External.Sources(), 1)
	require.Len(t, s.DNS.Addresses("mx.test"), 1)
	relay, found := s.Routes.Find("routed.test")
	require.True(t, found)
	require.Zero(t, relay.Port, "25")
	_, found = s.Tokens.Find("open sesame")
	require.True(t, found)
	require.Equal(t, 1, s.Keys.Len())

	base := throttle.Limits{Connection: throttle.PerConnection{Security: "required", Idle: time.Minute, Offline: time.Hour,
		MinMessages: 7},
		Domain: throttle.Rates{Messages: 100, Connections: 9}, Queue: throttle.PerQueue{RetryShare: 30},
		Greylist: throttle.Greylist{Delay: time.Minute, SameIP: true},
		Faults:   throttle.Faults{BindRetry: 1, LostOffline: 2, InvalidOffline: 3},
		Timeouts: throttle.Timeouts{Connect: 1, Intro: 2, Command: 3, Data: 4, Message: 5}}
	var live limits.Live
	live.Set(s.Throttles)
	defer live.Close()
	for _, site := range []string{"any.test", "warm.test"} { // by the rule, and by the schedule
		l := live.Limits(throttle.Path{Site: site}, &base)
		require.EqualValues(t, 5, l.Domain.Messages)
		require.Zero(t, l.Domain.Connections, "of limits NULL is unlimited")
		require.Equal(t, base.Connection, l.Connection, "a row about messages a minute is about nothing else")
		require.Equal(t, base.Greylist, l.Greylist)
		require.Equal(t, base.Faults, l.Faults)
		require.Equal(t, base.Timeouts, l.Timeouts)
		require.Equal(t, base.Queue.RetryShare, l.Queue.RetryShare)
	}
}

// TestOddNumbers warns once of a number that makes no sense, as long as it stays.
func TestOddNumbers(t *testing.T) {
	l := &losing{dir: t.TempDir()}
	k := l.start(t)
	pool, err := database.SQLite(l.path(), time.Minute)
	require.NoError(t, err)
	defer pool.Close()
	_, err = pool.Exec("INSERT INTO capacity (id, name, security) VALUES (1, 'odd', 9)")
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, k.Reload(t.Context()))
	}
	require.Equal(t, 1, strings.Count(l.log.String(), "level=WARN"), l.log.String())
	require.Contains(t, l.log.String(), "security 9: expected a number from -1 to 3, taken as 3")
	require.Empty(t, k.Current().Broken)
}
