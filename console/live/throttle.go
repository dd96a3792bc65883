package live

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// ownThrottle is what a domain's page says of the throttle that names the domain.
type ownThrottle struct {
	Name, Link string  // "": there is none
	Offered    []offer // limits of the form for one
}

// offer is a field of the form.
type offer struct{ Column, Label string }

// offeredLimits are columns of the settings, those that most throttles have.
func offeredLimits() []string { return []string{"maxmessages", "maxconnections", "maxconnects"} }

// throttleOf finds the throttle that names a domain, from every address.
func (c *Live) throttleOf(domain string) *ownThrottle {
	if c.Admin == nil {
		return nil
	}
	t := &ownThrottle{}
	rows := c.Settings.Current().Rows
	for _, rule := range rows.CapacityRules {
		if !rule.Enabled || rule.LocalIP != "" || rule.Pool != "" || !strings.EqualFold(rule.Domain, domain) {
			continue
		}
		for _, one := range rows.Capacities {
			if one.ID == rule.Capacity {
				t.Name, t.Link = one.Name, "/throttles/"+strconv.FormatInt(one.ID, 10)
			}
		}
	}
	for _, column := range offeredLimits() {
		t.Offered = append(t.Offered, offer{column, nameOf(column)})
	}
	return t
}

// addThrottle makes a throttle for a domain, with its rule, in one step.
func (c *Live) addThrottle(v *frame.Visit) error {
	if c.Admin == nil {
		return readOnly()
	}
	domain := strings.ToLower(v.R.PathValue("name"))
	values := admin.Values{"name": domain}
	var said []string
	for _, column := range offeredLimits() {
		given := strings.TrimSpace(v.R.PostForm.Get(column))
		if given == "" {
			continue
		}
		values[column] = given
		said = append(said, human.Cut(given, 20)+" "+strings.ToLower(nameOf(column)))
	}
	if len(said) == 0 {
		return &frame.Fault{Status: http.StatusBadRequest, What: "No limit was given, and nothing was changed.",
			Next: "Go back and fill in one of the fields."}
	}
	made, err := c.Admin.Create(v.R.Context(), settings.TableCapacity, values)
	if err != nil {
		return err
	}
	_, err = c.Admin.Create(v.R.Context(), settings.TableCapacityRules, admin.Values{"capacity": made.ID, "domain": domain})
	if err != nil {
		_ = c.Admin.Delete(v.R.Context(), settings.TableCapacity, made.ID, "") // it holds for nothing
		return err
	}
	return v.Redirect("/domains/"+url.PathEscape(domain), "From now on mail to "+human.Middle(domain, 60)+" is limited: "+
		strings.Join(said, ", ")+". Its throttle is called “"+human.Middle(domain, 60)+"”.")
}
