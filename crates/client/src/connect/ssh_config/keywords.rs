//! The keywords of an ssh_config that are not obeyed here: which of them do not concern SFTP, and which of them only ssh
//! itself can obey.

/// Keywords that do not concern a client for SFTP, in lower case: terminals, forwarding, the log of ssh, and details of
/// mechanisms that are not used.
const IRRELEVANT: &[&str] = &[
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizemaxdots",
    "canonicalizepermittedcnames",
    "channeltimeout",
    "checkhostip",
    "clearallforwardings",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapiclientidentity",
    "gssapidelegatecredentials",
    "gssapikexalgorithms",
    "gssapikeyexchange",
    "gssapirenewalforcesrekey",
    "gssapiserveridentity",
    "gssapitrustdns",
    "hostbasedacceptedalgorithms",
    "hostbasedkeytypes",
    "ignoreunknown",
    "ipqos",
    "localcommand",
    "localforward",
    "loglevel",
    "logverbose",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "permitremoteopen",
    "protocol",
    "proxyusefdpass",
    "remotecommand",
    "remoteforward",
    "requesttty",
    "sendenv",
    "sessiontype",
    "setenv",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "syslogfacility",
    "tcpkeepalive",
    "tunnel",
    "tunneldevice",
    "updatehostkeys",
    "usekeychain",
    "visualhostkey",
    "warnweakcrypto",
    "xauthlocation",
];

/// Whether the value of a keyword has some meaning.
type ValueTest = fn(&str) -> bool;

/// Keywords that only ssh itself can obey: their names, and whether a value asks for nothing.
const ONLY_SSH: &[(&str, ValueTest)] = &[
    ("BindInterface", is_none),
    ("CanonicalizeHostname", is_no),
    ("GSSAPIAuthentication", is_no),
    ("HostbasedAuthentication", is_no),
    ("KnownHostsCommand", is_none),
    ("PKCS11Provider", is_none),
    ("ProxyCommand", is_none),
    ("RevokedHostKeys", is_none),
    ("SecurityKeyProvider", is_internal),
    ("SmartcardDevice", is_none),
    ("VerifyHostKeyDNS", is_no),
];

/// Keywords whose usual value changes nothing: their names, and whether a value is that one.
const USUAL: &[(&str, ValueTest)] = &[
    ("NoHostAuthenticationForLocalhost", is_no),
    ("RekeyLimit", |value| value.eq_ignore_ascii_case("default")),
    ("RequiredRSASize", |value| value == "1024"),
];

/// Keywords that only change speed or comfort: their names, and whether a value asks for nothing. Connections that ssh
/// shares (ControlMaster) save a sign-in, and this client keeps one connection itself.
const COMFORT: &[(&str, ValueTest)] = &[
    ("AddKeysToAgent", is_no),
    ("Compression", is_no),
    ("ControlMaster", is_no),
    ("ControlPath", is_none),
];

/// What a keyword means that is not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeywordEffect {
    /// It changes nothing for SFTP.
    Irrelevant,
    /// Only ssh itself can obey it. Holds its name as in the manual.
    OnlySsh(&'static str),
    /// It would only change speed or comfort, and is not obeyed. `-v` says so.
    Comfort,
    /// It would change something else, and is not obeyed. The user is told.
    NotObeyed,
}

/// What a keyword (in lower case) with this first argument means that is not obeyed.
pub(super) fn effect_of(keyword: &str, value: &str) -> KeywordEffect {
    let named = |(name, _): &&(&'static str, fn(&str) -> bool)| name.eq_ignore_ascii_case(keyword);
    if IRRELEVANT.contains(&keyword) {
        return KeywordEffect::Irrelevant;
    }
    if let Some((name, asks_for_nothing)) = ONLY_SSH.iter().find(named) {
        return match asks_for_nothing(value) {
            true => KeywordEffect::Irrelevant,
            false => KeywordEffect::OnlySsh(name),
        };
    }
    if let Some((_, asks_for_nothing)) = COMFORT.iter().find(named) {
        return match asks_for_nothing(value) {
            true => KeywordEffect::Irrelevant,
            false => KeywordEffect::Comfort,
        };
    }
    match USUAL.iter().find(named) {
        Some((_, is_usual)) if is_usual(value) => KeywordEffect::Irrelevant,
        _ => KeywordEffect::NotObeyed,
    }
}

/// Whether a value is `none`.
pub(super) fn is_none(value: &str) -> bool {
    value.eq_ignore_ascii_case("none")
}

fn is_no(value: &str) -> bool {
    ["no", "false"].iter().any(|no| value.eq_ignore_ascii_case(no))
}

fn is_internal(value: &str) -> bool {
    value.eq_ignore_ascii_case("internal") || is_none(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_that_are_not_obeyed() {
        use KeywordEffect::{Comfort, Irrelevant, NotObeyed, OnlySsh};
        for (keyword, value, expected) in [
            ("forwardx11", "yes", Irrelevant),
            ("proxycommand", "nc %h %p", OnlySsh("ProxyCommand")),
            ("proxycommand", "none", Irrelevant),
            ("controlmaster", "auto", Comfort),
            ("controlpath", "~/.ssh/%C", Comfort),
            ("controlpath", "none", Irrelevant),
            ("addkeystoagent", "yes", Comfort),
            ("controlmaster", "no", Irrelevant),
            ("securitykeyprovider", "internal", Irrelevant),
            ("compression", "no", Irrelevant),
            ("compression", "yes", Comfort),
            ("rekeylimit", "1G", NotObeyed),
            ("somethingnew", "a", NotObeyed),
        ] {
            assert_eq!(effect_of(keyword, value), expected, "{keyword} {value}");
        }
        assert!(IRRELEVANT.is_sorted(), "the list is in order");
    }
}
