package logsearch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// message is a record as queue messages are.
type message string

func (m message) AppendRecord(dst []byte) []byte { return append(dst, m...) }
func (m message) Property(string) (string, bool) { return "", false }

func TestTail(t *testing.T) {
	var tail logsearch.Tail
	event := func(kind monitor.Kind, id, result string) {
		tail.Observe(&monitor.Event{Kind: kind, Message: message(sent(begin, id, "x@"+id+".test", result, "text"))})
	}
	event(monitor.Delivered, "nobody-watches", accepted)
	all, err := tail.Watch(logsearch.Query{}, 2)
	require.NoError(t, err)
	failed, err := tail.Watch(logsearch.Query{Outcome: logsearch.Failed}, 0)
	require.NoError(t, err)
	_, err = tail.Watch(logsearch.Query{Outcome: "?"}, 0)
	require.Error(t, err)

	event(monitor.Delivered, "a", accepted)
	event(monitor.Attempted, "b", accepted)
	event(monitor.Failed, "c", greyed)
	event(monitor.Retried, "d", greyed)
	tail.Observe(&monitor.Event{Kind: monitor.Delivered, Message: "no record"})
	require.Equal(t, "a", (<-all.Entries()).ID)
	e := <-all.Entries()
	require.Equal(t, "c", e.ID)
	require.Equal(t, logsearch.Failed, e.Outcome, "the engine knows better than the code")
	require.True(t, json.Valid(e.Line))
	require.EqualValues(t, 1, all.Lost(), "one more than there was room for")
	require.Zero(t, all.Lost())
	require.Equal(t, "c", (<-failed.Entries()).ID)
	require.Empty(t, failed.Entries())
	failed.Close()
	event(monitor.Failed, "e", refused)
	require.Empty(t, failed.Entries())
	require.Equal(t, "e", (<-all.Entries()).ID)
}

func BenchmarkUnwatchedTail(b *testing.B) {
	var tail logsearch.Tail
	e := &monitor.Event{Kind: monitor.Delivered, Message: message("{}")}
	for b.Loop() {
		tail.Observe(e)
	}
}

func ExampleFiles_Search() {
	files := logsearch.Files{Send: "testdata/send.json"}
	page, err := files.Search(context.Background(), logsearch.Query{Domain: "example.net", Outcome: logsearch.Deferred})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range page.Entries {
		fmt.Println(e.Time.Format("15:04"), e.Recipient, e.Code, e.Description)
	}
	// Output: 09:58 ann@example.net 451 Try again later
}
