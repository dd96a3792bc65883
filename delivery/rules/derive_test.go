package rules_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/delivery/rules"
)

// TestDerivedSuppressions answer as a list that was made anew, and leave those that they come from as they are.
func TestDerivedSuppressions(t *testing.T) {
	var universe []string
	for i := range 12 {
		universe = append(universe, fmt.Sprintf("user%d@d%d.test", i, i%4))
	}
	for i := range 4 {
		universe = append(universe, fmt.Sprintf("d%d.test", i))
	}
	rapid.Check(t, func(t *rapid.T) {
		type state struct {
			list  *rules.Suppressions
			codes map[string]int
		}
		add := func(s *state, value string, code int) {
			typ := "address"
			if value[0] == 'd' {
				typ = "domain"
			}
			require.NoError(t, s.list.Add(value, typ, rules.Suppression{Code: code}))
			s.codes[value] = code
		}
		now := state{&rules.Suppressions{}, map[string]int{}}
		for _, value := range rapid.SliceOfDistinct(rapid.SampledFrom(universe), rapid.ID).Draw(t, "first") {
			add(&now, value, 550)
		}
		states := []state{now}
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			next := state{now.list.Derive(), map[string]int{}}
			for value, code := range now.codes {
				next.codes[value] = code
			}
			for _, value := range rapid.SliceOfDistinct(rapid.SampledFrom(universe), rapid.ID).Draw(t, "changed") {
				if _, listed := next.codes[value]; !listed {
					add(&next, value, 551)
				} else {
					typ := "address"
					if value[0] == 'd' {
						typ = "domain"
					}
					require.True(t, next.list.Remove(value, typ))
					delete(next.codes, value)
					if rapid.Bool().Draw(t, "updated") {
						add(&next, value, 552)
					}
				}
			}
			now = next
			states = append(states, now)
		}
		for _, s := range states {
			require.Equal(t, len(s.codes), s.list.Len())
			for i := range 12 {
				user, domain := fmt.Sprintf("user%d@d%d.test", i, i%4), fmt.Sprintf("d%d.test", i%4)
				want := s.codes[user]
				if want == 0 {
					want = s.codes[domain]
				}
				why, ok := s.list.Find(user)
				require.Equal(t, want != 0, ok)
				require.Equal(t, want, why.Code)
			}
		}
	})
}

// TestRemoveAmongRepeated is left to a new list.
func TestRemoveAmongRepeated(t *testing.T) {
	var s rules.Suppressions
	require.NoError(t, s.Add("A@b.test", "address", rules.Suppression{}))
	require.NoError(t, s.Add("a@b.test", "address", rules.Suppression{Code: 551}))
	require.False(t, s.Derive().Remove("a@b.test", "address"))
}
