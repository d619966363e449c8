//! What operators change, as the control socket transmits it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::event::{AdminAct, AdminRecord, Operator, Setting, SettingValue};
use crate::domain::user::UserName;

/// What an operator has changed, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AdminJson {
    uid: u32,
    sudo_user: Option<String>,
    #[serde(default)]
    web_user: Option<String>,
    what: String,
    name: String,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl From<AdminRecord> for AdminJson {
    fn from(record: AdminRecord) -> Self {
        let AdminRecord { by, act } = record;
        Self {
            uid: by.uid,
            sudo_user: by.sudo_user,
            web_user: by.web_user.map(|name| name.to_string()),
            what: act.what,
            name: act.name,
            before: to_json(act.before),
            after: to_json(act.after),
        }
    }
}

impl From<AdminJson> for AdminRecord {
    fn from(json: AdminJson) -> Self {
        Self {
            by: Operator {
                uid: json.uid,
                sudo_user: json.sudo_user,
                web_user: json.web_user.and_then(|name| UserName::stored(&name).ok()),
            },
            act: AdminAct {
                what: json.what,
                name: json.name,
                before: from_json(json.before),
                after: from_json(json.after),
            },
        }
    }
}

fn to_json(settings: Vec<Setting>) -> Map<String, Value> {
    let value = |value: SettingValue| match value {
        SettingValue::Nothing => Value::Null,
        SettingValue::Flag(flag) => flag.into(),
        SettingValue::Number(number) => number.into(),
        SettingValue::Text(text) => text.into(),
        SettingValue::List(texts) => texts.into(),
    };
    let settings = settings.into_iter();
    settings
        .map(|setting| (setting.name, value(setting.value)))
        .collect()
}

fn from_json(settings: Map<String, Value>) -> Vec<Setting> {
    let setting = |(name, value): (String, Value)| Setting {
        name,
        value: value_from(value),
    };
    settings.into_iter().map(setting).collect()
}

/// Returns the value of a setting. What the server does not know is kept as text.
fn value_from(value: Value) -> SettingValue {
    match value {
        Value::Null => SettingValue::Nothing,
        Value::Bool(flag) => SettingValue::Flag(flag),
        Value::Number(number) => match number.as_u64() {
            Some(number) => SettingValue::Number(number),
            None => SettingValue::Text(number.to_string()),
        },
        Value::String(text) => SettingValue::Text(text),
        Value::Array(values) => {
            let text = |value: Value| match value {
                Value::String(text) => text,
                value => value.to_string(),
            };
            SettingValue::List(values.into_iter().map(text).collect())
        }
        value @ Value::Object(_) => SettingValue::Text(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives() {
        let setting = |name: &str, value| Setting {
            name: name.to_owned(),
            value,
        };
        let record = AdminRecord {
            by: Operator {
                uid: 1000,
                sudo_user: Some("hobbes".to_owned()),
                web_user: Some("susie".parse().unwrap()),
            },
            act: AdminAct {
                what: "user set".to_owned(),
                name: "calvin".to_owned(),
                before: vec![setting("enabled", SettingValue::Flag(true))],
                after: vec![
                    setting("a", SettingValue::Nothing),
                    setting("b", SettingValue::Number(u64::MAX)),
                    setting("c", SettingValue::Text("x\n".to_owned())),
                    setting("d", SettingValue::List(vec!["y".to_owned()])),
                ],
            },
        };
        let text = serde_json::to_string(&AdminJson::from(record.clone())).unwrap();
        let json: AdminJson = serde_json::from_str(&text).unwrap();
        assert_eq!(AdminRecord::from(json), record);
    }
}
