package frame

import (
	"net/http"
	"net/netip"

	"github.com/sluicemail/sluice/auth"
)

// accessPage shows who is logged in, and who failed to.
func (f *Frame) accessPage() Page {
	return Page{Path: "/access", Title: "Logins", Group: System,
		Routes: map[string]View{"GET /access": f.access, "POST /access/pardon": f.pardon, "POST /logout": f.logOut}}
}

type accessData struct {
	Sessions []sessionLine
	Failures []failure
}

// failure is an address or a name that was rejected lately.
type failure struct {
	auth.Failures
	SMTP   bool // where it tried to log in; the console otherwise
	Locked bool
}

const maxFailures = 200

func (f *Frame) access(v *Visit) error {
	d := accessData{Sessions: f.sessions.list(v.session)}
	for _, failed := range f.guard.Failures(maxFailures) {
		d.Failures = append(d.Failures, failure{failed, false, failed.Until.After(f.now())})
	}
	if f.SMTPAuth != nil {
		for _, failed := range f.SMTPAuth.Failures(maxFailures) {
			d.Failures = append(d.Failures, failure{failed, true, failed.Until.After(f.now())})
		}
	}
	return v.Render("access", d)
}

// pardon forgets the failures of an address or a name.
func (f *Frame) pardon(v *Visit) error {
	form := v.R.PostForm
	guard := f.guard
	if form.Get("service") == "smtp" && f.SMTPAuth != nil {
		guard = f.SMTPAuth
	}
	if name := form.Get("username"); name != "" {
		guard.PardonUser(name)
		return v.Redirect("/access", "The failed logins of that name are forgotten.")
	}
	network, err := netip.ParsePrefix(form.Get("address"))
	if err != nil {
		return &Fault{Status: http.StatusBadRequest, What: "That is no address.", Next: "Go back and load the page again."}
	}
	guard.Pardon(network.Addr())
	return v.Redirect("/access", "The failed logins from "+network.Addr().String()+" are forgotten.")
}

// logOut ends the session, or all sessions of its user.
func (f *Frame) logOut(v *Visit) error {
	everywhere := v.R.PostForm.Get("everywhere") != ""
	f.sessions.logOut(v.session, everywhere)
	f.setCookie(v.W, v.R, "")
	f.log().Info("logged out of the console", "user", v.session.user, "everywhere", everywhere)
	http.Redirect(v.W, v.R, "/login?why=out", http.StatusSeeOther)
	return nil
}
