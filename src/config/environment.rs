//! Settings from the environment, for containers: `HOMEPORT_SERVER_LISTEN` is `listen` in `[server]`, and
//! `HOMEPORT_AUTH_THROTTLE_FAILURES` is `failures` in `[auth.throttle]`.
//!
//! They take precedence over the file. A list is separated by commas; a variable without a value is ignored. The sample
//! configuration says which settings there are, and of which kind. Lists of tables come from the file alone.

use std::ffi::OsString;

use toml::{Table, Value};

use super::parse::parse;
use super::sample;
use super::settings::Config;
use base::error::{Error, Result};

/// The beginning of the names of all variables.
const PREFIX: &str = "HOMEPORT_";

/// Variables with this beginning that are not settings: the file's own path, and one that the client sets.
const NO_SETTINGS: [&str; 2] = ["HOMEPORT_CONFIG", "HOMEPORT_ASKPASS"];

/// The variables of an environment that begin with [`PREFIX`].
#[derive(Debug, Default)]
pub(super) struct Environment {
    settings: Vec<Assignment>,
    /// The names of those that are no settings, in alphabetical order.
    pub(super) unknown: Vec<String>,
}

/// A variable that sets a setting.
#[derive(Debug)]
struct Assignment {
    variable: String,
    /// The names of the section's parts and of the setting.
    path: Vec<String>,
    value: Value,
}

impl Environment {
    /// Reads these variables.
    ///
    /// # Errors
    /// Returns an error if the value of a setting is not UTF-8.
    pub(super) fn read(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut environment = Self::default();
        let known = known_settings();
        for (variable, value) in variables {
            let Some(variable) = variable.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            if NO_SETTINGS.contains(&variable) || value.is_empty() {
                continue;
            }
            let Some((path, example)) = known.iter().find(|(path, _)| variable_of(path) == variable) else {
                environment.unknown.push(variable.to_owned());
                continue;
            };
            let text = value
                .to_str()
                .ok_or_else(|| wrong(variable, "its value is not UTF-8"))?;
            environment.settings.push(Assignment {
                variable: variable.to_owned(),
                path: path.clone(),
                value: value_like(example, text),
            });
        }
        environment.unknown.sort();
        Ok(environment)
    }

    /// Returns the configuration of this text with the settings of the environment; the text alone must be valid.
    ///
    /// # Errors
    /// Returns an error that names each variable whose value is invalid, and why.
    pub(super) fn apply(&self, text: &str, config: Config) -> Result<Config> {
        if self.settings.is_empty() {
            return Ok(config);
        }
        let file: Table = toml::from_str(text).map_err(|error| unreadable(&error))?;
        let mut all = file.clone();
        self.settings
            .iter()
            .for_each(|assignment| assignment.put(&mut all));
        // One may be valid only together with another.
        let together = match configuration(&all) {
            Ok(config) => return Ok(config),
            Err(why) => why,
        };
        let problem = |assignment: &Assignment| {
            let mut alone = file.clone();
            assignment.put(&mut alone);
            let why = configuration(&alone).err()?;
            Some(wrong(&assignment.variable, &why).to_string())
        };
        let problems: Vec<String> = self.settings.iter().filter_map(problem).collect();
        match problems.is_empty() {
            true => Err(wrong("HOMEPORT_*", &together)),
            false => Err(Error::new(problems.join("\n"))),
        }
    }
}

impl Assignment {
    fn put(&self, table: &mut Table) {
        let Some((name, sections)) = self.path.split_last() else {
            return;
        };
        let mut table = table;
        for section in sections {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            // A valid file has a table here.
            let Value::Table(inner) = inner else { return };
            table = inner;
        }
        table.insert(name.clone(), self.value.clone());
    }
}

/// Parses a table as if it were a file. The error has everything that is wrong, without positions.
fn configuration(table: &Table) -> std::result::Result<Config, String> {
    let text = toml::to_string(table).map_err(|error| error.to_string())?;
    parse(&text).map_err(|problems| {
        let texts = problems.iter().map(|problem| match &problem.hint {
            Some(hint) => format!("{} (hint: {hint})", problem.what),
            None => problem.what.clone(),
        });
        texts.collect::<Vec<_>>().join(", ")
    })
}

fn wrong(variable: &str, why: &str) -> Error {
    Error::new(format!("in the environment: {variable}")).because(why)
}

fn unreadable(error: &toml::de::Error) -> Error {
    Error::new("cannot combine the configuration with the environment").because(error.message())
}

/// Returns the variable of a setting.
fn variable_of(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").to_uppercase())
}

/// Returns every plain setting with a value of its kind.
fn known_settings() -> Vec<(Vec<String>, Value)> {
    let shown = sample::TEXT.replace("#> ", "");
    // A test parses the sample.
    let sample: Table = toml::from_str(&shown).unwrap_or_default();
    let mut known = Vec::new();
    collect(&sample, &mut Vec::new(), &mut known);
    known
}

fn collect(table: &Table, path: &mut Vec<String>, known: &mut Vec<(Vec<String>, Value)>) {
    for (name, value) in table {
        path.push(name.clone());
        match value {
            Value::Table(inner) => collect(inner, path, known),
            Value::Array(items) if items.iter().any(Value::is_table) => {}
            plain => known.push((path.clone(), plain.clone())),
        }
        path.pop();
    }
}

