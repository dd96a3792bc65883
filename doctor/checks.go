package doctor

import "slices"

// all is the table.
var all = []Check{
	{"names", "reverse and forward names of the sending addresses, and what they say in EHLO", checkNames},
	{"spf", "SPF of each sending domain against each sending address", checkSPF},
	{"dkim", "the keys that sign mail against the DNS", checkKeys},
	{"dmarc", "the policies of the sending domains, and where reports go", checkDMARC},
	{"mx", "where mail for the sending domains goes, and that the domains exist", checkMX},
	{"mta-sts", "MTA-STS of the domains that receive mail", checkSTS},
	{"blocklists", "block lists that have the sending addresses", checkBlockLists},
	{"ports", "the ports for mail, and the console", checkPorts},
	{"certificates", "the certificates: files, times, names, chains", checkCertificates},
	{"resolver", "the DNS servers: do they answer, fast, validated, truly, and only to us", checkResolver},
	{"clock", "the clock, against DNSSEC and who keeps it", checkClock},
	{"disk", "space, speed and kind of the disk with the queue", checkDisk},
	{"limits", "file descriptors and memory", checkLimits},
	{"configuration", "the configuration, its files, and the settings database", checkConfiguration},
}

// Checks returns all checks.
func Checks() []Check { return slices.Clone(all) }
