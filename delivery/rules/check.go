package rules

import (
	"github.com/sluicemail/sluice/internal/pattern"
)

// CheckError returns what is wrong with a row before it is stored, apart from the pools there are and other rows.
func CheckError(r ForcedError) error {
	_, err := compileError(&r, nil)
	return err
}

// CheckPause is as [CheckError], for a pause.
func CheckPause(r Pause) error {
	_, err := compilePause(&r, "", nil)
	return err
}

// CheckRedirect is as [CheckError], for a redirect.
func CheckRedirect(r Redirect) error {
	_, err := compileRedirect(&r)
	return err
}

// TryText reports whether a pattern of a type matches a text, so that it can be tried before it is stored.
func TryText(typ, text, with string) (bool, error) {
	t, err := pattern.ParseType(typ)
	if err != nil {
		return false, err
	}
	p, err := pattern.Compile(t, text, true)
	if err != nil {
		return false, err
	}
	return p.Match(with), nil
}
