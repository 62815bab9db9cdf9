// The page of one sweep: what it does beyond links and forms, a file each.
import "./address.js";
import "./columns.js";
import "./confirm.js";
import "./focus.js";
import "./keyboard.js";
import "./selection.js";
import "./tabs.js";
import "./trial_panel.js";
import "../copy.js";
