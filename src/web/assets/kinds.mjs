// Icons by the ending of a name. They only decorate: what a browser may show, the server decides. Without the DOM.

const ENDINGS = {
  image: "jpg jpeg png gif webp avif bmp ico heic tif tiff svg",
  audio: "mp3 m4a aac flac ogg oga opus wav",
  video: "mp4 m4v mov webm mkv avi ogv",
  text: "txt md log csv tsv json xml yaml yml toml ini conf rs py js ts c h cpp go java sh sql html css tex",
  archive: "zip gz tgz xz zst bz2 7z rar tar deb rpm iso",
};

const BY_ENDING = new Map(
  Object.entries(ENDINGS).flatMap(([icon, endings]) => endings.split(" ").map((ending) => [ending, icon])),
);

/** Returns the icon of an entry. */
export function iconOf(entry) {
  if (entry.kind === "directory") return "folder";
  if (entry.kind === "link") return "link";
  const ending = entry.key.slice(entry.key.lastIndexOf(".") + 1).toLowerCase();
  return BY_ENDING.get(ending) ?? "file";
}
