// Sizes, times and durations for people, in the words of the server. Without the DOM.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** Formats a size as the server does: "512 B", "1.0 GiB". */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  let power = 0;
  let value = bytes;
  while (value >= 1024 && power < UNITS.length) {
    value /= 1024;
    power += 1;
  }
  return `${value.toFixed(1)} ${UNITS[power - 1]}`;
}

const two = (number) => String(number).padStart(2, "0");

/** Formats seconds since 1970 as local time, to the minute: "2026-11-30 14:05". */
export function time(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return "–";
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Formats how long something still takes: "less than 5 s", "40 s", "3 min", "2 h 5 min", "3 days". */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 5) return "less than 5 s";
  if (seconds < 90) return `${Math.ceil(seconds / 5) * 5} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} days`;
}

/** Formats a number with its noun: "1 file", "12,000 files". */
export function counted(number, noun, plural = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}

/** Returns a part of a whole in thousandths, for <progress>. */
export function thousandths(part, whole) {
  if (!(whole > 0)) return part >= whole ? 1000 : 0;
  return Math.min(1000, Math.floor((part / whole) * 1000));
}
