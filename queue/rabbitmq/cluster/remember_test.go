package cluster

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
)

func TestTextsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]message{
		`{"reload": true}`:                      {Reload: true},
		`{ "reload": true; }`:                   {Reload: true},
		"{ \"reload\" : true ;\r\n}\n":          {Reload: true},
		`{"reload":true,}`:                      {Reload: true},
		`{"reload":true;"hello":true;}`:         {Reload: true, Hello: true},
		`{"leave": "a;b,}"; "from": "\"}\\"; }`: {Leave: "a;b,}", From: `"}\`},
		`{"announce":{"id":"x";"ips":[];};}`:    {Announce: &Instance{ID: "x", IPs: []netip.Addr{}}},
		`{"announce":{"id":"x","ips":["::1",],},};`: {Announce: &Instance{ID: "x",
			IPs: []netip.Addr{netip.MustParseAddr("::1")}}},
	} {
		got, err := parse([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", ";", "reload", `{ reload: true; }`, `{ "reload"; true }`, `{"reload": "yes"}`,
		`{"reload": true`, `{"reload": true}}`,
		`{"a": "`, `{"a": "\`, "\xff", `{"announce": {"host": "no id"}}`,
		`{"leave":"` + strings.Repeat("x", maxMessage) + `"}`} {
		_, err := parse([]byte(text))
		require.Error(t, err, "%.40s", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{ "reload": true; }`))
	f.Add([]byte(`{"announce":{"id":"x","ips":["::1",],},};`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parse(data)
		if err != nil {
			return
		}
		again, err := parse(m.text())
		require.NoError(t, err)
		require.Equal(t, string(m.text()), string(again.text()))
	})
}

// TestWhatCannotBeReadIsToldOnce has a program publish nonsense all the time.
func TestWhatCannotBeReadIsToldOnce(t *testing.T) {
	t.Parallel()
	log := new(rabbittest.Notes)
	m := &Member{id: "me", others: make(map[string]Instance), opts: Options{Exchange: "meeting", Logger: log.Logger()}}
	m.owners.Store(&map[netip.Addr]string{})
	for i := range 100 {
		require.False(t, m.hear(fmt.Appendf(nil, "reload please %d\n", i)))
	}
	require.True(t, m.hear([]byte(`{"hello": true; }`)))
	require.Len(t, log.Lines(), 1)
	require.Contains(t, log.String(), "cannot be read")
	require.Contains(t, log.String(), "reload please 0")
	require.Contains(t, log.String(), "meeting")
}

// TestKeptOverRestarts has a member know the others before anybody says anything.
func TestKeptOverRestarts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cluster.json")
	log := new(rabbittest.Notes)
	var heard atomic.Int32
	start := func() *Member {
		m := Join(Options{Addresses: []string{"amqp://127.0.0.1:1/"}, File: file, Logger: log.Logger(),
			Heard: func() { heard.Add(1) }},
			func() Instance { return Instance{} }, func() {})
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		return m
	}
	announce := func(m *Member, id, outbox string, ips ...netip.Addr) {
		m.hear(message{From: id, Announce: &Instance{ID: id, Host: id, Outbox: outbox, IPs: ips}}.text())
	}
	owner := func(m *Member, ip netip.Addr) string { outbox, _ := m.Owner(ip); return outbox }

	m := start()
	require.Empty(t, owner(m, there), "there is no file yet")
	announce(m, "b", "outbox-b", there)
	announce(m, "c", "outbox-c", here)
	require.EqualValues(t, 2, heard.Load())
	announce(m, "b", "outbox-b", there)
	require.EqualValues(t, 2, heard.Load(), "nothing is new")
	m.hear(message{Leave: "c"}.text())
	require.NoError(t, m.Close())
	st, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, st.Mode().Perm())

	m = start()
	require.Equal(t, "outbox-b", owner(m, there))
	require.Empty(t, owner(m, here), "who left is not there")
	require.Equal(t, "b", m.Others()[0].Host)
	m.forget(time.Now().Add(time.Second))
	require.Empty(t, owner(m, there), "who is not heard of again is forgotten")

	old, err := os.ReadFile(file)
	require.NoError(t, err)
	for name, text := range map[string]string{"empty": "", "noise": "\x00\xff", "half": string(old[:len(old)/2]),
		"other JSON": `{"a":1}`,
		"long ago":   strings.ReplaceAll(string(old), fmt.Sprint(`"seen":"`, time.Now().Year()), `"seen":"2001`)} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		m := start()
		require.Empty(t, m.Others(), name)
		announce(m, "b", "outbox-b", there)
		require.Equal(t, "outbox-b", owner(m, there), name)
		require.NoError(t, m.Close())
	}
	left, err := filepath.Glob(file + "*")
	require.NoError(t, err)
	require.Equal(t, []string{file}, left, "no half-written files stay")
	require.Contains(t, log.String(), "is not known any more")
}
