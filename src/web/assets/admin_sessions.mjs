// Numbers of the list of sessions: rates from two samples, and what a session does. Without the DOM.

/** Returns the bytes per second of each session between two samples, by its number. Sessions of one sample have none. */
export function rates(before, now) {
  const speeds = new Map();
  if (!before) return speeds;
  const seconds = (now.at - before.at) / 1000;
  if (seconds <= 0) return speeds;
  const earlier = new Map(before.sessions.map((session) => [session.id, session]));
  for (const session of now.sessions) {
    const old = earlier.get(session.id);
    if (!old) continue;
    const rate = (name) => Math.round(Math.max(0, (session[name] ?? 0) - (old[name] ?? 0)) / seconds);
    speeds.set(session.id, { up: rate("bytes_in"), down: rate("bytes_out") });
  }
  return speeds;
}

/** Returns what a session does with its busiest file, and how far it is, from 0 to 1, or null if that is not known. */
export function doing(session) {
  const file = session.files?.[0];
  if (!file) return { text: "", part: null };
  const others = session.open_files > 1 ? ` and ${session.open_files - 1} more` : "";
  const part = file.size ? Math.min(1, file.position / file.size) : null;
  return { text: `${file.doing} ${file.path}${others}`, part };
}
