package main

import (
	"fmt"

	"github.com/sluicemail/sluice/dev/axe"
)

// auditScreens are both schemes of colours on a desk, a tablet and a phone.
func auditScreens() []screen {
	var all []screen
	for _, width := range []int64{1440, 1024, 390} {
		all = append(all, screen{fmt.Sprintf("light, %d px", width), width, 900, false},
			screen{fmt.Sprintf("dark, %d px", width), width, 900, true})
	}
	return all
}

// audit holds every page on every screen against the rules of axe-core, and fails where one is broken.
func (b *browser) audit(d *demo, o *options) error {
	script, err := axe.Script()
	if err != nil {
		return err
	}
	looked, broken := 0, 0
	err = b.tour(d, o, auditScreens(), func(page shown, s screen) error {
		found, err := axe.Check(b.tab, script)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", page.path, s.name, err)
		}
		looked++
		for _, f := range found {
			broken += len(f.Nodes)
			fmt.Printf("%s, %s: %v\n", page.path, s.name, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("axe-core: %d places in %d views\n", broken, looked)
	if broken > 0 {
		return fmt.Errorf("rules of accessibility are broken in %d places", broken)
	}
	return nil
}
