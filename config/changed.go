package config

// Changed compares two configurations and returns the keys that differ, in the order of the table: those a running
// program can take over, and keys that act at the next start only.
func Changed(old, current *Config) (reloadable, needRestart []string) {
	for _, k := range Keys() {
		switch {
		case k.text(old) == k.text(current):
		case k.Restart:
			needRestart = append(needRestart, k.Name)
		default:
			reloadable = append(reloadable, k.Name)
		}
	}
	return reloadable, needRestart
}
