# shellcheck shell=bash
# The programs that the tests need; scripts/check sources this file.
#
# `require_programs` looks for each program and installs the Debian packages of those that are missing, as root or with
# a sudo that asks for no password. If nothing is missing, it installs nothing and needs no rights. Without apt or the
# right to use it, it fails and says what to install.

# Each line has a Debian package, the program (a name or an absolute path) or test that shows that it is installed, and
# its purpose.
requirements() {
    cat << 'END'
git          git                            applies the patches of crates/russh
gcc          cc                             compiles SQLite and aws-lc
libc6-dev    have_headers                   the headers for compiling SQLite and aws-lc
openssh-client sftp                         the stock clients that the tests use: sftp, scp, ssh, ssh-keygen, ssh-agent
openssh-server /usr/sbin/sshd               the server with which replies are compared
openssh-sftp-server have_sftp_server        the server with which replies are compared
strace       strace                         tests check the order of system calls
procps       kill                           tests send signals
sqlite3      sqlite3                        tests open the store as another program
util-linux   setpriv                        tests start servers without root's capabilities
bsdutils     script                         tests run programs in a terminal
mount        mount                          tests use a file system that hangs
e2fsprogs    mkfs.ext4                      tests use a file system that hangs
openssl      openssl                        the certificate of the addresses that hooks call in the tests
python3      python3                        the scripts
python3-venv have_venv                      the scripts install Python packages in virtual environments
END
}

have_headers() {
    echo '#include <stdio.h>' | cc -E -o /dev/null - 2> /dev/null
}

# Looks in the directories of Debian, Fedora, Arch and Alpine, like the tests.
have_sftp_server() {
    [ -x /usr/lib/openssh/sftp-server ] || [ -x /usr/libexec/openssh/sftp-server ] ||
        [ -x /usr/lib/ssh/sftp-server ] || [ -x /usr/libexec/sftp-server ]
}

have_venv() {
    python3 -c 'import venv, ensurepip' 2> /dev/null
}

# Whether a program is installed. Shell builtins do not count, because tests run programs such as `kill` without a
# shell.
have() {
    case "$1" in
        have_*) "$1" ;;
        /*) [ -x "$1" ] || type -P "${1##*/}" > /dev/null ;;
        *) type -P "$1" > /dev/null ;;
    esac
}

require_programs() {
    # Daemons and file system tools may not be in the PATH.
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
        echo "scripts/check: apt-get is not available; install the programs of these Debian packages: ${missing[*]}" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
        if ! sudo -n true 2> /dev/null; then
            echo "scripts/check: packages are missing, and sudo needs a password or is not installed (hint: as root, apt-get install -y --no-install-recommends ${missing[*]})" >&2
            return 1
        fi
    fi
    echo "installing with apt: ${missing[*]}"
    # Packages must not start a server on this machine: openssh-server would listen on port 22. Debian runs this program
    # before it starts a service.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" > /dev/null
        "${as_root[@]}" chmod 755 "$policy"
        # shellcheck disable=SC2064 # The words are expanded now.
        trap "${as_root[*]} rm -f $policy" EXIT
    fi
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get install -y -q --no-install-recommends "${missing[@]}")
    # The lists of packages are fetched only if they are missing or too old.
    if ! "${install[@]}" > /dev/null 2>&1; then
        "${as_root[@]}" apt-get update -q
        "${install[@]}"
    fi
    if [ -n "$(trap -p EXIT)" ]; then
        "${as_root[@]}" rm -f "$policy"
        trap - EXIT
    fi
    while read -r package program purpose; do
        have "$program" && continue
        echo "scripts/check: $package is installed, but $program is still missing" >&2
        return 1
    done < <(requirements)
}

# Checks for the Rust version of Cargo.toml or later, and installs the components that format and lint.
require_rust() {
    # rustup installs into this directory, which is in the PATH of login shells only.
    [ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ] && export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! type -P cargo > /dev/null; then
        echo "scripts/check: cargo is not installed (hint: install Rust $wanted or later from https://rustup.rs)" >&2
        return 1
    fi
    found=$(cargo --version | cut -d' ' -f2)
    if [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        echo "scripts/check: Rust $wanted or later is needed, but $(type -P cargo) has version $found (hint: rustup update stable; Debian's own packages are too old: https://rustup.rs)" >&2
        return 1
    fi
    local component
    for component in fmt clippy; do
        cargo "$component" --version > /dev/null 2>&1 && continue
        if ! type -P rustup > /dev/null; then
            echo "scripts/check: cargo $component is missing (hint: install it in the way in which cargo was installed)" >&2
            return 1
        fi
        echo "installing with rustup: ${component/fmt/rustfmt} (to check format and lints)"
        rustup component add "${component/fmt/rustfmt}"
    done
}
