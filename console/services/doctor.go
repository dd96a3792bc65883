package services

import (
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/doctor"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/preflight"
)

// doctorPage examines the installation when it is asked to.
func (c *Services) doctorPage() frame.Page {
	return frame.Page{Path: "/doctor", Title: "Doctor", Group: frame.System,
		Routes: map[string]frame.View{"GET /doctor": c.doctorView, "POST /doctor": c.examine}}
}

// doctorData is what doctor.html gets.
type doctorData struct {
	Report   *doctor.Report // nil: nothing was examined yet
	Findings []doctor.Finding
	// Sampled are what was found in mail that left, the worst first; Looked is in how many mails.
	Sampled []preflight.Count
	Looked  int64
}

// mostSampled is how many lines about mail that left are shown.
const mostSampled = 50

func (c *Services) doctorView(v *frame.Visit) error { return c.renderDoctor(v, nil) }

func (c *Services) examine(v *frame.Visit) error {
	report, err := c.Admin.Doctor(v.R.Context())
	if err != nil {
		return err
	}
	return c.renderDoctor(v, report)
}

func (c *Services) renderDoctor(v *frame.Visit, report *doctor.Report) error {
	d := doctorData{Report: report}
	if report != nil {
		for _, f := range report.Findings {
			f.Where = human.Cut(mailview.Printable(f.Where), 255)
			f.What, f.Remedy = human.Cut(mailview.Printable(f.What), 600), human.Cut(mailview.Printable(f.Remedy), 600)
			d.Findings = append(d.Findings, f)
		}
	}
	if sampled, err := c.Admin.SampledMail(); err == nil {
		d.Looked = sampled.Looked
		for _, s := range sampled.Counts[:min(len(sampled.Counts), mostSampled)] {
			s.Tag, s.Example = human.Cut(mailview.Printable(s.Tag), 100), human.Cut(mailview.Printable(s.Example), 300)
			d.Sampled = append(d.Sampled, s)
		}
	}
	return v.Render("doctor", d)
}
