//! `homeportd sessions …`

use super::grammar::SessionsCommand;
use super::output::{self, counted};
use super::progress::progress;
use crate::control::json::sessions::SessionJson;
use crate::ops::running::{DisconnectTarget, RunningServer, SessionView};
use crate::ops::sessions::{disconnect, list};
use crate::shapes::json::DisconnectedJson;
use base::error::{Error, Result};
use base::size::Size;
use base::visible::for_terminal;

/// Asks the running server; returns the text to print.
///
/// # Errors
/// Returns an error if no server is running, or if there is no such session.
pub async fn run(command: SessionsCommand, server: &dyn RunningServer) -> Result<String> {
    match command {
        SessionsCommand::List { json } => {
            let sessions = list(server).await?;
            if json {
                let sessions: Vec<SessionJson> = sessions.iter().map(Into::into).collect();
                output::json_array(&sessions)
            } else {
                Ok(table(&sessions))
            }
        }
        SessionsCommand::Kick { id, user, json } => {
            let target = match (id, user) {
                (Some(id), _) => DisconnectTarget::Session(id),
                (None, Some(user)) => DisconnectTarget::User(user),
                (None, None) => return Err(Error::new("neither a session nor a user is named")),
            };
            let ended = disconnect(target, server).await?;
            match json {
                true => output::json(&DisconnectedJson {
                    sessions_ended: ended,
                }),
                false => Ok(format!("disconnected {}\n", counted(ended, "session"))),
            }
        }
    }
}

/// Returns what a session does, in a few words.
fn doing(session: &SessionView) -> String {
    let Some(busiest) = session.work.first() else {
        return "-".to_owned();
    };
    let more = match session.open_files.saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} {}, {}{more}",
        busiest.kind,
        for_terminal(&busiest.path),
        progress(busiest)
    )
}

fn table(sessions: &[SessionView]) -> String {
    let mut rows = vec![
        [
            "ID", "USER", "FROM", "SINCE", "CHANNELS", "IN", "OUT", "CLIENT", "DOING",
        ]
        .map(str::to_owned),
    ];
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |b| Size(b).to_string());
    for session in sessions {
        rows.push([
            session.id.to_string(),
            session.user.to_string(),
            session.peer.to_string(),
            output::time(session.since),
            session.channels.to_string(),
            size(session.bytes_in),
            size(session.bytes_out),
            // The client chooses this text.
            for_terminal(&session.client),
            doing(session),
        ]);
    }
    output::columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::grammar::SessionsCommand::{Kick, List};
    use crate::cli::work::wait;
    use crate::control::client::Client;
    use crate::control::tests::with_server;

    #[tokio::test]
    async fn questions_are_answered() {
        let ((), disconnected) = with_server(|path, _| {
            let server = Client::new(path.to_owned());
            let run = |command| wait(run(command, &server)).unwrap();
            let text = run(List { json: false }).unwrap();
            assert_eq!(text.lines().count(), 3);
            assert!(text.contains("SSH-2.0-\\u{1b}[2J"), "{text}");
            let doing = "reading /\\u{1b}[2J\\xE9, 50% of 1.0 KiB and 8 more\n";
            assert!(text.contains(doing), "{text}");
            let mut sessions = wait(list(&server)).unwrap().unwrap();
            sessions[0].since = "2026-01-02T03:04:05.678901234Z".parse().unwrap();
            assert!(table(&sessions).contains("  2026-01-02T03:04:05Z  "), "{}", table(&sessions));
            let json: serde_json::Value = serde_json::from_str(&run(List { json: true }).unwrap()).unwrap();
            assert_eq!(json[1]["id"], 2);
            assert_eq!(json[0]["bytes_out"], serde_json::Value::Null);
            assert_eq!(
                json[0],
                serde_json::json!({
                    "v": 1, "id": 1, "user": "calvin", "peer": "[::1]:5", "client": "SSH-2.0-\u{1b}[2J",
                    "protocol": "ssh", "since": "2026-01-02T03:04:05Z", "channels": 1, "bytes_in": 7, "bytes_out": null,
                    "used_bytes": 7, "quota_bytes": null,
                    "folders": [{"name": "team", "used_bytes": 8, "quota_bytes": 9}], "open_files": 9,
                    "files": [{
                        "doing": "reading", "path": "/\u{1b}[2J\\xE9", "bytes": 5, "position": 512, "size": 1024,
                        "seconds": 1.5,
                    }],
                })
            );
            let calvin = Some("calvin".parse().unwrap());
            assert_eq!(
                run(Kick {
                    id: None,
                    user: calvin,
                    json: false,
                })
                .unwrap(),
                "disconnected 1 session\n"
            );
            let error = run(Kick {
                id: Some(99),
                user: None,
                json: true,
            })
            .unwrap_err()
            .to_string();
            assert_eq!(error, "there is no session 99 (hint: homeportd sessions list)");
        })
        .await;
        let calvin = "calvin".parse().unwrap();
        assert_eq!(disconnected, [DisconnectTarget::User(calvin)]);
    }
}
