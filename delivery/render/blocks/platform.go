package blocks

import (
	"strings"

	"github.com/sluicemail/sluice/internal/human"
)

// platform is what is known of a social medium.
type platform struct {
	name, color, glyph string
	follow             string // the address of a user, before the name; "": only addresses are understood
	share              string // the address that shares; "": there is none
	url, text          string // parameters of share
}

// platforms are those of which more is known than their names.
var platforms = map[string]platform{
	"facebook":   {"Facebook", "#0b62d6", "f", "https://www.facebook.com/", "https://www.facebook.com/sharer/sharer.php", "u", "quote"},
	"twitter":    {"Twitter", "#0f1419", "X", "https://twitter.com/", "https://twitter.com/intent/tweet", "url", "text"},
	"linkedin":   {"LinkedIn", "#0a66c2", "in", "https://www.linkedin.com/in/", "https://www.linkedin.com/sharing/share-offsite/", "url", ""},
	"googleplus": {"Google+", "#c63a2b", "g+", "https://plus.google.com/+", "https://plus.google.com/share", "url", ""},
	"instagram":  {"Instagram", "#a3307a", "ig", "https://www.instagram.com/", "", "", ""},
	"youtube":    {"YouTube", "#c4302b", "▶", "https://www.youtube.com/@", "", "", ""},
	"pinterest":  {"Pinterest", "#bd081c", "P", "https://www.pinterest.com/", "https://www.pinterest.com/pin/create/button/", "url", "description"},
	"github2":    {"GitHub", "#24292f", "gh", "https://github.com/", "", "", ""},
	"vimeo":      {"Vimeo", "#0f6f95", "V", "https://vimeo.com/", "", "", ""},
	"reddit":     {"Reddit", "#c43a00", "r", "https://www.reddit.com/user/", "https://www.reddit.com/submit", "url", "title"},
	"tumblr":     {"Tumblr", "#36465d", "t", "", "https://www.tumblr.com/widgets/share/tool", "canonicalUrl", "title"},
	"whatsapp":   {"WhatsApp", "#0b7a3b", "W", "", "https://api.whatsapp.com/send", "text", ""},
	"xing":       {"Xing", "#006567", "X", "https://www.xing.com/profile/", "https://www.xing.com/spi/shares/new", "url", ""},
	"digg":       {"Digg", "#14589e", "d", "", "https://digg.com/submit", "url", "title"},
	"mail":       {"E-mail", "#555555", "@", "", "mailto:", "body", "subject"},
}

// others are the names that are known beside those.
var others = strings.Fields("addthis amazon android aol apple appstore ask badoo bebo behance bing blogger chrome " +
	"delicious deviantart diigo dribbble drive dropbox drupal envato etsy evernote fav feed feedburner fiverr flickr " +
	"formspring forrst friendfeed getpocket google google2 hi5 html5 icq imdb lastfm livejournal messenger metacafe " +
	"msn myspace1 myspace2 newsvine overflow paypal photobucket picasa quora share skype snapchat soundcloud squidoo " +
	"steam store stumbleupon techcrunch technorati tripadvisor twitter2 viber wikipedia windows windows8 wordpress xbox " +
	"yahoo yelp youtube2 zoosk zootool zynga")

// aliases are other names of some.
var aliases = map[string]string{"twitter2": "twitter", "youtube2": "youtube", "github": "github2", "x": "twitter"}

// findPlatform returns what is known of a name.
func findPlatform(name string) (platform, bool) {
	name = strings.ToLower(name)
	if alias := aliases[name]; alias != "" {
		name = alias
	}
	if p, ok := platforms[name]; ok {
		return p, true
	}
	for _, other := range others {
		if other == name {
			shown := human.Capital(strings.TrimRight(name, "0123456789"))
			return platform{name: shown, color: "#555555", glyph: shown[:1]}, true
		}
	}
	return platform{}, false
}
