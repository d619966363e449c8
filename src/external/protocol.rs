//! The questions to an outside source and its answers, as JSON. docs/external-users.md describes both.

use serde::Serialize;
use serde_json::{Map, Value};

use super::unique_fields::UniqueFields;
use crate::auth::external::{ExternalProof, ExternalQuestion};
use crate::domain::user::UserName;
use base::secret::Secret;
use base::visible;

/// The version of the protocol.
const VERSION: u64 = 1;
/// The longest text of an answer that a message repeats, in bytes.
const LONGEST_SHOWN: usize = 100;
/// The settings of users that only operators give, and why.
const NOT_FOR_SOURCES: [(&str, &str); 5] = [
    ("password_hash", "the source itself judges passwords"),
    ("keys", "the source itself judges keys"),
    ("keys_file", "the source itself judges keys"),
    ("principals", "certificates of such users are not accepted"),
    (
        "enabled",
        "homeportd user disable is the operator's word; answer {\"user\":null} to refuse",
    ),
];

/// Returns the names of the settings that an answer must not have.
pub(super) fn not_for_sources() -> [&'static str; NOT_FOR_SOURCES.len()] {
    NOT_FOR_SOURCES.map(|(setting, _)| setting)
}

#[derive(Serialize)]
struct QuestionJson<'a> {
    v: u64,
    user: &'a str,
    ip: String,
    proof: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// Returns the text of a question, which may contain a password.
pub(super) fn question(question: &ExternalQuestion) -> Result<Secret, String> {
    let (proof, password, key) = match &question.proof {
        ExternalProof::Password(password) => ("password", Some(password.reveal()), None),
        ExternalProof::Key(line) => ("publickey", None, Some(line.as_str())),
    };
    let json = QuestionJson {
        v: VERSION,
        user: question.user.as_str(),
        ip: question.peer.to_canonical().to_string(),
        proof,
        password,
        key,
    };
    serde_json::to_string(&json)
        .map(Secret::new)
        .map_err(|error| format!("the question cannot be written: {error}"))
}

/// Reads an answer about this user. Returns the settings of the user; `None` if the source refuses.
pub(super) fn answer(bytes: &[u8], name: &UserName) -> Result<Option<toml::Table>, String> {
    let read = serde_json::from_slice(bytes);
    let UniqueFields(value) = read.map_err(|error: serde_json::Error| match bytes.is_empty() {
        true => "it has answered nothing (hint: {\"user\":null} refuses)".to_owned(),
        false if error.is_data() => format!("its answer cannot be used: {error}"),
        false => format!("its answer is not JSON: {error}"),
    })?;
    let Value::Object(mut answer) = value else {
        return Err(
            r#"its answer is not a JSON object (hint: {"user":{"name":"…"}} or {"user":null})"#.to_owned(),
        );
    };
    if let Some(version) = answer.remove("v")
        && version.as_u64() != Some(VERSION)
    {
        return Err(format!("its answer has another version than {VERSION} (\"v\")"));
    }
    let user = answer.remove("user");
    if let Some(other) = answer.keys().next() {
        return Err(format!(
            "its answer has the unknown field \"{}\" (hint: the fields are \"v\" and \"user\")",
            shown(other)
        ));
    }
    match user {
        None => Err("its answer has no field \"user\"".to_owned()),
        Some(Value::Null) => Ok(None),
        Some(Value::Object(user)) => settings(user, name).map(Some),
        Some(_) => Err("\"user\" in its answer is neither an object nor null".to_owned()),
    }
}

/// Returns the settings of the user of an answer, which must be the one that was asked about.
fn settings(mut user: Map<String, Value>, name: &UserName) -> Result<toml::Table, String> {
    match user.remove("name") {
        Some(Value::String(other)) if other == name.as_str() => {}
        Some(Value::String(other)) => {
            return Err(format!(
                "its answer is about another user, \"{}\" (hint: names are the same only in the same case)",
                shown(&other)
            ));
        }
        _ => return Err("its answer does not say whose it is (hint: \"name\" in \"user\")".to_owned()),
    }
    for (setting, why) in NOT_FOR_SOURCES {
        if user.contains_key(setting) {
            return Err(format!(
                "\"{setting}\" in \"user\" is not for an outside source: {why}"
            ));
        }
    }
    table(user)
}

