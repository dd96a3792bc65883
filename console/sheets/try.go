package sheets

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// tryOut has a pattern tried before it is saved.
type tryOut struct {
	label, hint, sample string
	long                bool // the text may have several lines
	match               func(*visit, url.Values, string) (string, bool, error)
}

// tried is a try-out as templates show it.
type tried struct {
	Label, Hint, Sample, Text string
	Long                      bool
	Kind, Said                string // what came of it; "": nothing was tried
	Error                     bool
}

const mostTried = 64 << 10

// run tries what a form says with the text in its field "try".
func (t *tryOut) run(v *visit, form url.Values) *tried {
	made := t.blank()
	made.Text = human.Cut(form.Get("try"), mostTried)
	if strings.TrimSpace(made.Text) == "" {
		return made
	}
	said, ok, err := t.match(v, form, made.Text)
	switch {
	case err != nil:
		made.Kind, made.Said, made.Error = "broken", "cannot be tried: "+human.Cut(err.Error(), 300), true
	case ok:
		made.Kind, made.Said = "ok", said
	default:
		made.Kind, made.Said = "off", said
	}
	return made
}

func (t *tryOut) blank() *tried {
	return &tried{Label: t.label, Hint: t.hint, Sample: t.sample, Long: t.long}
}

var errNotHere = errors.New("this server cannot try patterns")

// matcher tries the columns type and pattern.
func matcher(tool func(*Sheets) func(typ, pattern, with string) (bool, error)) func(*visit, url.Values,
	string) (string, bool, error) {
	return func(v *visit, form url.Values, with string) (string, bool, error) {
		f := tool(v.c)
		if f == nil {
			return "", false, errNotHere
		}
		pattern := form.Get(prefix + "pattern")
		if pattern == "" {
			pattern = form.Get(prefix + "address")
		}
		if pattern == "" {
			return "", false, errors.New("the pattern is empty")
		}
		ok, err := f(form.Get(prefix+"type"), pattern, with)
		return either(ok, "it matches", "it does not match"), ok, err
	}
}

// tryConditions tells which of a rule's conditions, as they are stored, hold for a message.
func tryConditions(v *visit, form url.Values, message string) (string, bool, error) {
	if v.c.Tools.Conditions == nil {
		return "", false, errNotHere
	}
	id, err := rowID(v)
	if err != nil || id == 0 {
		return "", false, errors.New("save the rule first, and give it conditions")
	}
	list, _, err := rows(v.R.Context(), v.c.Admin, settings.TableRewriteConditions,
		admin.Query{Where: admin.Values{"trigger": id}, Limit: maxSubRows})
	if err != nil {
		return "", false, err
	}
	if len(list.Rows) == 0 {
		return "it has no conditions: it acts on all mail that it is for", true, nil
	}
	all := make([]Condition, len(list.Rows))
	for i := range list.Rows {
		values := list.Rows[i].Values
		all[i] = Condition{text(values, "property"), text(values, "type"), text(values, "value"), values["negate"] == true}
	}
	hold, err := v.c.Tools.Conditions(all, []byte(message))
	if err != nil {
		return "", false, err
	}
	var not []string
	for i, ok := range hold {
		if !ok {
			not = append(not, all[i].Property+" "+either(all[i].Negate, "does not match", choiceWords(all[i].Type))+" “"+
				human.Cut(all[i].Value, 60)+"”")
		}
	}
	if len(not) > 0 {
		return "it does not act; what does not hold: " + human.Cut(strings.Join(not, ", "), 600), false, nil
	}
	return "all " + human.Plural(len(hold), "condition") + " hold: it acts", true, nil
}

// part renders what changes on a page while somebody types: a try-out, or what will change.
func (s *sheet) part(v *visit) error {
	if err := v.R.ParseForm(); err != nil { // a request that proves itself by its header is not read yet
		return &frame.Fault{Status: http.StatusBadRequest, What: "The form could not be read.", Next: "Load the page again."}
	}
	switch form := v.R.PostForm; form.Get("part") {
	case "try":
		if s.try == nil {
			return frame.Missing("There is nothing to try here.")
		}
		return v.Partial("row", "tried", s.try.run(v, form))
	case "touch":
		if s.touches == nil {
			return frame.Missing("There is nothing to tell here.")
		}
		t := s.describe(v)
		typed := read(&t, s.columnsOf(), form, v.c.Now())
		if s.accept != nil {
			_ = s.accept(v, &typed) // what is wrong is told when it is saved
		}
		d := &rowData{Touch: v.touch(s.touches(typedValues(&typed))), form: &typed}
		d.Touch.Seen = typed.hash()
		if v.R.PathValue("id") != "new" {
			d.ID = 1
		}
		d.Save = s.saveWords(d)
		return v.Partial("row", "touch", d)
	}
	return frame.Missing("There is no such part.")
}
