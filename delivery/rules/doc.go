// Package rules holds what an operator decides about deliveries: who gets no mail, what fails or waits, what leaves
// from another address, what is changed on its way, and what replies lead to.
//
//	set, problems := rules.Compile(rules.Config{Instance: 1, Suppressions: listed, Pauses: pauses, ...})
//	engine.Steering = func() delivery.Steering { return set }
//
// A [Config] is plain rows, as a settings database has them. [Compile] makes a [Set] of it, which never changes and is
// a delivery.Steering; other decisions come as another Set. A row that makes no sense is left out and told as a
// [Problem], which names the table, the row, and, by its [ColumnError], the column and what was expected; everything
// else is in force. The functions Try… try a pattern.
//
// # What rules select
//
// A source address or a pool of them × a recipient domain or the address of the remote × a tag. Empty columns and "*"
// match all; of what is given, all has to match. Domains are exact, or have wildcards: "*.example.com" is every domain
// under example.com, but not that one itself. Case makes no difference, and a domain beyond ASCII is the same as its
// A-labels. Tags have to be the very same.
//
// A message is of a pool when it names that pool, or when the address it leaves from is in it. Before an address is
// chosen, as for rewrite rules, it is of all the addresses that it may leave from: those of its property ips, else its
// pool's, else [Config.DefaultIPs].
//
// # Which rule counts
//
//	suppressions      an address before its domain
//	forced errors     the lowest id
//	pauses            the one that lasts longest, then the lowest id
//	redirects         the most specific domain, then the lowest id; at the next address again, until there is none
//	rewrite rules     all that match, by priority (the lower number first), then by id, until a final one
//	response patterns likewise
//
// Rows that are not for the cluster count on their instance only. What has an end is over at that very moment.
//
// Redirects that would lead mail back to where it was planned to leave from are left out, all rows of the loop. A loop
// that appears later, because a more specific redirect is over, and more than 64 redirects in a row, leave the mail
// where it was.
//
// # Conditions of rewrite rules
//
// A condition looks at one of these, by a pattern of the types exact, regex, fnmatch (wildcards) or substr. Case makes
// no difference. All conditions of a rule have to hold; a negated one holds when the pattern does not match.
//
//	envelope, recipient     the address; exact ones are compared as addresses are, A-labels and U-labels alike
//	header:NAME, NAME       the fields of this name, any of them: unfolded, with encoded words decoded
//	/POINTER                the property at a JSON pointer (RFC 6901), such as /connection/user, /tags/0 or one that nobody
//	                        knows; of an array any element; an object as its JSON
//
// The type exact with an empty value asks whether there is nothing, or nothing but empty text. A mail that is yet to be
// made of its parts has the fields that these name: its subject, and those under headers. A mail that lies in a message
// store has none. A header of more than 256 KiB is not looked into.
//
// # Actions
//
// The types of actions, see also [ActionTypes]; case, blanks, dashes and underscores make no difference in them.
// Actions run in their order.
//
//	set         sets the property of the message at a JSON pointer. The value is JSON, or text; null removes. What does not
//	            fit a property is found by Compile; what does not fit one message leaves it as it is. Properties that tell
//	            facts (message-id, received, connection, results, ...), the mail itself and nextattempt cannot be set.
//	setresult   the same for the result of the attempt, in response patterns. fatal, individual, strange, greylisted and
//	            fallback override how the reply is judged; they may also be set by "set". code, status, description, class
//	            and unknown properties can be set, facts of the attempt not.
//	addip       the message may also leave from these addresses; of one with a pool, the pool's become its own. One that
//	            might leave from any leaves from these only.
//	setip       the message may leave from these addresses only
//	removeip    the message may not leave from these; when none is left, it fails for want of an address
//	setpool     the message leaves from a pool; its own addresses are forgotten
//	unsetpool   the message has no pool any more
//	addtag      adds a tag, unless it is there
//	removetag   removes a tag
//	smarthost   sends the message to host:port, or user:password@host:port
//	fail        ends the message with "550 5.7.1 unwanted", each part of which may be missing; in a response pattern the
//	            failure without all of them is the reply itself
//	delay       the message waits for some seconds before its attempt (rewrite rules)
//	retry       the next attempt comes after some seconds (response patterns); each of the two also means the other one
//
// A rule that delays does so once for each message: the message has the ids of the rules that did in its property
// "rewrite-delays", which goes with it into the queue, to results, and to other instances. The rule's other actions are
// carried out whenever the message is looked at, before each attempt; doing them twice changes nothing more, unless
// "set" appends to an array by a pointer that ends in "-".
//
// Messages of one mail share memory. What a rule changes of a message is in memory of that message's own.
//
// # Cost
//
// Rules are filed under what the fewest rules ask for: a domain, an address, a tag, a pool, an exact envelope, or, for
// wildcards and patterns of replies, four letters that must occur, which one pass over the text finds. So a message
// costs what the rules cost that may concern it, whatever the number of rules; where nothing matches, nothing is
// allocated. Wildcards and regular expressions take time in proportion to the text.
//
// # Suppressions
//
// [Suppressions] is the list of addresses and domains that get no mail. It is filled once, for millions of entries, and
// a Set refers to it.
package rules
