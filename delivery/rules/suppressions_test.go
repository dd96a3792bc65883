package rules_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/rules"
)

func TestSuppressions(t *testing.T) {
	var s rules.Suppressions
	_, ok := s.Find("anybody@example.com")
	require.False(t, ok, "an empty list")

	gone := rules.Suppression{Code: 551, Status: "5.1.6", Description: "moved away"}
	require.NoError(t, s.Add("Joe@Example.com", "address", gone))
	require.NoError(t, s.Add("example.org", "domain", rules.Suppression{}))
	require.NoError(t, s.Add("bücher.example", "domain", rules.Suppression{Code: 450}))
	require.NoError(t, s.Add("vip@example.org", "address", gone))
	require.NoError(t, s.Add("joe@example.com", "address", rules.Suppression{Code: 450}),
		"listed already: the first counts")
	require.Equal(t, 4, s.Len())

	for recipient, want := range map[string]int{
		"joe@example.com":           551,
		"JOE@EXAMPLE.COM":           551,
		"jane@example.com":          0,
		"anybody@example.org":       550,
		"vip@example.org":           551,
		"anybody@sub.example.org":   0,
		"x@BÜCHER.example":          450,
		"x@xn--bcher-kva.example":   450,
		"example.org":               0,
		"":                          0,
		"\"odd@example.org\"@other": 0,
	} {
		why, ok := s.Find(recipient)
		require.Equal(t, want != 0, ok, recipient)
		require.Equal(t, want, why.Code, recipient)
	}
	why, _ := s.Find("x@example.org")
	require.Equal(t, rules.Suppression{Code: 550, Status: "5.1.1",
		Description: "the recipient is on the suppression list"}, why)
}

func TestHashedSuppressions(t *testing.T) {
	digits := func(address string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(address))) }
	var s rules.Suppressions
	require.NoError(t, s.Add(strings.ToUpper(digits("joe@example.com")), "sha256", rules.Suppression{Code: 551}))
	require.NoError(t, s.Add(digits("joe@xn--bcher-kva.example"), "sha256", rules.Suppression{}))
	require.NoError(t, s.Add("example.com", "domain", rules.Suppression{Code: 450}))
	for recipient, want := range map[string]int{"Joe@Example.com": 551, "jane@example.com": 450, "joe@BÜCHER.example": 550,
		"jane@bücher.example": 0} {
		why, _ := s.Find(recipient)
		require.Equal(t, want, why.Code, recipient)
	}
	d := s.Derive()
	require.True(t, d.Remove(digits("joe@example.com"), "sha256"))
	require.NoError(t, d.Add(digits("jane@example.com"), "sha256", rules.Suppression{Code: 552}))
	for recipient, want := range map[string]int{"joe@example.com": 450, "jane@example.com": 552} {
		why, _ := d.Find(recipient)
		require.Equal(t, want, why.Code, recipient)
	}
	why, _ := s.Find("joe@example.com")
	require.Equal(t, 551, why.Code, "the list that it was derived from")
	require.ErrorContains(t, s.Add("abc", "sha256", rules.Suppression{}), "64 hexadecimal digits")
	require.Zero(t, testing.AllocsPerRun(100, func() { s.Find("nobody@example.org") }))
}

// TestKeyedSuppressions compares with package hmac, and finds nothing with another key or none.
func TestKeyedSuppressions(t *testing.T) {
	for _, key := range []string{"a key of this installation", strings.Repeat("a long key ", 20)} {
		digits := func(address string) string {
			h := hmac.New(sha256.New, []byte(key))
			h.Write([]byte(address))
			return fmt.Sprintf("%x", h.Sum(nil))
		}
		value, typ := rules.HashAddress(key, "Joe@BÜCHER.example")
		require.Equal(t, digits("joe@xn--bcher-kva.example"), value)
		long := strings.Repeat("x", 800) + "@example.com"
		for with, found := range map[string]bool{key: true, "another": false, "": false} {
			s := rules.Suppressions{Key: with}
			require.NoError(t, s.Add(value, typ, rules.Suppression{Code: 551}))
			require.NoError(t, s.Add(digits(long), "hmac", rules.Suppression{Code: 552}))
			require.NoError(t, s.Add(fmt.Sprintf("%x", sha256.Sum256([]byte("plain@example.com"))), "sha256",
				rules.Suppression{Code: 553}))
			for _, list := range []*rules.Suppressions{&s, s.Derive()} {
				_, ok := list.Find("joe@bücher.example")
				require.Equal(t, found, ok)
				_, ok = list.Find(long)
				require.Equal(t, found, ok)
				why, _ := list.Find("Plain@example.com")
				require.Equal(t, 553, why.Code, "hashes without a key go on counting")
			}
			require.Zero(t, testing.AllocsPerRun(100, func() { s.Find("nobody@example.org") }))
		}
	}
	value, typ := rules.HashAddress("", "Joe@example.com")
	require.Equal(t, "sha256", typ)
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte("joe@example.com"))), value)
}

func TestSuppressionsThatMakeNoSense(t *testing.T) {
	var s rules.Suppressions
	for _, c := range []struct {
		value, typ, want string
		code             int
	}{
		{"not an address", "address", "expected a mail address", 0},
		{"@example.com", "address", "expected a mail address", 0},
		{"two words", "domain", "expected a domain", 0},
		{"a@b.c", "person", "expected address, domain, hmac or sha256", 0},
		{"a@b.c", "address", "from 400 to 599", 250},
	} {
		require.ErrorContains(t, s.Add(c.value, c.typ, rules.Suppression{Code: c.code}), c.want)
	}
	require.Zero(t, s.Len())
}

func ExampleSuppressions() {
	var s rules.Suppressions
	s.Add("gone@example.com", "address", rules.Suppression{Code: 550, Status: "5.1.1", Description: "asked us to stop"})
	why, found := s.Find("gone@example.com")
	fmt.Println(found, why.Code, why.Description)
	// Output: true 550 asked us to stop
}

// BenchmarkFind looks for addresses among a million, half of which are there.
func BenchmarkFind(b *testing.B) {
	var s rules.Suppressions
	s.Reserve(1_000_000)
	ask := make([]string, 4096)
	for i := range 1_000_000 {
		if err := s.Add("user"+strconv.Itoa(i)+"@example.com", "address", rules.Suppression{}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range ask {
		ask[i] = "user" + strconv.Itoa(i*487) + "@example.com"
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Find(ask[i%len(ask)])
	}
}
