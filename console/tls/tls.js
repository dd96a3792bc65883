// Policies and reports are drawn again whenever a connection was counted, a policy fetched or a report sent.

import { redraw } from "./redraw.js";

redraw(document.getElementById("tls"), "tls", "/tls/part");
