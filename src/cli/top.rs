//! `homeportd top`: a live view of the running server in the terminal.
//!
//! [`feed`] asks the server on a thread of its own, [`model`] computes rates and keeps what is selected, [`view`]
//! draws, and [`screen`] takes the terminal and gives it back.

mod feed;
mod model;
mod mounts;
mod screen;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use serde::Serialize;

use super::grammar::TopArgs;
use super::{output, work};
use crate::control::client::Client;
use crate::control::json::sessions::{SessionJson, StatusJson};
use base::error::{Error, Result};
use feed::{Feed, TopSample};
use model::{KeyEffect, TopModel};
use mounts::DeviceMounts;
use screen::{Input, Screen};

/// How long a key or a new sample may wait until it is shown.
const REACTION: Duration = Duration::from_millis(200);

/// One look at the server, as `top --json` prints it.
#[derive(Serialize)]
struct TopJson {
    status: StatusJson,
    sessions: Vec<SessionJson>,
}

/// Shows what the server does, until the user quits.
///
/// # Errors
/// Returns an error if no server is running, if there is no terminal, or if the terminal cannot be used.
pub fn run(args: &TopArgs, client: Client) -> Result<()> {
    let first = work::wait(TopSample::take(&client))??;
    if args.json {
        return output::print(&output::json(&TopJson {
            status: (&first.status).into(),
            sessions: first.sessions.iter().map(Into::into).collect(),
        })?);
    }
    if !(std::io::stdout().is_terminal() && std::io::stdin().is_terminal()) {
        return Err(Error::new("top needs a terminal").hint("top --json, or sessions list"));
    }
    let mut model = TopModel::new(first, DeviceMounts::read());
    let mut screen = Screen::open()?;
    let feed = Feed::start(client)?;
    let shown = show(&mut model, &mut screen, &feed);
    // The terminal is as before when an error is printed.
    drop(screen);
    shown
}

fn show(model: &mut TopModel, screen: &mut Screen, feed: &Feed) -> Result<()> {
    loop {
        screen.draw(model)?;
        let effect = match screen.wait(REACTION)? {
            Input::Key(key) => model.key(key),
            Input::Quit => KeyEffect::Quit,
            Input::Nothing => KeyEffect::None,
        };
        match effect {
            KeyEffect::None => {}
            KeyEffect::Quit => return Ok(()),
            KeyEffect::Kick(id) => feed.kick(id),
        }
        for event in feed.events() {
            model.take(event);
        }
    }
}
