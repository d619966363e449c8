//! What a command that has changed users does last: it tells the running server, waits until the change is in force
//! there, and says what has come of it.

use std::path::Path;

use serde::Serialize;

use super::show;
use crate::control::{Answer, Applied, Request, ask_if_running, unexpected};
use crate::domain::user::UserName;
use base::error::{Error, Result};

/// A change of a user's record that is in the store.
#[derive(Debug)]
pub struct Stored {
    /// The user whose record was changed.
    pub user: UserName,
    /// The name that the user had before, if it was another one.
    pub old_name: Option<UserName>,
    /// What was done, as a clause; `None`: all was so already, and nothing was done.
    pub done: Option<String>,
    /// What else there is to say.
    pub note: Option<String>,
}

impl Stored {
    /// A change of this user's record.
    pub fn done(user: &UserName, done: impl Into<String>) -> Self {
        Self {
            done: Some(done.into()),
            ..Self::unchanged(user)
        }
    }

    /// All that was asked for was so already.
    pub fn unchanged(user: &UserName) -> Self {
        Self {
            user: user.clone(),
            old_name: None,
            done: None,
            note: None,
        }
    }

    /// A change if `changed`, else nothing.
    pub fn done_if(changed: bool, user: &UserName, done: impl Into<String>) -> Self {
        match changed {
            true => Self::done(user, done),
            false => Self::unchanged(user),
        }
    }

    /// With something else to say.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }

    /// Waits until the running server, if there is one, has taken the change in. Also where nothing was changed: the
    /// server may not have heard of an earlier change.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub fn announce(self, socket: &Path) -> Result<Announced> {
        let users = [Some(&self.user), self.old_name.as_ref()].into_iter().flatten();
        let request = Request::Changed {
            users: users.map(ToString::to_string).collect(),
        };
        let applied = match ask_if_running(socket, &request) {
            Ok(None) => None,
            Ok(Some(Answer::Applied(applied))) => Some(applied),
            Ok(Some(_)) => return Err(self.unconfirmed(unexpected())),
            Err(error) => return Err(self.unconfirmed(error)),
        };
        Ok(Announced {
            stored: self,
            applied,
        })
    }

    fn unconfirmed(&self, error: Error) -> Error {
        let what = match self.done {
            Some(_) => "the change is stored, and the server has not confirmed it",
            None => "nothing was to be changed in the store, and the server has not confirmed it",
        };
        Error::new(what).because(error)
    }
}

/// A change that is in force.
#[derive(Debug)]
pub struct Announced {
    stored: Stored,
    /// `None`: no server is running.
    applied: Option<Applied>,
}

/// A change as `--json` shows it. The names and meanings of fields are stable; fields may be added.
#[derive(Debug, Serialize)]
struct View<'a> {
    v: u32,
    user: &'a str,
    changed: bool,
    /// Is a server running, and has it taken the change in?
    confirmed: bool,
    sessions_ended: usize,
    /// Ended sessions, and homes with another quota, for which a call that had begun is still under way: their disk
    /// hangs. The change holds all the same, since no further call begins, so the exit code is 0.
    still_busy: usize,
}

impl Announced {
    /// Is there a call of an ended session, or one that an earlier quota has allowed, that waits for a disk which hangs?
    pub fn is_busy(&self) -> bool {
        self.applied.is_some_and(|applied| applied.still_busy > 0)
    }

    /// What to print.
    ///
    /// # Errors
    /// When the JSON cannot be written.
    pub fn text(&self, json: bool) -> Result<String> {
        let Stored { user, done, note, .. } = &self.stored;
        let Applied {
            sessions_ended,
            still_busy,
        } = self.applied.unwrap_or_default();
        if json {
            return show::json(&View {
                v: 1,
                user: user.as_str(),
                changed: done.is_some(),
                confirmed: self.applied.is_some(),
                sessions_ended,
                still_busy,
            });
        }
        let mut text = match done {
            Some(done) => done.clone(),
            None => format!("unchanged: {user}"),
        };
        if self.applied.is_some() && (done.is_some() || sessions_ended > 0) {
            let plural = if sessions_ended == 1 { "" } else { "s" };
            text.push_str(&format!("; {sessions_ended} session{plural} ended"));
        }
        text.push('\n');
        if let Some(note) = note {
            text.push_str(&format!("{note}\n"));
        }
        if still_busy > 0 {
            text.push_str(&format!(
                "for {still_busy} of these sessions and homes a call that had begun still waits for a disk that does not answer, and may still be carried out; no further one begins\n"
            ));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_of_a_change_is_said_in_words_and_in_json() {
        let name: UserName = "calvin".parse().unwrap();
        let check = |stored: Stored, applied: Option<(usize, usize)>, text: &str, json: serde_json::Value| {
            let applied = applied.map(|(sessions_ended, still_busy)| Applied {
                sessions_ended,
                still_busy,
            });
            let announced = Announced { stored, applied };
            assert_eq!(announced.text(false).unwrap(), text);
            let shown: serde_json::Value = serde_json::from_str(&announced.text(true).unwrap()).unwrap();
            assert_eq!(shown, json);
        };
        let json = |changed: bool, confirmed: bool, ended: usize, busy: usize| {
            serde_json::json!({
                "v": 1, "user": "calvin", "changed": changed, "confirmed": confirmed,
                "sessions_ended": ended, "still_busy": busy,
            })
        };
        let done = || Stored::done(&name, "changed calvin");
        check(done(), None, "changed calvin\n", json(true, false, 0, 0));
        check(
            done(),
            Some((0, 0)),
            "changed calvin; 0 sessions ended\n",
            json(true, true, 0, 0),
        );
        let text = "changed calvin; 1 session ended\nthe files stay\n";
        check(
            done().note("the files stay"),
            Some((1, 0)),
            text,
            json(true, true, 1, 0),
        );
        let same = || Stored::unchanged(&name);
        check(same(), None, "unchanged: calvin\n", json(false, false, 0, 0));
        check(
            same(),
            Some((0, 0)),
            "unchanged: calvin\n",
            json(false, true, 0, 0),
        );
        check(
            same(),
            Some((2, 0)),
            "unchanged: calvin; 2 sessions ended\n",
            json(false, true, 2, 0),
        );
        let announced = Announced {
            stored: done(),
            applied: Some(Applied {
                sessions_ended: 3,
                still_busy: 1,
            }),
        };
        let text = announced.text(false).unwrap();
        assert!(text.contains("; 3 sessions ended\nfor 1 of these"), "{text}");
        assert!(announced.is_busy());
    }

    #[test]
    fn without_a_server_there_is_nobody_to_wait_for() {
        let dir = tempfile::tempdir().unwrap();
        let name: UserName = "calvin".parse().unwrap();
        let announced = Stored::done(&name, "changed calvin").announce(&dir.path().join("control.sock"));
        assert!(announced.unwrap().applied.is_none());
    }
}
