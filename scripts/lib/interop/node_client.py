"""ssh2-sftp-client for Node, the library beneath many deployment tools. Its own code is in node/."""

import json
import os
import shutil
from pathlib import Path

from ..tools import TARGET, quiet
from .story import (
    MODE,
    QUOTA,
    QUOTES,
    SPACES,
    TIME,
    UTF8,
    Client,
    Failed,
    contains,
    equal,
    half_stored,
    kept,
    names,
    run,
    same,
    same_tree,
    within_quota,
)

SOURCE = Path(__file__).parent / "node"
BUILT = TARGET / "interop/node"
NEEDS = {"node": "nodejs", "npm": "npm", "ssh-keygen": "openssh-client"}
LIBRARY = "ssh2-sftp-client"


def build():
    """Brings the packages that package.json names, when it has changed."""
    BUILT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SOURCE / "interop.mjs", BUILT / "interop.mjs")
    wanted, built = (SOURCE / "package.json").read_bytes(), BUILT / "package.json"
    if built.exists() and built.read_bytes() == wanted and (BUILT / "node_modules").is_dir():
        return
    built.write_bytes(wanted)
    npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts"]
    try:
        quiet(npm, "hint: the packages come from npm's registry, which must be reached once", cwd=BUILT)
    except SystemExit:
        built.unlink()
        raise


def version():
    found = {
        name: json.loads((BUILT / "node_modules" / name / "package.json").read_text()) for name in (LIBRARY, "ssh2")
    }
    return f"{found[LIBRARY]['version']} ssh2/{found['ssh2']['version']}"


node = Client(LIBRARY, version, NEEDS, extra=True, build=build)


def tell(home, *steps, may_fail=()):
    """What each step answered; a step that failed ends the story, unless it is in `may_fail`."""
    fingerprint = run(["ssh-keygen", "-lf", home.host_key]).out.split()[1].removeprefix("SHA256:")
    command = ["node", BUILT / "interop.mjs", str(home.port), home.user, home.key, fingerprint]
    script = "".join(json.dumps(list(map(plain, step))) + "\n" for step in steps)
    said = run(command, stdin=script, cwd=home.local)
    answers = [json.loads(line) for line in said.out.splitlines()]
    if len(answers) != len(steps):
        raise Failed(f"{len(steps)} steps, {len(answers)} answers:\n{said.all[-3000:]}")
    for number, answer in enumerate(answers):
        if "error" in answer and number not in may_fail:
            raise Failed(f"{steps[number]}: {answer['error']}")
    return [answer.get("ok", answer) for answer in answers]


def plain(word):
    return str(word) if isinstance(word, Path) else word


@node.story("whole files")
def whole_files(home):
    sizes = {"empty": 0, "one": 1, "large": 5_000_017}
    steps = []
    for name, size in sizes.items():
        local, back = home.sample(name, size), home.local / f"{name}.back"
        steps += [("put", local, home.wire(name)), ("get", home.wire(name), back)]
        steps += [("fastPut", local, home.wire(f"{name}.fast")), ("fastGet", home.wire(f"{name}.fast"), f"{back}.fast")]
    listed = tell(home, *steps, ("list", home.wire("")))[-1]
    for name in sizes:
        for path in (home.disk / name, home.disk / f"{name}.fast"):
            same(path, home.local / name)
        for suffix in ("back", "back.fast"):
            same(home.local / f"{name}.{suffix}", home.local / name)
    equal("the listing", {entry["name"]: entry["size"] for entry in listed if entry["name"] in sizes}, sizes)


@node.story("resume")
def resume(home):
    local = home.sample("whole", 3_000_001)
    part = half_stored(home, local, "up")
    rest = home.local / "rest"
    rest.write_bytes(local.read_bytes()[len(part) :])
    tell(home, ("append", rest, home.wire("up")))
    same(home.disk / "up", part + rest.read_bytes())


@node.story("rename and remove")
def rename_and_remove(home):
    old = home.stored("old").read_bytes()
    home.stored("new", 10)
    home.stored("tree/sub/file", 10)
    at = home.wire
    said = tell(
        home,
        ("posixRename", at("old"), at("new")),
        ("mkdir", at("a/b/c"), True),
        ("rename", at("new"), at("a/b/c/moved")),
        ("rmdir", at("tree"), True),
        ("rcopy", at("a/b/c/moved"), at("copy")),
        ("symlink", "a/b", at("soft")),
        ("readlink", at("soft")),
        ("hardlink", at("copy"), at("hard")),
        ("delete", at("nothing")),
        may_fail=[8],
    )
    equal("the home", names(home.disk), ["a", "copy", "hard", "soft"])
    same(home.disk / "a/b/c/moved", old)
    same(home.disk / "copy", old)
    # Which comes first, target or link, it judges by the server's banner.
    equal("the link", (os.readlink(home.disk / "soft"), said[6]), ("a/b", "a/b"))
    equal("links of one file", (home.disk / "hard").stat().st_nlink, 2)
    contains("the error", said[8].get("error", ""), "No such file")


@node.story("times and modes")
def times_and_modes(home):
    path = home.stored("one", 10)
    found = tell(
        home, ("chmod", home.wire("one"), MODE), ("utimes", home.wire("one"), TIME), ("stat", home.wire("one"))
    )[2]
    equal("what stat says", found, {"mode": 0o100000 | MODE, "size": 10, "modifyTime": TIME * 1000})
    kept(path)


@node.story("directories")
def directories(home):
    tree = home.tree("tree")
    (home.local / "back").mkdir()
    tell(home, ("uploadDir", tree, home.wire("copy")), ("downloadDir", home.wire("copy"), home.local / "back"))
    same_tree(home.disk / "copy", tree)
    same_tree(home.local / "back", tree)


@node.story("names")
def odd_names(home):
    # Its names are text: what is no UTF-8 it cannot say.
    for name in (SPACES, QUOTES, UTF8):
        local, moved = home.sample(name), home.wire(f"{name}2")
        tell(
            home,
            ("put", local, home.wire(name)),
            ("rename", home.wire(name), moved),
            ("get", moved, home.local / "back"),
        )
        same(home.disk / f"{name}2", local)
        same(home.local / "back", local)


@node.over_quota
def over_quota(home):
    keep, large = home.sample("keep", QUOTA // 4), home.sample("large", 2 * QUOTA)
    steps = (("put", keep, home.wire("keep")), ("fastPut", large, home.wire("large")), ("statvfs", home.wire("")))
    said = tell(home, *steps, may_fail=[1])
    contains("the error", (said[1] or {}).get("error", "none"), "quota exceeded")
    within_quota(home, keep)
    equal("the size and what is free", (said[2]["f_frsize"] * said[2]["f_blocks"], said[2]["f_bavail"]), (QUOTA, 0))
