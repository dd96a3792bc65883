package tlspolicy

// RenewDue does at once what is done every few minutes.
func (p *Policies) RenewDue() { p.renewDue() }
