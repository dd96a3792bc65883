package ctl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/console/admin"
)

type (
	dkimCommand struct {
		Make     dkimMake     `cmd:"" help:"Make a key, which signs once it is published, and print its record."`
		Show     dkimShow     `cmd:"" help:"The record of a key, whether the DNS has it, and how far its rotation is."`
		Rotate   dkimRotate   `cmd:"" help:"Make a key that is to take the place of another, and print its record."`
		Use      dkimUse      `cmd:"" help:"Have a published key take over from the others for the same mail."`
		Withdraw dkimWithdraw `cmd:"" help:"Delete a key whose mail has gone."`
	}
	dkimMake struct {
		Domain    string `arg:""`
		Selector  string `arg:""`
		Algorithm string `placeholder:"rsa|ed25519" help:"Kind of key; rsa where it is not given."`
	}
	dkimShow struct {
		ID int64 `arg:"" help:"As list dkim_keys shows it."`
	}
	dkimRotate struct {
		ID        int64  `arg:"" help:"Of the key that signs now."`
		Selector  string `help:"Of the new key; one with the date in it where it is not given."`
		Algorithm string `placeholder:"rsa|ed25519" help:"Kind of key; that of the other where it is not given."`
	}
	dkimUse struct {
		ID int64 `arg:"" help:"Of the new key."`
	}
	dkimWithdraw struct {
		ID int64 `arg:"" help:"Of the old key."`
	}
)

func keyAddress(id int64, step string) string { return "/v1/dkim/" + strconv.FormatInt(id, 10) + step }

func (c *dkimMake) Run(s *session) error {
	return s.key("POST", "/v1/dkim", map[string]string{"domain": c.Domain, "selector": c.Selector, "algorithm": c.Algorithm})
}

func (c *dkimShow) Run(s *session) error { return s.key("GET", keyAddress(c.ID, ""), nil) }

func (c *dkimRotate) Run(s *session) error {
	return s.key("POST", keyAddress(c.ID, "/successor"), map[string]string{"selector": c.Selector, "algorithm": c.Algorithm})
}

func (c *dkimUse) Run(s *session) error {
	return s.step(keyAddress(c.ID, "/use"), "it has taken over: the old key signs no more")
}

func (c *dkimWithdraw) Run(s *session) error {
	return s.step(keyAddress(c.ID, "/withdraw"), "it is deleted; take its record out of the DNS as well")
}

func (s *session) step(path, said string) error {
	done, err := s.read("POST", path, given(map[string]string{}), &struct{}{})
	if !done {
		fmt.Fprintln(s.out, said)
	}
	return err
}

// key prints a key.
func (s *session) key(method, path string, body map[string]string) error {
	var k admin.Key
	var sent any
	if body != nil {
		sent = given(body)
	}
	if done, err := s.read(method, path, sent, &k); done {
		return err
	}
	fmt.Fprintf(s.out, "%d: %s, %s\n", k.ID, printable(k.Name), printable(k.Algorithm))
	fmt.Fprintf(s.out, "%s. IN TXT ( \"%s\" )\n", printable(k.Name), printable(strings.Join(k.Parts, `" "`)))
	fmt.Fprintln(s.out, printable(k.Said))
	if k.Weakness != "" {
		fmt.Fprintln(s.out, "make a new key soon:", printable(k.Weakness))
	}
	switch {
	case k.Retired != "":
		fmt.Fprintf(s.out, "it signs no more since %s UTC, and has to stay in the DNS until %s UTC\n", printable(k.Retired),
			printable(k.Withdraw))
	case len(k.Others) > 0:
		fmt.Fprintln(s.out, "it can take over from", printable(strings.Join(k.Others, ", ")))
	}
	return nil
}
