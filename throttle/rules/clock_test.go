package rules

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClockThatJumps(t *testing.T) {
	p := &pair{last: 100}
	for _, step := range []struct {
		today int64
		want  int
		why   string
	}{
		{20000, 1, "first day"},
		{20001, 2, "second day"},
		{20000, 2, "set back a day"},
		{20001, 2, "and on again: the day was counted"},
		{20002, 3, "the next day"},
		{30000, 4, "far ahead counts as one day"},
		{20003, 4, "back again counts nothing"},
		{20004, 5, "and it goes on"},
		{10, 5, "far back"},
		{11, 6, "goes on from there"},
		{-5, 6, "before 1970"},
		{20005, 7, "right again"},
	} {
		p.count(step.today)
		require.Equal(t, step.want, p.day, step.why)
		require.Equal(t, step.want, p.effective(step.today), step.why)
	}
}

func TestScheduleStepOfADay(t *testing.T) {
	s := schedule{steps: []step{{day: 3}, {day: 5}, {day: 9}}}
	for day, want := range map[int]int{1: 0, 3: 0, 4: 0, 5: 1, 8: 1, 9: 2, 1000: 2} {
		require.Equal(t, want, s.at(day), day)
	}
}
