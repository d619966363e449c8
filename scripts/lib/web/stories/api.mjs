import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { Failed, equal } from "../checks.mjs";

export const name = "api";
export const title = "schemathesis finds no 5xx in the API, with a token for files and one for administration";
export const users = { tom: {}, ada: { options: ["--admin"] } };

/** The time for one run in seconds, and the most examples of an operation. */
const MOST_SECONDS = 15;
const MOST_EXAMPLES = 12;
/** The time after which a run that does not end is killed, in milliseconds. */
const LIMIT = 90_000;

const SCHEMA = "/api/v1/openapi.json";

/** The file schemathesis.toml: the token comes from the environment, so that it stands in no list of processes. */
const SETTINGS = `[headers]
Authorization = "Bearer \${HOMEPORT_TOKEN}"
`;

async function examine(stage, user, scope) {
  const directory = join(stage.local, scope);
  mkdirSync(directory);
  writeFileSync(join(directory, "schemathesis.toml"), SETTINGS);
  const words = [
    "--config-file", join(directory, "schemathesis.toml"),
    "run", `${stage.server.url}${SCHEMA}`,
    "--checks", "not_a_server_error",
    "--max-examples", String(MOST_EXAMPLES),
    "--max-time", String(MOST_SECONDS),
    "--request-timeout", "20",
    "--generation-database", "none",
    "--workers", "1",
    "--no-shrink",
    "--continue-on-failure",
    "--suppress-health-check", "all",
    "--warnings", "off",
    "--no-color",
  ];
  const env = { ...process.env, HOMEPORT_TOKEN: stage.server.addToken(user, scope) };
  try {
    const { stdout } = await promisify(execFile)(stage.options.schemathesis, words, { cwd: directory, env, timeout: LIMIT, maxBuffer: 1 << 26 });
    return stdout;
  } catch (error) {
    throw new Failed(`schemathesis with a token for ${scope} (exit code ${error.code}):\n${`${error.stdout}${error.stderr}`.slice(-6000)}`);
  }
}

export async function run(stage) {
  const response = await fetch(`${stage.server.url}${SCHEMA}`);
  equal(`the status of ${SCHEMA}`, response.status, 200);
  const { openapi, paths } = await response.json();
  if (!/^3\./.test(openapi) || Object.keys(paths).length === 0) throw new Failed(`${SCHEMA} describes nothing`);
  writeFileSync(join(stage.user("tom").home, "notes.txt"), "some notes\n");
  for (const [user, scope] of [["tom", "files"], ["ada", "admin"]]) {
    const said = await examine(stage, user, scope);
    const tested = /(\d+) generated|Test cases:\s*\n?\s*(\d+)|Operations?:\s+.*?(\d+) tested/.exec(said);
    stage.note(`${scope}: ${tested ? tested[0].trim() : said.trim().split("\n").at(-1)}`);
  }
}
