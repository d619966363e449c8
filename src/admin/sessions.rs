//! `homeportd sessions …`

use std::path::Path;

use super::cli::SessionsCommand;
use super::show;
use crate::control::{Answer, Kick, Request, SessionInfo, ask, unexpected};
use crate::telemetry::escape::for_terminal;
use base::error::{Error, Result};
use base::size::Size;

/// Asks the running server; returns what to print.
///
/// # Errors
/// When none is running, or nobody was there to disconnect.
pub fn run(command: SessionsCommand, socket: &Path) -> Result<String> {
    match command {
        SessionsCommand::List { json } => {
            let Answer::Sessions(sessions) = ask(socket, &Request::Sessions)? else {
                return Err(unexpected());
            };
            if json {
                show::json(&sessions)
            } else {
                Ok(table(&sessions))
            }
        }
        SessionsCommand::Kick { id, user } => {
            let (target, who) = match (id, user) {
                (Some(id), _) => (Kick::Session(id), format!("session {id}")),
                (None, Some(user)) => (Kick::User(user.to_string()), format!("session of {user}")),
                (None, None) => return Err(Error::new("neither a session nor a user is named")),
            };
            let Answer::Kicked(count) = ask(socket, &Request::Kick(target))? else {
                return Err(unexpected());
            };
            match count {
                0 => Err(Error::new(format!("there is no {who}"))
                    .hint("homeportd sessions list")
                    .not_found()),
                1 => Ok("disconnected 1 session\n".to_owned()),
                n => Ok(format!("disconnected {n} sessions\n")),
            }
        }
    }
}

fn table(sessions: &[SessionInfo]) -> String {
    let mut rows =
        vec![["ID", "USER", "FROM", "SINCE", "CHANNELS", "IN", "OUT", "CLIENT"].map(str::to_owned)];
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |b| Size(b).to_string());
    for session in sessions {
        rows.push([
            session.id.to_string(),
            session.user.clone(),
            session.peer.clone(),
            session.since.clone(),
            session.channels.to_string(),
            size(session.bytes_in),
            size(session.bytes_out),
            // A client calls itself what it likes.
            for_terminal(&session.client),
        ]);
    }
    show::columns(&rows)
}
