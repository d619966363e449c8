//! One side of the comparison: a server, its tree, and its replies.

use std::path::PathBuf;
use std::process::Command;

use sftp_wire::constants::SSH_FXP_CLOSE;

use crate::semantics::USER;
use crate::semantics::row::{Row, RowSession, Step};
use crate::semantics::tree::{self, Stamp};
use testkit::packets::{Context, Handle, Request, close, readdir};
use testkit::raw::{RawSftp, Received};
use testkit::replies::{Name, Renderer, Reply, decode};
use testkit::server::TestServer;
use testkit::{PATIENCE, reference};

/// The most READDIRs of one listing; a server that exceeds it fails the test.
const MOST_READDIRS: usize = 1000;

/// The name of the directory of the running row, which no other name contains.
const BASE: &str = "r0w";

/// A server and the directory that it shows as `/`.
pub struct Side {
    root: PathBuf,
    command: Box<dyn Fn() -> Command>,
    stamp: Stamp,
    renderer: Renderer,
    shared: Option<RawSftp>,
    /// The state of the row's directory before its first request, while the directory exists.
    pristine: Option<Vec<tree::Seen>>,
    /// The snapshot of that directory.
    untouched: Vec<String>,
    /// The state of `/etc` beside it, to which links lead, and which the reference needs to start.
    around: Vec<tree::Seen>,
    /// The server is kept, because dropping it stops it.
    _sandbox: Option<TestServer>,
    _directory: Option<tempfile::TempDir>,
}

/// The replies of a row and the resulting files.
pub struct Outcome {
    /// A line for each reply.
    pub replies: Vec<String>,
    disk: Vec<String>,
}

impl Outcome {
    /// Returns our lines that the other side does not have. Replies are compared by position, files by content.
    pub fn differing(&self, other: &Outcome) -> Vec<String> {
        let positions = self.replies.len().max(other.replies.len());
        let replies = (0..positions).filter(|&i| self.replies.get(i) != other.replies.get(i));
        let replies = replies.map(|i| self.replies.get(i).cloned().unwrap_or_else(|| "(nothing)".into()));
        let disk = self
            .disk
            .iter()
            .filter(|line| !other.disk.contains(line))
            .cloned();
        let gone = other.disk.iter().map(|line| name_of(line));
        let gone = gone.filter(|name| !self.disk.iter().any(|line| name_of(line) == *name));
        let gone = gone.map(|name| format!("{name} is not there"));
        replies.chain(disk).chain(gone).collect()
    }
}

/// Returns the beginning `disk NAME` of a line about a file.
fn name_of(line: &str) -> &str {
    line.split('|').next().unwrap_or(line)
}

impl Side {
    /// Starts the side of the machine's `sftp-server`.
    pub fn openssh(stamp: Stamp) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("homeport-reference-")
            .tempdir()
            .unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let served = root.clone();
        let command = Box::new(move || reference::command(&served));
        Self::new(root, command, stamp, None, Some(directory))
    }

    /// Starts the side of Homeport.
    pub fn homeport(stamp: Stamp) -> Self {
        let sandbox = TestServer::start(&[USER]);
        let root = sandbox.home(USER);
        std::fs::create_dir_all(&root).unwrap();
        let template = sandbox.raw_command(USER);
        let command = Box::new(move || copy_of(&template));
        Self::new(root, command, stamp, Some(sandbox), None)
    }

    fn new(
        root: PathBuf,
        command: Box<dyn Fn() -> Command>,
        stamp: Stamp,
        sandbox: Option<TestServer>,
        directory: Option<tempfile::TempDir>,
    ) -> Self {
        reference::prepare_root(&root, USER);
        tree::shared(&root, stamp);
        tree::set_modes_and_times(&root.join("etc"), stamp);
        let around = tree::state_of(&root.join("etc"));
        tree::create(&root.join(BASE), BASE, stamp);
        let snapshot = tree::snapshot(&root.join(BASE), stamp).into_iter();
        let untouched = snapshot.map(|line| line.replace(BASE, "@")).collect();
        tree::remove(&root.join(BASE));
        let renderer = Renderer {
            now: stamp.now,
            untouched: stamp.recent,
        };
        Self {
            root,
            command,
            stamp,
            renderer,
            shared: None,
            pristine: None,
            untouched,
            around,
            _sandbox: sandbox,
            _directory: directory,
        }
    }

    /// Runs all rows in order, and returns their outcomes.
    pub fn run(mut self, rows: &[Row]) -> Vec<Outcome> {
        let run = |row: &Row| {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run_row(row)));
            outcome.unwrap_or_else(|_| panic!("in row \"{}\"", row.name))
        };
        let outcomes = rows.iter().map(run).collect();
        // Directories without permissions could not be removed with the rest.
        let directory = self.root.join(BASE);
        if directory.exists() {
            tree::snapshot(&directory, self.stamp);
            tree::remove(&directory);
        }
        outcomes
    }

    fn run_row(&mut self, row: &Row) -> Outcome {
        let directory = self.root.join(BASE);
        let pristine = self.pristine.take().unwrap_or_else(|| {
            tree::create(&directory, BASE, self.stamp);
            tree::state_of(&directory)
        });
        let session = match row.session {
            RowSession::Shared => self
                .shared
                .take()
                .unwrap_or_else(|| RawSftp::start((self.command)())),
            RowSession::Own => RawSftp::start((self.command)()),
            RowSession::WithoutInit => RawSftp::spawn((self.command)()),
        };
        let mut run = RowRun {
            session,
            renderer: &self.renderer,
            next_id: 1,
            handles: Vec::new(),
            closed: Vec::new(),
            lines: Vec::new(),
            over: false,
        };
        for step in &row.steps {
            if !run.over {
                run.step(step);
            }
        }
        run.close_all();
        let RowRun {
            session, lines, over, ..
        } = run;
        if row.session == RowSession::Shared && !over {
            self.shared = Some(session);
        }
        let etc = self.root.join("etc");
        let reached_out = tree::state_of(&etc) != self.around;
        let own = |line: String| line.replace(BASE, "@");
        let replies = lines.into_iter().map(own).collect();
        if !reached_out && tree::state_of(&directory) == pristine {
            self.pristine = Some(pristine);
            let disk = self.untouched.clone();
            return Outcome { replies, disk };
        }
        let disk = tree::snapshot(&directory, self.stamp).into_iter().map(own);
        let outside = if reached_out {
            tree::snapshot(&etc, self.stamp)
        } else {
            Vec::new()
        };
        let disk = disk
            .chain(outside.into_iter().map(|line| format!("outside, {line}")))
            .collect();
        if reached_out {
            tree::remove(&etc);
            reference::users(&self.root, USER);
            tree::set_modes_and_times(&etc, self.stamp);
            self.around = tree::state_of(&etc);
        }
        tree::remove(&directory);
        Outcome { replies, disk }
    }
}

