package admin

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// LogLevels are the names of the levels of the application log, the most talkative first.
func LogLevels() []string { return []string{"debug", "info", "warn", "error"} }

// ApplicationLogLevel returns the name of the least grave level that the application log tells of.
func (a *Admin) ApplicationLogLevel() (string, error) {
	if a.LogLevel == nil {
		return "", noLogLevel()
	}
	return strings.ToLower(a.LogLevel.Level().String()), nil
}

// SetApplicationLogLevel changes it, until the configuration is read again.
func (a *Admin) SetApplicationLogLevel(ctx context.Context, name string) error {
	if a.LogLevel == nil {
		return noLogLevel()
	}
	if !slices.Contains(LogLevels(), name) {
		return invalid("level", name, "one of "+strings.Join(LogLevels(), ", "))
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return err
	}
	a.LogLevel.Set(level)
	a.did(ctx, "level of the application log changed", "level", name)
	return nil
}

func noLogLevel() error {
	return unsupported("the log of this server is not its own: its level cannot be changed here")
}
