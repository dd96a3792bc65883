package mailheader_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mailheader"
)

func TestAppendAddresses(t *testing.T) {
	for list, want := range map[string][]string{
		"":         nil,
		"a@b.test": {"a@b.test"},
		"Ann <a@b.test>, bob@c.test,\r\n (x, y@z) \"d, e\" <d@e.test>": {"a@b.test", "bob@c.test", "d@e.test"},
		"friends: a@b.test, Bob <b@c.test>; , ":                        {"a@b.test", "b@c.test"},
		"undisclosed-recipients:;":                                     nil,
		"a (the (first) one) @ b.test":                                 {"a@b.test"},
		"\"john doe\"@b.test (a, b)":                                   {"\"john doe\"@b.test"},
		"\"<x@y.test>\" <a@b.test":                                     {"a@b.test"},
		"nobody, <>, x <a@b.test> <c@d.test>":                          {"a@b.test"},
		"a@b.test; \"unended , c@d.test":                               {"a@b.test", "\"unended , c@d.test"},
		"(unended, a@b.test":                                           nil,
	} {
		var got []string
		for _, address := range mailheader.AppendAddresses(nil, []byte(list), 0) {
			got = append(got, string(address))
		}
		require.Equal(t, want, got, list)
	}
	require.Len(t, mailheader.AppendAddresses(nil, []byte("a@b, c@d, e@f"), 2), 2)
}

func TestAppendRecipients(t *testing.T) {
	for list, want := range map[string][]string{
		"": nil,
		"root, Ann <a@b.test>, <bob> (him), jo (the (first) one)": {"root", "a@b.test", "bob", "jo"},
		"friends: a@b.test, b;, undisclosed:;":                    {"a@b.test", "b"},
		"Nobody <>, a@b.test":                                     {"a@b.test"},
		"Bob Smith":                                               {"Bob Smith"},
		"Bob bob@b.test":                                          {"Bob bob@b.test"},
		"\"john (x) doe\"@b.test":                                 {"\"john (x) doe\"@b.test"},
		"(only this)":                                             nil,
	} {
		var got []string
		for _, address := range mailheader.AppendRecipients(nil, []byte(list)) {
			got = append(got, string(address))
		}
		require.Equal(t, want, got, list)
	}
}

func FuzzAppendAddresses(f *testing.F) {
	f.Add([]byte("a <b@c>, \"d\\\"\" e: f@g;(h"))
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, address := range mailheader.AppendAddresses(nil, list, 0) {
			require.NotEmpty(t, address)
			require.LessOrEqual(t, len(address), len(list))
		}
		for _, address := range mailheader.AppendRecipients(nil, list) {
			require.NotEmpty(t, address)
			require.LessOrEqual(t, len(address), len(list))
		}
	})
}
