//! `homeportd token …`

use jiff::Timestamp;

use super::grammar::TokenCommand;
use super::work::{IfMissing, with_store};
use super::{output, users};
use crate::config::Config;
use crate::domain::token::TokenScope;
use crate::ops::context::OpsContext;
use crate::ops::tokens::{self, AddedToken, TokenView};
use crate::shapes::json::TokenJson;
use base::error::Result;

/// Runs the command, and prints the result.
///
/// # Errors
/// Returns an error if the store or the rules refuse.
pub fn run(command: TokenCommand, config: &Config) -> Result<()> {
    let text = with_store(config, IfMissing::Fail, async |context| {
        execute(command, context).await
    })?;
    output::print(&text)
}

/// Executes the command; returns the text to print.
pub(super) async fn execute(command: TokenCommand, context: &OpsContext<'_>) -> Result<String> {
    match command {
        TokenCommand::Add(args) => {
            let json = args.json;
            let added = tokens::add(args.token(), context).await?;
            match json {
                true => output::json(&TokenJson::from(&added)),
                false => Ok(text(&added)),
            }
        }
        TokenCommand::List { user, json } => {
            let views = tokens::list(user.as_ref(), context).await?;
            match json {
                true => output::json_array(&views.iter().map(TokenJson::from).collect::<Vec<_>>()),
                false => Ok(table(&views)),
            }
        }
        TokenCommand::Remove { user, id, output } => {
            users::report(&tokens::remove(&user, id, context).await?, &output)
        }
    }
}

/// Formats a new token, which is the last line.
fn text(added: &AddedToken) -> String {
    let view = &added.view;
    let may = match view.scope {
        TokenScope::Files => format!("the files of {}", view.user),
        TokenScope::Admin => format!("the administration of the server and the files of {}", view.user),
    };
    let until = view
        .expires_at
        .map_or_else(String::new, |end| format!(", until {}", output::time(end)));
    format!(
        "added token {} of {}, for {may}{until}; it is not shown again:\n{}\n",
        view.id,
        view.user,
        added.token.reveal()
    )
}

/// Formats a table of tokens, with a line for each.
fn table(views: &[TokenView]) -> String {
    let header = ["USER", "ID", "SCOPE", "ADDED", "EXPIRES", "LAST USED", "COMMENT"];
    let mut rows = vec![header.map(str::to_owned)];
    let or =
        |time: Option<Timestamp>, otherwise: &str| time.map_or_else(|| otherwise.to_owned(), output::time);
    for view in views {
        rows.push([
            view.user.to_string(),
            view.id.to_string(),
            view.scope.name().to_owned(),
            output::time(view.created_at),
            or(view.expires_at, "never"),
            or(view.last_used_at, "not yet"),
            view.comment.clone(),
        ]);
    }
    output::columns(&rows)
}
