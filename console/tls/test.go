package tls

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// testTime is how long a test may take: the browser waits for its page.
const testTime = 50 * time.Second

// tested is what tlstest.html gets.
type tested struct {
	Address    string
	RequireTLS bool
	Steps      []stepLine
	Verdict    string // the last step; "": there is none
	Good       bool
	Problem    string
	Then       string
	Within     time.Duration // how long it may take
}

// stepLine is one step of a test, as it is shown.
type stepLine struct {
	Step, Host, Text string
	Good             bool
}

// form shows the form alone.
func (t *Trust) form(v *frame.Visit) error {
	v.Title = "Test an address"
	return v.Render("tlstest", &tested{Within: testTime, Address: human.Typed(human.Cut(v.R.URL.Query().Get("address"), 320))})
}

// test tests an address, and shows every step. What keeps it from that stands above the form.
func (t *Trust) test(v *frame.Visit) error {
	v.Title = "Test an address"
	d := &tested{Within: testTime, Address: human.Typed(human.Cut(v.R.PostForm.Get("address"), 320)),
		RequireTLS: v.R.PostForm.Get("requiretls") != ""}
	ctx, cancel := context.WithTimeout(v.R.Context(), testTime)
	defer cancel()
	steps, err := t.Admin.TestAddress(ctx, d.Address, d.RequireTLS)
	if err != nil {
		f := v.Frame.Fault(err)
		d.Problem, d.Then = f.What, f.Next
		return v.RenderStatus(f.Status, "tlstest", d)
	}
	d.steps(steps)
	return v.RenderStatus(http.StatusOK, "tlstest", d)
}

func (d *tested) steps(steps []admin.ProbeStep) {
	for _, s := range steps {
		d.Steps = append(d.Steps, stepLine{stepWords(s.Step), shown(s.Host, 255), shown(s.Text, 1000), s.Good})
		d.Verdict, d.Good = shown(s.Text, 1000), s.Good
	}
}

// stepWords says what a step is about.
func stepWords(step string) string {
	switch step {
	case "route":
		return "Where mail goes"
	case "policy":
		return "MTA-STS"
	case "host":
		return "What the host demands"
	case "addresses":
		return "Addresses"
	case "security":
		return "What throttles demand"
	case "connection":
		return "Connection"
	case "tls":
		return "TLS"
	case "recipient":
		return "Recipient"
	}
	return "What becomes of a mail"
}