/// The state of a running row.
struct RowRun<'a> {
    session: RawSftp,
    renderer: &'a Renderer,
    next_id: u32,
    handles: Vec<Vec<u8>>,
    /// The handles that the row itself closed.
    closed: Vec<usize>,
    lines: Vec<String>,
    /// Whether the session has ended.
    over: bool,
}

impl RowRun<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Together(requests) => {
                for (id, reply, extension) in self.exchange(requests) {
                    let line = self.renderer.reply(&reply, extension.as_deref());
                    let id = id.map_or_else(|| "-".to_owned(), |id| id.to_string());
                    self.lines.push(format!("#{id} {line}"));
                    if let Reply::Handle(handle) = reply {
                        self.handles.push(handle);
                    }
                }
            }
            Step::List(handle) => self.list(*handle),
        }
        if self.over {
            self.lines.push("the session ended".into());
        }
    }

    fn list(&mut self, handle: usize) {
        let mut names: Vec<Name> = Vec::new();
        for _ in 0..MOST_READDIRS {
            let replies = self.exchange(&[readdir(Handle::Nth(handle))]);
            match replies.into_iter().next() {
                Some((_, Reply::Names(more), _)) => names.extend(more),
                Some((_, other, _)) => {
                    names.sort_by(|a, b| a.name.cmp(&b.name));
                    self.lines
                        .extend(names.iter().map(|name| self.renderer.name(name)));
                    self.lines.push(self.renderer.reply(&other, None));
                    return;
                }
                None => return,
            }
        }
        self.lines.push("the listing never ends".into());
    }

    /// Sends requests in one write, and reads replies until the last one is answered.
    fn exchange(&mut self, requests: &[Request]) -> Vec<(Option<u32>, Reply, Option<Vec<u8>>)> {
        let mut bytes = Vec::new();
        let mut ids = Vec::new();
        for request in requests {
            let id = request.id.unwrap_or(self.next_id);
            self.next_id = id.wrapping_add(1);
            bytes.extend(request.encode(
                id,
                &Context {
                    base: BASE,
                    handles: &self.handles,
                },
            ));
            ids.push(request.has_id.then_some(id));
            if let Some(nth) = closes(request) {
                self.closed.push(nth);
            }
        }
        self.session.send(&bytes);
        let last = ids.last().copied().flatten();
        let mut replies = Vec::new();
        while replies.len() <= requests.len() {
            match self.session.receive(PATIENCE) {
                Received::Packet(packet) => {
                    let (id, reply) = decode(&packet);
                    let asked = ids.iter().position(|&i| i == id);
                    let extension = asked.and_then(|i| requests[i].extension()).map(<[u8]>::to_vec);
                    replies.push((id, reply, extension));
                    // An id may be used twice, so the replies with the last id are counted.
                    let wanted = ids.iter().filter(|&&i| i == last).count();
                    if replies.iter().filter(|(id, ..)| *id == last).count() == wanted {
                        return replies;
                    }
                }
                Received::Ended => {
                    self.over = true;
                    return replies;
                }
                Received::Silence => {
                    self.over = true;
                    self.lines.push("no answer".into());
                    return replies;
                }
            }
        }
        replies
    }

    /// Closes all handles, for the rows that follow.
    fn close_all(&mut self) {
        for nth in 0..self.handles.len() {
            if !self.over && !self.closed.contains(&nth) {
                self.exchange(&[close(Handle::Nth(nth))]);
            }
        }
    }
}

fn closes(request: &Request) -> Option<usize> {
    use testkit::packets::Part;
    match (request.kind, request.parts.first()) {
        (SSH_FXP_CLOSE, Some(Part::Handle(Handle::Nth(nth)))) => Some(*nth),
        _ => None,
    }
}

/// Copies a command, which can be started only once and not cloned.
fn copy_of(template: &Command) -> Command {
    let mut command = Command::new(template.get_program());
    command.args(template.get_args());
    if let Some(directory) = template.get_current_dir() {
        command.current_dir(directory);
    }
    for (name, value) in template.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
