// Package ctl is the REST API at a shell: mtad ctl, mtad queue and mtad probe, each a [Tree] of commands.
//
// [Command.Run] reads a command line, sends what it says to a running server and prints the answer: as a table for
// people, or with --json just as it came. The commands about tokens are different: they work on the settings database
// itself, so that a first token can be made, and whether the server runs or not.
//
// The token comes from the file that --token-file names, or is itself in the environment variable SLUICE_TOKEN or
// behind --token, which shows in the list of processes. The server is found by --url, by SLUICE_URL, or by the
// configuration file.
//
// Exit codes are those of sysexits.h: 0 done, 1 refused or not found, 64 a wrong command line, 65 wrong fields, 66 an
// unreadable file, 69 the server cannot be reached or cannot work now, 77 no valid token, 78 a wrong configuration.
package ctl
