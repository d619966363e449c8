//! Hooks: programs that are run, and addresses that are called, when something has happened (`[[hooks]]`).
//!
//! The way of an event: [`subscriber`] receives it on the thread that emits it and puts an entry for each hook into the
//! [`queue`], whose thread writes it to the disk ([`journal`]). The client is answered after that. [`runner`] takes the
//! entries in their order and has the commands run by the [`helper`], a process whose supervisor was started before the server
//! closed itself in, or calls the address ([`webhook`]). After a command that has checked an upload, [`publish`] moves it.
//!
//! States of an entry:
//! - *unwritten*: in memory; the thread of the queue is about to write it. If the disk is full, it is dropped and counted.
//! - *waiting*: on the disk. It is ready when no earlier entry of the same hook waits that has its session, its file or its
//!   path, and when its pause is over.
//! - *running*: a command or a request works on it.
//! - *set aside*: all attempts have failed. The entries behind it go on. An operator retries or drops it.
//! - *gone*: done, dropped or held. The journal says so; without that line (a crash) the entry is tried again.
//!
//! Limits: [`queue::QueueLimits`] entries and bytes in all, and half of them for one user, or for events without one; [`runner`] says how many hooks
//! run at once; the helper keeps 4 KiB of what a command prints and discards the rest, and kills its process group when its
//! time is over. A queue that is full, or a disk that is, drops new entries, counts them, and tells so by the event
//! `hook_dropped`; uploads go on.
//!
//! What may go wrong, and what happens then:
//! - The server is killed before the entry is on the disk: the client was not answered. After that: the entry is there at the
//!   next start. While or after the hook runs, before its end is written: it is run again (at least once).
//! - The file has another name, or the name is another file, when the hook is to run: the command gets no descriptor. With
//!   `move_to` it is not asked at all, and the file is held.
//! - The name, or a directory above it, is exchanged for a link while the command runs: [`publish`] compares the inode, and
//!   accepts no link in the path of the target, while all names of the home are locked.
//! - The file is written again, or has a second name, or a handle that may write it: it is not moved. The command is asked
//!   again, or the file is held.
//! - The file is uploaded again while the command runs: the event of the later upload decides. The earlier one publishes
//!   nothing, so that each version of a file is published at most once, and by its own event. If the later event comes only
//!   after an earlier one has published these bytes (a digest takes time), it publishes nothing ([`published_uploads`]).
//! - The folder that it is to be moved to is full, or lies on another file system: the move is tried again, or the file is
//!   held with a sentence.
//! - The server is killed between the rename and its record: at the next start the file is found at its target, and checked
//!   again there. It counts as published only after that, since its user may have moved it.
//! - The helper dies: its commands die with it, the supervisor starts another one, and the entries are tried again. If the
//!   supervisor is dead, too, entries of commands wait for the next start; the log and `check` say so.

mod attempt;
mod call_failure;
pub mod entry;
pub mod helper;
mod journal;
mod opening;
mod order;
pub mod publish;
mod published_uploads;
pub mod queue;
pub mod runner;
mod running;
pub mod settings;
pub mod subscriber;
pub mod table;
pub mod upload_place;
mod verdicts;
pub mod webhook;
