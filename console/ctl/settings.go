package ctl

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
)

type (
	pausesCommand struct{}
	errorsCommand struct{}
	listCommand   struct {
		Table  string   `arg:"" help:"pauses, errors, pools, poolips, suppressions, externalmtas, or any table of the settings."`
		Where  []string `arg:"" optional:"" help:"column=value …"`
		Search string   `help:"Text in any column."`
	}
	addCommand struct {
		Table  string   `arg:""`
		Values []string `arg:"" help:"column=value …; privatekey=@FILE reads a file."`
	}
	setCommand struct {
		Table  string   `arg:""`
		ID     int64    `arg:""`
		Values []string `arg:"" help:"column=value …"`
	}
	deleteCommand struct {
		Table string   `arg:""`
		What  []string `arg:"" optional:"" help:"The id, or column=value … as they were added."`
	}
	suppressCommand struct {
		Values      []string `arg:"" help:"Addresses or domains."`
		Type        string   `enum:"auto,address,domain" default:"auto" help:"What the values are (auto: by their @)."`
		Code        int      `default:"550" help:"Reply code of the result."`
		Extended    string   `help:"Enhanced status code."`
		Description string   `help:"Description of the result."`
	}
	// selection is what pauses select by.
	selection struct {
		Pool    string `help:"Pool of source addresses."`
		MTA     string `name:"mta" help:"Source address."`
		Domain  string `help:"Recipient domain."`
		IP      string `name:"ip" help:"Target address."`
		Tag     string `help:"Tag of the messages."`
		Cluster bool   `help:"For all instances."`
	}
	pauseCommand struct {
		selection `embed:""`
		All       bool   `help:"Nothing selected: all mail."`
		Expire    string `help:"When it ends: YYYY-MM-DD HH:MM:SS in UTC, or Unix seconds."`
	}
	resumeCommand struct {
		selection `embed:""`
		Flood     bool   `help:"Let mail to --domain go on that flood patterns hold."`
		Name      string `help:"With --flood: only this pattern."`
	}
)

// alias returns the name that the API has for a table.
func alias(table string) string {
	for _, r := range admin.Resources() {
		if string(r.Table) == table {
			return r.Name
		}
	}
	return table
}

func (pausesCommand) Run(s *session) error { return s.rows("/v1/pauses", columnsOf("pauses")...) }
func (errorsCommand) Run(s *session) error { return s.rows("/v1/errors", columnsOf("errors")...) }

func (c *listCommand) Run(s *session) error {
	where, err := assignments(c.Where)
	if err != nil {
		return err
	}
	if c.Search != "" {
		where["search"] = c.Search
	}
	table := alias(c.Table)
	return s.rows(address("/v1/"+url.PathEscape(table), where), columnsOf(table)...)
}

func (c *addCommand) Run(s *session) error {
	fields, err := assignments(c.Values)
	if err != nil {
		return err
	}
	table := alias(c.Table)
	data, err := s.ask("POST", "/v1/"+url.PathEscape(table), fields)
	if err != nil {
		return err
	}
	return s.printRow(data, columnsOf(table)...)
}

func (c *setCommand) Run(s *session) error {
	fields, err := assignments(c.Values)
	if err != nil {
		return err
	}
	data, err := s.ask("POST", "/v1/"+url.PathEscape(c.Table)+"/"+strconv.FormatInt(c.ID, 10), fields)
	if err != nil {
		return err
	}
	return s.printRow(data, columnsOf(c.Table)...)
}

func (c *deleteCommand) Run(s *session) error {
	path := "/v1/" + url.PathEscape(alias(c.Table))
	var fields any
	if len(c.What) == 1 {
		if id, err := strconv.ParseInt(c.What[0], 10, 64); err == nil {
			path += "/" + strconv.FormatInt(id, 10)
			return s.count("DELETE", path, nil, "deleted", "row", "deleted")
		}
	}
	fields, err := assignments(c.What)
	if err != nil {
		return err
	}
	return s.count("DELETE", path, fields, "deleted", "row", "deleted")
}

// fields returns what was given of a selection.
func (c *selection) fields() map[string]any {
	fields := given(map[string]string{"pool": c.Pool, "mta": c.MTA, "domain": c.Domain, "ip": c.IP, "tag": c.Tag})
	if c.Cluster {
		fields["cluster"] = true
	}
	return fields
}

func (c *pauseCommand) Run(s *session) error {
	fields := c.fields()
	selected := len(fields) > 1 || len(fields) == 1 && !c.Cluster
	switch {
	case !selected && !c.All:
		return &failure{ExitUsage, "this would hold all mail: select some (--domain, --tag, …), or say --all"}
	case selected && c.All:
		return &failure{ExitUsage, "--all is for all mail: select some, or say --all, not both"}
	}
	if c.Expire != "" {
		fields["expire"] = c.Expire
	}
	data, err := s.ask("POST", "/v1/pauses", fields)
	if err != nil {
		return err
	}
	if c.All && !s.options.JSON {
		if _, err := fmt.Fprintln(s.out, "all mail is held:"); err != nil {
			return err
		}
	}
	return s.printRow(data, columnsOf("pauses")...)
}

func (c *resumeCommand) Run(s *session) error {
	if !c.Flood {
		return s.count("DELETE", "/v1/pauses", c.fields(), "deleted", "pause", "ended")
	}
	fields := given(map[string]string{"mta": c.MTA, "name": c.Name})
	fields["site"] = c.Domain
	return s.count("DELETE", "/v1/floods", fields, "deleted", "flood", "ended")
}

func (c *suppressCommand) Run(s *session) error {
	for _, value := range c.Values {
		fields := given(map[string]string{"extended": c.Extended, "description": c.Description})
		fields["value"], fields["type"], fields["code"] = value, kindOf(value, c.Type), c.Code
		data, err := s.ask("POST", "/v1/suppressions", fields)
		if err != nil {
			return err
		}
		if err := s.printRow(data, columnsOf("suppressions")...); err != nil {
			return err
		}
	}
	return nil
}

// kindOf tells an address from a domain.
func kindOf(value, kind string) string {
	if kind != "auto" {
		return kind
	}
	if strings.LastIndexByte(value, '@') > 0 {
		return "address"
	}
	return "domain"
}

// columnsOf returns the columns of a table in the order of its documentation.
func columnsOf(name string) []string {
	columns := []string{"id"}
	fields := []admin.Field(nil)
	if r, ok := admin.ResourceNamed(name); ok {
		fields = r.Fields
	} else if t, err := new(admin.Admin).Table(settings.TableName(name)); err == nil {
		fields = t.Fields
	}
	for _, f := range fields {
		columns = append(columns, f.Name)
	}
	return append(columns, "broken")
}
