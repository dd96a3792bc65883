package rest

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestUnsubscribe has a recipient click, as mail programs do, and another one write: both get no more mail.
func TestUnsubscribe(t *testing.T) {
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	log, logging := mtatest.SendLog(t)
	database, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.FeedbackRule{Kind: store.FeedbackUnsubscribe, Enabled: true, Hashed: true})
	w := newWorld(t, k.Settings().With(logging).With(database).With(mtatest.Settings{"verp": "bounces.sender.test",
		"verp-unsubscribe": "true", "unsubscribe-url": "https://mta.sender.test/unsubscribe",
		"suppression-key": "a key of this installation"}))
	send := func(to string) {
		w.Submit(t, "news@sender.test", to, "From: news@sender.test\r\nTo: "+to+"\r\nSubject: News\r\n\r\nHello\r\n")
	}
	fields := regexp.MustCompile(`<mailto:([^>]+)>,\s*<https://mta\.sender\.test(/unsubscribe/[^>]+)>`)
	suppressed := func(n int64) {
		mtatest.Eventually(t, "the recipient is suppressed", func() bool {
			found, err := store.Count[store.Suppression](t.Context(), db, store.Query{})
			return err == nil && found == n
		})
	}
	send("ann@sink.test")
	send("bob@sink.test")
	for _, m := range k.Await(t, 2) {
		require.Contains(t, string(m.Data), "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
		made := fields.FindStringSubmatch(string(m.Data))
		require.NotNil(t, made, string(m.Data))
		if m.Recipients[0] == "ann@sink.test" {
			require.Contains(t, w.fetch(http.Get(w.url+made[2])), "no more mail to ann@sink.test?", "a scanner of links")
			answer := w.fetch(http.PostForm(w.url+made[2], url.Values{"List-Unsubscribe": {"One-Click"}}))
			require.Contains(t, answer, "There will be no more mail")
			suppressed(1)
		}
	}
	for _, m := range k.Received() {
		if made := fields.FindStringSubmatch(string(m.Data)); m.Recipients[0] == "bob@sink.test" {
			w.Submit(t, "bob@sink.test", made[1], "From: Bob <bob@sink.test>\r\nSubject: unsubscribe\r\n\r\n")
			suppressed(2)
		}
	}
	send("ann@sink.test")
	send("bob@sink.test")
	for _, to := range []string{"ann@sink.test", "bob@sink.test"} {
		require.Contains(t, mtatest.AwaitAttempts(t, log, to, 2)[1].Line, `"state":"suppression"`)
	}
	rows, _, err := store.List[store.Suppression](t.Context(), db)
	require.NoError(t, err)
	for _, row := range rows {
		require.Equal(t, store.Keyed, row.Type)
		require.False(t, strings.Contains(row.Value, "@"))
	}
	w.Terminate(t)
}
