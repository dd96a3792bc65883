package sheets

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// tokensPage shows who may use the REST API. A token is shown once, when it is made.
func (c *Sheets) tokensPage() frame.Page {
	return frame.Page{Path: "/tokens", Title: "REST tokens", Group: frame.SetUp, Routes: c.routes(map[string]view{
		"GET /tokens": listTokens, "POST /tokens": addToken, "POST /tokens/enable": enableToken,
		"GET /tokens/delete": askToken, "POST /tokens/delete": deleteToken})}
}

type tokensData struct {
	Tokens         []tokenLine
	Name, Problem  string
	Made, MadeName string // the new token, which is shown this once
	Down           string
	Host           string
}

type tokenLine struct {
	admin.Token
	CreatedAt, UsedAt cell
}

func listTokens(v *visit) error { return showTokens(v, &tokensData{}, http.StatusOK) }

func showTokens(v *visit, d *tokensData, status int) error {
	d.Host = v.c.Hostname
	all, err := v.c.Admin.Tokens(v.R.Context())
	if errors.Is(err, admin.ErrUnavailable) {
		d.Down = whyDown(err)
		all, err = v.c.rememberedTokens(), nil
	}
	if err != nil {
		return err
	}
	const most = 300
	for _, t := range all[:min(len(all), most)] {
		d.Tokens = append(d.Tokens, tokenLine{t, stored(t.Created, "not known"), stored(t.LastUsed, "never")})
	}
	return v.RenderStatus(status, "tokens", d)
}

// stored is a time of the settings as a cell.
func stored(at, never string) cell {
	t, err := settings.ParseTime(at)
	if err != nil || t.IsZero() {
		return cell{Text: never}
	}
	return cell{Time: t, IsTime: true}
}

func (c *Sheets) rememberedTokens() []admin.Token {
	var all []admin.Token
	for _, t := range c.Settings.Current().Rows.Tokens {
		all = append(all, admin.Token{ID: t.ID, Name: t.Name, Created: t.Created, LastUsed: t.LastUsed, Enabled: t.Enabled})
	}
	return all
}

// addToken answers with the token itself: nothing that would have to keep it stands between.
func addToken(v *visit) error {
	name := v.R.PostForm.Get("name")
	made, secret, err := v.c.Admin.AddToken(v.R.Context(), name)
	if wrong, ok := errors.AsType[*admin.Invalid](err); ok {
		return showTokens(v, &tokensData{Name: human.Cut(name, 200), Problem: "Expected " + wrong.Problems[0].Expected + "."},
			http.StatusBadRequest)
	}
	if other, ok := errors.AsType[*admin.Conflict](err); ok {
		return showTokens(v, &tokensData{Name: human.Cut(name, 200), Problem: human.Capital(other.Reason) + ". Choose another name."},
			http.StatusConflict)
	}
	if err != nil {
		return err
	}
	return showTokens(v, &tokensData{Made: secret, MadeName: made.Name}, http.StatusOK)
}

func enableToken(v *visit) error {
	name, on := v.R.PostForm.Get("name"), v.R.PostForm.Get("on") == "1"
	if err := v.c.Admin.EnableToken(v.R.Context(), name, on); err != nil {
		return err
	}
	return v.Redirect("/tokens", "The token “"+human.Cut(name, 100)+"” is "+
		either(on, "in force.", "switched off: whoever uses it is refused."))
}

// askToken asks before a token is deleted.
func askToken(v *visit) error {
	name := human.Cut(v.R.URL.Query().Get("name"), 200)
	all, err := v.c.Admin.Tokens(v.R.Context())
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.Name != name {
			continue
		}
		v.Title = "Delete the token “" + name + "”"
		return v.Render("rowgone", &goneData{Sheet: &sheetWords{Path: "/tokens", Title: "REST tokens", One: "token"},
			Name: name, Version: name, Action: "/tokens/delete", Back: "/tokens",
			Facts: []fact{{"Number", strconv.FormatInt(t.ID, 10)}, {"Created (UTC)", t.Created},
				{"Last used (UTC)", cmp.Or(t.LastUsed, "never")}}, Touch: "Programs that use it are refused from then on.",
			Button: v.Title})
	}
	return frame.Missing("There is no such token.")
}

func deleteToken(v *visit) error {
	name := v.R.PostForm.Get("version")
	if err := v.c.Admin.DeleteToken(v.R.Context(), name); err != nil {
		return err
	}
	return v.Redirect("/tokens", "The token “"+human.Cut(name, 100)+"” is deleted.")
}
