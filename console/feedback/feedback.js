// The reports: the list is drawn again whenever there is another one, unless somebody looks at older ones.

import { redraw } from "./redraw.js";

redraw(document.getElementById("feedback"), "feedback", "/feedback/part", () => new URLSearchParams(location.search).has("cursor"));
