// Package config reads what the reference server mtad is told at start: a file of "key: value" lines, the environment
// and the command line. It turns them into one plain struct, and tells where every value came from. It opens no port
// and no store, and knows none of the packages that its values are for.
//
// # How a configuration comes about
//
//  1. [Load] takes the command line apart ([ParseArgs]): switches such as --check-config, addresses, and keys.
//  2. Every key of the table ([Keys]) gets its default. The table is the one place that knows a key's names, type,
//     default, meaning, whether it is a secret and whether it can change while the server runs; the documentation and
//     [WriteHelp] are made from it.
//  3. The sources are read, each overriding those before: /etc/mtad/config.txt (or /etc/mailerq/config.txt; when both
//     exist the former wins, with a warning), the file of --config-file, the environment, the command line. When there
//     is no file at all, [Sources].NoFile holds further defaults.
//  4. Older names get their meaning, keys that follow another key's value get it, and what only makes sense together is
//     checked: a certificate with its key, a user with a password, ports that are used once.
//  5. [Report] lists every effective value with its [Origin], and warnings. All that is wrong is returned at once, each
//     an [Error] with file, line, key, value and what is expected; [ExConfig] is the exit status for that.
//
// # The form of a file
//
// One "key: value" a line, white space around both dropped. A line that starts with # is a comment. A key that appears
// twice: the last one counts, with a warning. An unknown key is a warning too, with the nearest known key. A line
// without its colon ("key value") is understood and warned about. A value that is empty is an empty text or list; of a
// number, a boolean, a duration or a word it stands for the default.
//
// In the environment a key is in upper case with underscores behind MTAD_ or MAILERQ_: MTAD_SMTP_PORT. On the command
// line it is --smtp-port=2525 or --smtp-port 2525; a boolean alone (--spool-remove) is true.
//
// # Secrets
//
// Passwords, also those inside URLs, are in the fields of [Config] and nowhere else: errors, warnings, settings and the
// text form of a Config show asterisks. A URL that is not understood is hidden whole.
//
// Nothing here keeps state: all functions may be called from several goroutines at once.
package config
