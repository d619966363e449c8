// The table of the stories. A story has a file of its own in stories/, and one line here. It exports:
//   name       how it is chosen: scripts/stories-web --only NAME
//   title      what it tells, for the report
//   users      the users that it needs: name -> { totp, options of `homeportd user add` }
//   settings   lines for the section [web] of the configuration, if it needs any
//   run        async (stage) => {}: the story; it throws what it finds
//
// Whatever a story does, it fails on scripts of users' files, violations of the policy, exceptions, errors on the console,
// dialogs of the browser, requests to other addresses, and replies with 5xx (watch.mjs). Pages that are there for all
// stories' pictures are in stories/pictures.mjs.

import * as api from "./stories/api.mjs";
import * as conflict from "./stories/conflict.mjs";
import * as files from "./stories/files.mjs";
import * as hostile from "./stories/hostile.mjs";
import * as noScript from "./stories/no_script.mjs";
import * as phone from "./stories/phone.mjs";
import * as pictures from "./stories/pictures.mjs";
import * as quota from "./stories/quota.mjs";
import * as signIn from "./stories/sign_in.mjs";
import * as upload from "./stories/upload.mjs";
import * as weight from "./stories/weight.mjs";

export const STORIES = [signIn, files, upload, quota, conflict, phone, hostile, noScript, pictures, weight, api];
