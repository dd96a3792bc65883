package console

import (
	"net/http"
	"net/netip"

	"github.com/sluicemail/sluice/auth"
)

// accessPage shows who is logged in, and who failed to.
func accessPage() page {
	return page{path: "/access", title: "Logins", group: system,
		routes: map[string]view{"GET /access": access, "POST /access/pardon": pardon, "POST /logout": logOut}}
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

func access(v *visit) error {
	d := accessData{Sessions: v.c.sessions.list(v.session)}
	for _, f := range v.c.guard.Failures(maxFailures) {
		d.Failures = append(d.Failures, failure{f, false, f.Until.After(v.c.now())})
	}
	if v.c.SMTPAuth != nil {
		for _, f := range v.c.SMTPAuth.Failures(maxFailures) {
			d.Failures = append(d.Failures, failure{f, true, f.Until.After(v.c.now())})
		}
	}
	return v.render("access", d)
}

// pardon forgets the failures of an address or a name.
func pardon(v *visit) error {
	form := v.r.PostForm
	guard := v.c.guard
	if form.Get("service") == "smtp" && v.c.SMTPAuth != nil {
		guard = v.c.SMTPAuth
	}
	if name := form.Get("username"); name != "" {
		guard.PardonUser(name)
		return v.redirect("/access", "The failed logins of that name are forgotten.")
	}
	network, err := netip.ParsePrefix(form.Get("address"))
	if err != nil {
		return &fault{status: http.StatusBadRequest, what: "That is no address.", next: "Go back and load the page again."}
	}
	guard.Pardon(network.Addr())
	return v.redirect("/access", "The failed logins from "+network.Addr().String()+" are forgotten.")
}

// logOut ends the session, or all sessions of its user.
func logOut(v *visit) error {
	everywhere := v.r.PostForm.Get("everywhere") != ""
	v.c.sessions.logOut(v.session, everywhere)
	v.c.setCookie(v.w, v.r, "")
	v.c.log().Info("logged out of the console", "user", v.session.user, "everywhere", everywhere)
	http.Redirect(v.w, v.r, "/login?why=out", http.StatusSeeOther)
	return nil
}
