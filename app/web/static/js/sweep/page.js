// The page of one sweep: what it does beyond links and forms, a file each.
import "./address.js";
import "./tabs.js";
import "./confirm.js";
import "../copy.js";
