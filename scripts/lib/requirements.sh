# shellcheck shell=bash
# What the tests need and a fresh machine lacks; sourced by scripts/check.
#
# `require_programs` looks for each program and installs the Debian packages of those that are missing, as root or with
# a sudo that asks no password. Where nothing is missing, nothing is installed and nobody is asked for any right. Without
# apt or the right to use it, it says what to install, and fails.

# Each line: a Debian package, the program (a name, or an absolute path) or test that shows it is there, what it is for.
requirements() {
    cat << 'END'
git          git                            the patches of crates/russh
git          git                            the patches of crates/russh are applied with it
gcc          cc                             to compile SQLite and aws-lc
libc6-dev    have_headers                   to compile SQLite and aws-lc
openssh-client sftp                         the stock clients that the tests use: sftp, scp, ssh, ssh-keygen, ssh-agent
openssh-server /usr/sbin/sshd               the server that answers are compared with
openssh-sftp-server have_sftp_server        the server that answers are compared with
strace       strace                         tests look at the order of system calls
procps       kill                           tests send signals
sqlite3      sqlite3                        tests look into the store as another program
util-linux   setpriv                        tests start servers without root's powers
bsdutils     script                         tests run programs in a terminal
mount        mount                          tests use a file system that hangs
e2fsprogs    mkfs.ext4                      tests use a file system that hangs
python3      python3                        the scripts
python3-venv have_venv                      the scripts install Python packages in environments of their own
END
}

have_headers() {
    echo '#include <stdio.h>' | cc -E -o /dev/null - 2> /dev/null
}

# Where Debian, Fedora, Arch and Alpine keep it: the places that tests look at.
have_sftp_server() {
    [ -x /usr/lib/openssh/sftp-server ] || [ -x /usr/libexec/openssh/sftp-server ] ||
        [ -x /usr/lib/ssh/sftp-server ] || [ -x /usr/libexec/sftp-server ]
}

have_venv() {
    python3 -c 'import venv, ensurepip' 2> /dev/null
}

# Is this program there? `kill` and its like must be files: tests run them without a shell.
have() {
    case "$1" in
        have_*) "$1" ;;
        /*) [ -x "$1" ] || type -P "${1##*/}" > /dev/null ;;
        *) type -P "$1" > /dev/null ;;
    esac
}

require_programs() {
    # Daemons and tools for file systems are not on everybody's PATH.
    export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
    local package program purpose missing=()
    while read -r package program purpose; do
        have "$program" && continue
        missing+=("$package")
        printf 'missing: %s (%s)\n' "$package" "$purpose"
    done < <(requirements)
    [ ${#missing[@]} -gt 0 ] || return 0

    local as_root=()
    if ! type -P apt-get > /dev/null; then
        echo "scripts/check: there is no apt-get here; install what belongs to these Debian packages: ${missing[*]}" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
        if ! sudo -n true 2> /dev/null; then
            echo "scripts/check: packages are missing, and sudo asks for a password or is not there (hint: as root, apt-get install -y --no-install-recommends ${missing[*]})" >&2
            return 1
        fi
    fi
    echo "installing with apt: ${missing[*]}"
    # A package must not start a server on this machine because somebody tests ours: openssh-server would listen on
    # port 22. Debian asks this program before it starts anything.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" > /dev/null
        "${as_root[@]}" chmod 755 "$policy"
        # shellcheck disable=SC2064 # The words as they are now.
        trap "${as_root[*]} rm -f $policy" EXIT
    fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
    if [ -n "$(trap -p EXIT)" ]; then
        "${as_root[@]}" rm -f "$policy"
        trap - EXIT
    fi
    while read -r package program purpose; do
        have "$program" && continue
        echo "scripts/check: $package is installed, and still lacks what is needed: $program" >&2
        return 1
    done < <(requirements)
}

# rustup's programs, of the version that Cargo.toml asks for, with the components that format and lint.
require_rust() {
    # rustup puts itself there; a login shell may not have run.
    [ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ] && export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! type -P cargo > /dev/null; then
        echo "scripts/check: there is no cargo (hint: install Rust $wanted or later from https://rustup.rs)" >&2
        return 1
    fi
    found=$(cargo --version | cut -d' ' -f2)
    if [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        echo "scripts/check: Rust $wanted or later is needed, and $(type -P cargo) is of $found (hint: rustup update stable; Debian's own packages are too old: https://rustup.rs)" >&2
        return 1
    fi
    local component
    for component in fmt clippy; do
        cargo "$component" --version > /dev/null 2>&1 && continue
        if ! type -P rustup > /dev/null; then
            echo "scripts/check: cargo $component is missing (hint: install it with whatever installed cargo)" >&2
            return 1
        fi
        echo "installing with rustup: ${component/fmt/rustfmt} (to check format and lints)"
        rustup component add "${component/fmt/rustfmt}"
    done
}
