package throttle_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

func TestFieldsCoverAllLimits(t *testing.T) {
	var l throttle.Limits
	for i, f := range throttle.Fields() {
		v := int64(i + 1)
		if f.Unit == throttle.Switch || f.Unit == throttle.Level {
			v = 1
		}
		f.Set(&l, v)
		require.Equal(t, v, f.Get(&l), f.Name)
		at, ok := throttle.FieldIndex(f.Name)
		require.True(t, ok)
		require.Equal(t, i, at)
	}
	_, ok := throttle.FieldIndex("nothing")
	require.False(t, ok)
	filled(t, reflect.ValueOf(l), "Limits")
}

// filled checks that no value was left out.
func filled(t *testing.T, v reflect.Value, name string) {
	for i := range v.NumField() {
		field, of := v.Field(i), v.Type().Field(i).Name
		switch {
		case of == "Origin" || of == "PausedUntil":
		case field.Kind() == reflect.Struct:
			filled(t, field, name+"."+of)
		default:
			require.False(t, field.IsZero(), "%s.%s is no field", name, of)
		}
	}
}

func TestFieldValues(t *testing.T) {
	for _, c := range []struct {
		name              string
		set, get          int64
		loose, strict     int64
		strictWhenNoLimit int64 // of zero and strict
	}{
		{"maxmessages", 5, 5, 100, 10, 10},
		{"maxmessages", -5, 0, 0, 1, 1},
		{"maxconnections", 1 << 62, 1 << 50, 3, 2, 2},
		{"connection_idle", 30, 30, 30, 5, 5},
		{"connection_minmessages", 4, 4, 1, 4, 4},
		{"connection_offline", 1 << 62, 100 * 365 * 86400, 10, 60, 60},
		{"security", 9, 3, 1, 2, 2},
		{"greylist_sameip", 7, 1, 0, 1, 1},
		{"timeout_data", 60, 60, 60, 30, 30},
	} {
		i, ok := throttle.FieldIndex(c.name)
		require.True(t, ok)
		f := throttle.Fields()[i]
		var l throttle.Limits
		f.Set(&l, c.set)
		require.Equal(t, c.get, f.Get(&l), c.name)
		require.Equal(t, c.strict, f.Stricter(c.loose, c.strict), c.name)
		require.Equal(t, c.strict, f.Stricter(c.strict, c.loose), c.name)
		require.Equal(t, c.strictWhenNoLimit, f.Stricter(0, c.strict), c.name)
	}
	i, _ := throttle.FieldIndex("security")
	require.EqualValues(t, 1, throttle.Fields()[i].Get(new(throttle.Limits)), "opportunistic when nothing is said")
	i, _ = throttle.FieldIndex("connection_idle")
	l := throttle.Limits{Connection: throttle.PerConnection{Idle: -time.Second}}
	require.Zero(t, throttle.Fields()[i].Get(&l))
}
