//! A server with two sessions, for the tests of the control socket.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::measure::Sum;
use crate::domain::event::{AdminRecord, Operator, Protocol};
use crate::domain::user::{Limit, UserName};
use crate::io::FilesystemState;
use crate::ops::admin::operator_of_process;
use crate::ops::hooks::{HookAction, HookEntryState, HookEntryView, HookSelection};
use crate::ops::running::{
    ChangedFile, DisconnectTarget, Effect, FolderFilling, HomeFilling, PlaceSpace, ReloadView, RunningServer,
    ServerResult, SessionView, StatusView, WorkView,
};
use crate::ops::usage::{AccountHolder, HomeUsage, Remeasurement};
use base::error::Error;

/// A server with two sessions.
#[derive(Default)]
pub(super) struct TwoSessions {
    pub(super) disconnected: Mutex<Vec<DisconnectTarget>>,
    pub(super) turn: Arc<tokio::sync::Notify>,
}

fn usage(name: &str, bytes: u64) -> HomeUsage {
    let mut user = crate::domain::user::User::blank(name.parse().unwrap());
    user.home = "/homes/calvin".into();
    user.settings.quota_bytes = Some(Limit(Some(8)));
    HomeUsage::measured(
        &user,
        &Sum {
            bytes,
            files: 1,
            ..Sum::default()
        },
    )
}

#[async_trait::async_trait]
impl RunningServer for TwoSessions {
    async fn sessions(&self, after: u64) -> ServerResult<Vec<SessionView>> {
        let info = |id| SessionView {
            id,
            user: "calvin".parse().unwrap(),
            share: (id == 2).then_some(12),
            peer: "[::1]:5".parse().unwrap(),
            client: "SSH-2.0-\u{1b}[2J".into(),
            protocol: Protocol::Ssh,
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            channels: 1,
            bytes_in: Some(7),
            bytes_out: None,
            home: Some(HomeFilling {
                used_bytes: 7,
                quota_bytes: None,
            }),
            folders: vec![FolderFilling {
                name: "team".parse().unwrap(),
                filling: HomeFilling {
                    used_bytes: 8,
                    quota_bytes: Some(9),
                },
            }],
            open_files: 9,
            work: vec![WorkView {
                kind: "reading".to_owned(),
                path: "/\u{1b}[2J\\xE9".to_owned(),
                bytes: 5,
                position: 512,
                size: Some(1024),
                duration: Duration::from_millis(1500),
            }],
        };
        // Each page has one session.
        Ok((1..=2).filter(|id| *id > after).take(1).map(info).collect())
    }
    async fn status(&self) -> ServerResult<StatusView> {
        Ok(StatusView {
            version: "0.1.0".to_owned(),
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            is_stopping: false,
            sessions: 2,
            unauthenticated: 1,
            bytes_up: 1,
            bytes_down: 2,
            file_systems: vec![FilesystemState {
                device: 2049,
                is_slow: true,
                hangs: false,
            }],
            places: vec![PlaceSpace {
                path: "/homes".into(),
                free_bytes: 3,
                total_bytes: 4,
            }],
        })
    }
    async fn record(&self, _record: AdminRecord) -> ServerResult<()> {
        Ok(())
    }
    async fn record_all(&self, _records: &[AdminRecord]) -> ServerResult<()> {
        Ok(())
    }
    fn operator(&self) -> Operator {
        operator_of_process()
    }
    async fn listening(&self) -> ServerResult<Vec<SocketAddr>> {
        Ok(vec!["[::1]:2222".parse().unwrap()])
    }
    async fn disconnect(&self, target: DisconnectTarget) -> ServerResult<usize> {
        self.disconnected.lock().push(target.clone());
        Ok(usize::from(target != DisconnectTarget::Session(99)))
    }
    async fn apply_changes(
        &self,
        users: Vec<UserName>,
        _record: Option<AdminRecord>,
    ) -> ServerResult<Effect> {
        Ok(Effect {
            sessions_ended: users.len(),
            still_busy: 0,
        })
    }
    async fn usage(&self, only: Option<AccountHolder>) -> ServerResult<Vec<HomeUsage>> {
        match only.map(|holder| holder.to_string()).as_deref() {
            Some("nobody") => Err(Error::new("there is no user \"nobody\"")
                .hint("homeportd user list")
                .into()),
            Some(name) => Ok(vec![usage(name, 7)]),
            None => Ok(vec![usage("calvin", 7), usage("tom", 8)]),
        }
    }
    async fn measure(&self, holder: AccountHolder) -> ServerResult<Remeasurement> {
        let name = holder.to_string();
        // Until the others have been answered.
        self.turn.notified().await;
        let (before, after) = (usage(&name, 7), usage(&name, 9));
        Ok(Remeasurement { before, after })
    }
    async fn problems(&self) -> ServerResult<Vec<String>> {
        Ok(vec!["commands cannot be run".to_owned()])
    }
    async fn hooks(&self) -> ServerResult<Vec<HookEntryView>> {
        Ok(vec![HookEntryView {
            id: 7,
            hook: "/bin/scan".to_owned(),
            event: "uploaded".to_owned(),
            time: "2026-01-02T03:04:05.000Z".to_owned(),
            user: Some("calvin".to_owned()),
            path: Some("/f\u{1b}".to_owned()),
            state: HookEntryState::SetAside,
            attempts: 6,
            error: Some("exit code 1".to_owned()),
        }])
    }
    async fn change_hooks(&self, _action: HookAction, selection: HookSelection) -> ServerResult<usize> {
        match selection {
            HookSelection::AllSetAside => Ok(3),
            HookSelection::Entries(entries) => Ok(entries.len()),
        }
    }
    async fn reload(&self) -> ServerResult<ReloadView> {
        Ok(ReloadView {
            applied: vec!["[limits]".to_owned()],
            waiting_for_restart: vec!["[server]".to_owned(), "[quota]".to_owned()],
            files: vec![ChangedFile {
                setting: "[auth] revoked_keys".to_owned(),
                path: "/etc/homeport/revoked\u{1b}".into(),
            }],
            sessions_ended: 1,
        })
    }
}
