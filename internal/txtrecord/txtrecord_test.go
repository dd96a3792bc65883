package txtrecord_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/txtrecord"
)

func TestValues(t *testing.T) {
	values := func(texts ...string) []string { return txtrecord.Values(texts, "v=X1", "id") }
	require.Equal(t, []string{"1"}, values("v=X1; id=1"))
	require.Equal(t, []string{"a=b", ""}, values("v=spf1 -all", " v=X1 ;id = a=b ; other=3; id"))
	require.Nil(t, values("v=X1; id=1", "v=X1; id=1"), "two records")
	require.Nil(t, values("id=1; v=X1"), "the version is not in front")
	require.Nil(t, values("v=X10; id=1"))
	require.Nil(t, values())
}