/// Returns a text as a value of the same kind as the example. What does not fit stays a string, about which the parser
/// complains as it does in a file.
fn value_like(example: &Value, text: &str) -> Value {
    let string = || Value::String(text.to_owned());
    match example {
        Value::Integer(_) => text.parse().map_or_else(|_| string(), Value::Integer),
        Value::Boolean(_) => text.parse().map_or_else(|_| string(), Value::Boolean),
        Value::Array(examples) => {
            // A list without an example is one of strings.
            let like = |item: &str| match examples.first() {
                Some(example) => value_like(example, item),
                None => Value::String(item.to_owned()),
            };
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(like).collect())
        }
        Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_) => string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Environment::read(variables).unwrap()
    }

    fn applied(text: &str, variables: &[(&str, &str)]) -> Result<Config> {
        read(variables).apply(text, parse(text).unwrap())
    }

    #[test]
    fn variables_take_precedence_over_the_file() {
        let file = "[server]\ndrain_secs = 7\n[auth.throttle]\nfailures = 9\n[limits]\nhandles = 5\n";
        let config = applied(
            file,
            &[
                ("HOMEPORT_SERVER_LISTEN", "0.0.0.0:22, [::]:22"),
                ("HOMEPORT_SERVER_BANNER", "Hello, \"you\"\n"),
                ("HOMEPORT_SERVER_SANDBOX", "false"),
                ("HOMEPORT_SERVER_PROXY_FROM", "10.0.0.5"),
                ("HOMEPORT_AUTH_THROTTLE_FAILURES", "3"),
                ("HOMEPORT_LIMITS_HANDLES", ""),
                ("HOMEPORT_QUOTA_DEFAULT_BYTES", "10GiB"),
                ("HOMEPORT_QUOTA_DEFAULT_FILES", "100"),
                ("HOMEPORT_QUOTA_WARN_AT", "50, 90"),
                ("HOMEPORT_LOG_AUDIT", "/var/log/a"),
                ("HOMEPORT_CONFIG", "/etc/homeport/homeportd.toml"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        let expected = "[server]\ndrain_secs = 7\nlisten = [\"0.0.0.0:22\", \"[::]:22\"]\nsandbox = false\n\
                        banner = \"Hello, \\\"you\\\"\\n\"\nproxy_from = [\"10.0.0.5\"]\n\
                        [auth.throttle]\nfailures = 3\n[limits]\nhandles = 5\n[log]\naudit = \"/var/log/a\"\n\
                        [quota]\ndefault_bytes = \"10GiB\"\ndefault_files = 100\nwarn_at = [50, 90]\n";
        assert_eq!(config, parse(expected).unwrap());
        assert_eq!(applied(file, &[]).unwrap(), parse(file).unwrap());
    }

    #[test]
    fn every_plain_setting_has_a_variable_of_its_own() {
        let known = known_settings();
        let mut variables: Vec<String> = known.iter().map(|(path, _)| variable_of(path)).collect();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), known.len());
        assert!(known.len() > 35, "{variables:?}");
    }

    #[test]
    fn what_is_wrong_names_the_variable() {
        let check = |variable: &str, value: &str, expected: &str| {
            let error = applied("", &[(variable, value)]).unwrap_err().to_string();
            assert_eq!(error, format!("in the environment: {variable}: {expected}"));
        };
        check(
            "HOMEPORT_LIMITS_CHANNELS",
            "0",
            "\"channels\" in [limits] must be at least 1",
        );
        check(
            "HOMEPORT_LIMITS_CHANNELS",
            "many",
            "\"channels\" in [limits] must be a whole number, 0 or more, not the string \"many\"",
        );
        check(
            "HOMEPORT_SERVER_SANDBOX",
            "no",
            "\"sandbox\" in [server] must be true or false, not the string \"no\"",
        );
        check(
            "HOMEPORT_QUOTA_WARN_AT",
            "80,most",
            "\"warn_at\" in [quota] must be a whole number, not the string \"most\"",
        );
        check(
            "HOMEPORT_SERVER_LISTEN",
            "22",
            "\"listen\" in [server] holds something that is not an address (hint: an IP address and a port: \
             \"0.0.0.0:22\" or \"[::]:22\")",
        );
        let both = [
            ("HOMEPORT_SERVER_DRAIN_SECS", "100000"),
            ("HOMEPORT_LOG_LEVEL", "loud"),
        ];
        let error = applied("", &both).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 2, "{error}");
    }

    #[test]
    fn a_variable_may_need_another_one() {
        let listen = ("HOMEPORT_METRICS_LISTEN", "0.0.0.0:9822");
        let error = applied("", &[listen]).unwrap_err().to_string();
        assert!(
            error.starts_with("in the environment: HOMEPORT_METRICS_LISTEN: "),
            "{error}"
        );
        let config = applied("", &[listen, ("HOMEPORT_METRICS_ALLOW", "10.0.0.0/8")]).unwrap();
        assert_eq!(config.metrics.allow.len(), 1);
    }

    #[test]
    fn variables_that_are_no_settings_are_listed_once() {
        let environment = read(&[
            ("HOMEPORT_SERVICE_HOST", "10.0.0.1"),
            ("HOMEPORT_PORT", "tcp://10.0.0.1:22"),
            ("HOMEPORT_STORAGE", "x"),
            ("HOMEPORTD", "x"),
        ]);
        let expected = ["HOMEPORT_PORT", "HOMEPORT_SERVICE_HOST", "HOMEPORT_STORAGE"];
        assert_eq!(environment.unknown, expected);
    }
}
