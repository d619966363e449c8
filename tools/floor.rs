//! Measures the lower bound for every server: the cost of a transfer that does only the unavoidable work.
//!
//! A download is `pread`, AES-256-GCM in place, `send`; an upload is `recv`, AES-256-GCM in place, `pwrite`. Records
//! are those of SFTP over SSH: 32 KiB and their headers, two of them in a system call. There is no SSH, no SFTP, no
//! user and no window; the difference to a real server is what those cost.
//!
//! ```sh
//! cargo run --release -p homeport-tools --bin floor -- serve DIR       # prints the port
//! cargo run --release -p homeport-tools --bin floor -- get PORT NAME   # to nowhere
//! cargo run --release -p homeport-tools --bin floor -- put PORT NAME FILE
//! ```
//!
//! `scripts/bench` runs it beside the servers, and counts the CPU of `serve` alone.
#![allow(
    clippy::indexing_slicing,
    reason = "its peer is itself, and every bound is a constant above"
)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// The data bytes of one request of the stock client.
const DATA: usize = 32 * 1024;
/// The bytes of SFTP's header of a DATA or WRITE packet, SSH's header of a message, and padding.
const HEADER: usize = 32;
const TAG: usize = 16;
const RECORD: usize = HEADER + DATA + TAG;
/// The number of records that go out in one system call, as in the server.
const AT_ONCE: usize = 2;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", directory] => serve(Path::new(directory)),
        ["get", port, name] => get(port, name),
        ["put", port, name, file] => put(port, name, Path::new(file)),
        _ => {
            eprintln!("usage: floor serve DIR | get PORT NAME | put PORT NAME FILE");
            std::process::exit(2);
        }
    }
}

/// A key, and a nonce for each record. The key is not secret: both ends know it.
struct Sealer {
    key: LessSafeKey,
    records: u64,
}

impl Sealer {
    fn new() -> io::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| io::Error::other("no AES-256-GCM"))?;
        Ok(Self {
            key: LessSafeKey::new(key),
            records: 0,
        })
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.records.to_be_bytes());
        self.records += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts a record in place: header and data, with the tag behind them.
    fn seal(&mut self, record: &mut [u8]) -> io::Result<()> {
        let nonce = self.nonce();
        let (body, place) = record.split_at_mut(HEADER + DATA);
        let (length, text) = body.split_at_mut(4);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*length), text);
        place.copy_from_slice(tag.map_err(|_| io::Error::other("not sealed"))?.as_ref());
        Ok(())
    }

    fn open(&mut self, record: &mut [u8]) -> io::Result<()> {
        let nonce = self.nonce();
        let (length, text) = record.split_at_mut(4);
        self.key
            .open_in_place(nonce, Aad::from(&*length), text)
            .map_err(|_| io::Error::other("a record was not sealed with this key"))?;
        Ok(())
    }
}

fn serve(directory: &Path) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;
    for stream in listener.incoming() {
        let (stream, directory) = (stream?, directory.to_owned());
        std::thread::spawn(move || {
            if let Err(error) = attend(&stream, &directory) {
                eprintln!("floor: {error}");
            }
        });
    }
    Ok(())
}

/// Serves one transfer, which one line names: `get NAME` or `put NAME RECORDS`.
fn attend(stream: &TcpStream, directory: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut line = Vec::new();
    // The line is read byte by byte, because what follows belongs to the records.
    let mut byte = [0];
    while (&*stream).read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["get", name] => send_file(stream, &directory.join(name)),
        ["put", name, records] => {
            let records = records.parse().map_err(io::Error::other)?;
            receive_file(stream, directory.join(name), records)?;
            (&*stream).write_all(b"done\n")
        }
        _ => Err(io::Error::other(format!("what is {line:?}?"))),
    }
}

fn send_file(mut stream: &TcpStream, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let records = file.metadata()?.len() / DATA as u64;
    writeln!(stream, "{records}")?;
    let mut sealer = Sealer::new()?;
    let mut buffer = vec![0; AT_ONCE * RECORD];
    let mut sent = 0;
    while sent < records {
        let mut filled = 0;
        for record in buffer.chunks_mut(RECORD) {
            if sent == records {
                break;
            }
            file.read_exact_at(&mut record[HEADER..HEADER + DATA], sent * DATA as u64)?;
            sealer.seal(record)?;
            sent += 1;
            filled += RECORD;
        }
        stream.write_all(&buffer[..filled])?;
    }
    Ok(())
}

fn receive_file(mut stream: &TcpStream, path: PathBuf, records: u64) -> io::Result<()> {
    let file = File::create(path)?;
    let mut sealer = Sealer::new()?;
    // The buffer holds as much as the server reads at once, and the rest of a record.
    let mut buffer = vec![0; 4 * RECORD];
    let (mut filled, mut received) = (0, 0);
    while received < records {
        let count = stream.read(&mut buffer[filled..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        let whole = filled / RECORD * RECORD;
        for record in buffer[..whole].chunks_mut(RECORD) {
            sealer.open(record)?;
            file.write_all_at(&record[HEADER..HEADER + DATA], received * DATA as u64)?;
            received += 1;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
    Ok(())
}

fn get(port: &str, name: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    writeln!(stream, "get {name}")?;
    let mut reader = BufReader::with_capacity(4 * RECORD, stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let records: u64 = line.trim().parse().map_err(io::Error::other)?;
    let mut sealer = Sealer::new()?;
    let mut record = vec![0; RECORD];
    for _ in 0..records {
        reader.read_exact(&mut record)?;
        sealer.open(&mut record)?;
    }
    Ok(())
}

fn put(port: &str, name: &str, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let records = file.metadata()?.len() / DATA as u64;
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    stream.set_nodelay(true)?;
    writeln!(stream, "put {name} {records}")?;
    let mut sealer = Sealer::new()?;
    let mut record = vec![0; RECORD];
    for number in 0..records {
        file.read_exact_at(&mut record[HEADER..HEADER + DATA], number * DATA as u64)?;
        sealer.seal(&mut record)?;
        stream.write_all(&record)?;
    }
    let mut done = String::new();
    BufReader::new(stream).read_line(&mut done)?;
    match done.as_str() {
        "done\n" => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