/// Returns the same as TOML, as which the settings of users are read. What is `null` is not set.
fn table(object: Map<String, Value>) -> Result<toml::Table, String> {
    let mut table = toml::Table::new();
    for (name, value) in object {
        if let Some(value) =
            toml_value(value).map_err(|why| format!("\"{}\" in its answer {why}", shown(&name)))?
        {
            table.insert(name, value);
        }
    }
    Ok(table)
}

fn toml_value(value: Value) -> Result<Option<toml::Value>, String> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(flag) => flag.into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => number.into(),
            // A number of bytes without a limit is "unlimited".
            (None, _) if number.is_u64() => return Err("is too large a number".to_owned()),
            (None, Some(number)) => number.into(),
            (None, None) => return Err("is not a number that can be used".to_owned()),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                list.extend(toml_value(item)?);
            }
            list.into()
        }
        Value::Object(object) => table(object)?.into(),
    }))
}

fn shown(text: &str) -> String {
    visible::sample(text.as_bytes(), LONGEST_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_what_the_page_says() {
        let check = |proof: ExternalProof, expected: &str| {
            let asked = ExternalQuestion {
                user: "alice".parse().unwrap(),
                peer: "::ffff:192.0.2.7".parse().unwrap(),
                proof,
            };
            assert_eq!(question(&asked).unwrap().reveal(), expected);
        };
        check(
            ExternalProof::Password(Secret::new("pä\"ss".to_owned())),
            r#"{"v":1,"user":"alice","ip":"192.0.2.7","proof":"password","password":"pä\"ss"}"#,
        );
        check(
            ExternalProof::Key("ssh-ed25519 AAAA".to_owned()),
            r#"{"v":1,"user":"alice","ip":"192.0.2.7","proof":"publickey","key":"ssh-ed25519 AAAA"}"#,
        );
    }

    #[test]
    fn only_answers_about_the_user_are_read() {
        let name: UserName = "alice".parse().unwrap();
        let refused = answer(br#"{"v":1,"user":null}"#, &name).unwrap();
        assert_eq!(refused, None);
        let text = br#"{"user":{"name":"alice","quota_bytes":5,"group":null,"permissions":{"/":"list"}}}"#;
        let expected = "quota_bytes = 5\n[permissions]\n\"/\" = \"list\""
            .parse::<toml::Table>()
            .unwrap();
        assert_eq!(answer(text, &name).unwrap(), Some(expected));
        let check = |text: &str, says: &str| {
            let error = answer(text.as_bytes(), &name).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        };
        check("", "answered nothing");
        check("yes", "is not JSON");
        check(r#"{"user":null}{"user":null}"#, "is not JSON");
        check(&"[".repeat(5000), "is not JSON");
        check(r#"{"user":null,"user":{"name":"alice"}}"#, "a field twice");
        check("null", "not a JSON object");
        check("{}", "no field \"user\"");
        check(r#"{"v":2,"user":null}"#, "another version");
        check(r#"{"user":null,"ok":true}"#, "unknown field \"ok\"");
        check(r#"{"user":"alice"}"#, "neither an object nor null");
        check(r#"{"user":{}}"#, "does not say whose");
        check(r#"{"user":{"name":7}}"#, "does not say whose");
        check(r#"{"user":{"name":"bob"}}"#, "another user, \"bob\"");
        check(r#"{"user":{"name":"Alice"}}"#, "another user, \"Alice\"");
        check(
            r#"{"user":{"name":"alice","keys":[]}}"#,
            "\"keys\" in \"user\" is not for",
        );
        check(r#"{"user":{"name":"alice","enabled":true}}"#, "user disable");
        check(
            r#"{"user":{"name":"alice","quota_bytes":18446744073709551615}}"#,
            "\"quota_bytes\" in its answer is too large",
        );
    }
}
