//! `homeportd reload`

use super::output;
use crate::config::Config;
use crate::control::json::ReloadJson;
use crate::ops::running::{ChangedFile, ReloadView, RunningServer};
use base::error::Result;
use base::visible::for_terminal;

/// Asks the running server to read its configuration again; returns the text to print.
///
/// # Errors
/// Returns an error if no server is running, or if the server refuses the configuration.
pub async fn run(config: &Config, server: &dyn RunningServer, json: bool) -> Result<String> {
    let reloaded = server.reload().await?;
    match json {
        true => output::json(&ReloadJson::from(reloaded)),
        false => Ok(text(&config.file.display().to_string(), &reloaded)),
    }
}

fn text(file: &str, reloaded: &ReloadView) -> String {
    let ReloadView {
        applied,
        waiting_for_restart,
        files,
        sessions_ended,
    } = reloaded;
    let mut text = format!("the server has read \"{file}\" again\n");
    if !applied.is_empty() {
        text.push_str(&format!(
            "new connections use changes in {}\n",
            applied.join(", ")
        ));
    }
    for ChangedFile { setting, path } in files {
        let path = for_terminal(&path.to_string_lossy());
        text.push_str(&format!(
            "the content of \"{path}\" has changed ({setting}), and is in force\n"
        ));
    }
    if *sessions_ended > 0 || !files.is_empty() {
        text.push_str(&format!(
            "{} ended\n",
            output::counted(*sessions_ended, "session")
        ));
    }
    if !waiting_for_restart.is_empty() {
        text.push_str(&format!(
            "changes in {} need a restart\n",
            waiting_for_restart.join(", ")
        ));
    }
    if applied.is_empty() && waiting_for_restart.is_empty() && files.is_empty() {
        text.push_str("no setting has changed, nor a file that one names; log files were opened again\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::work::wait;
    use crate::control::client::Client;
    use crate::control::tests::with_server;

    #[tokio::test]
    async fn the_answer_of_the_server_is_printed() {
        let ((), _) = with_server(|path, _| {
            let server = Client::new(path.to_owned());
            let config = Config::default();
            let print = |json| wait(run(&config, &server, json)).unwrap().unwrap();
            assert_eq!(
                print(false),
                "the server has read \"\" again\nnew connections use changes in [limits]\n\
                 the content of \"/etc/homeport/revoked\\u{1b}\" has changed ([auth] revoked_keys), and is in force\n\
                 1 session ended\nchanges in [server], [quota] need a restart\n"
            );
            let json: serde_json::Value = serde_json::from_str(&print(true)).unwrap();
            let expected = serde_json::json!({
                "v": 1, "applied": ["[limits]"], "waiting_for_restart": ["[server]", "[quota]"],
                "files": [{"setting": "[auth] revoked_keys", "path": "/etc/homeport/revoked\u{1b}"}],
                "sessions_ended": 1,
            });
            assert_eq!(json, expected);
        })
        .await;
    }

    #[test]
    fn that_nothing_has_changed_is_said() {
        let text = text("c.toml", &ReloadView::default());
        assert!(
            text.ends_with(
                "no setting has changed, nor a file that one names; log files were opened again\n"
            ),
            "{text}"
        );
    }
}
