package sheets

import (
	"strconv"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// patternFor is the response pattern that a new action is for; 0: none.
func patternFor(v *visit) int64 {
	given := v.R.URL.Query().Get("for")
	if given == "" && v.R.PostForm != nil {
		given = v.R.PostForm.Get("for")
	}
	id, _ := strconv.ParseInt(given, 10, 64)
	return max(id, 0)
}

// linkAction gives an action that was just made to the pattern it was made for.
func linkAction(v *visit, action admin.Row) (to, notice string, ok bool) {
	pattern := patternFor(v)
	if pattern == 0 {
		return "", "", false
	}
	to = "/responses/" + strconv.FormatInt(pattern, 10)
	if _, err := v.c.Admin.Create(v.R.Context(), settings.TableResponseLinks,
		admin.Values{"pattern": pattern, "action": action.ID}); err != nil {
		return "/response-actions", "The action is saved, but the pattern does not have it yet: " + human.Cut(err.Error(), 200) +
			".", true
	}
	return to, "The action is saved, and the pattern has it.", true
}
