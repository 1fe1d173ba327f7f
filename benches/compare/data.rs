//! The folder that all servers serve: many empty videos, and below it one film that fits the page cache and one small
//! file.
//!
//! Disks are not compared. The folder is temporary.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::rounds::Outcome;

/// The film's size in bytes: nine digits, like all requested positions, so that all responses to one kind of request
/// have the same length.
pub const FILM_SIZE: u64 = 256 * 1024 * 1024;

/// The size of the small file.
pub const SMALL_SIZE: usize = 1024;

/// The film's URL path, the same on every server.
pub const FILM: &str = "/video/films/film.mp4";

/// The small file's URL path.
pub const SMALL: &str = "/video/films/small.mp4";

/// The number of empty videos.
pub const VIDEOS: usize = 20_000;

/// A temporary folder, removed on drop.
pub struct Data {
    folder: TempDir,
}

impl Data {
    /// Creates the folder and its files.
    pub fn make() -> Outcome<Self> {
        // Readable by servers that drop root privileges.
        let readable = fs::Permissions::from_mode(0o755);
        let data =
            Self { folder: tempfile::Builder::new().prefix("filmstrip-bench-").permissions(readable).tempdir()? };
        fs::create_dir_all(data.films())?;
        for number in 0..VIDEOS {
            File::create(data.videos().join(format!("Video {number}.mp4")))?;
        }
        let block: Vec<u8> = (0..1024 * 1024).map(|at: u32| (at % 251) as u8).collect();
        let mut film = File::create(data.film())?;
        for _ in 0..FILM_SIZE / block.len() as u64 {
            film.write_all(&block)?;
        }
        fs::write(data.films().join("small.mp4"), &block[..SMALL_SIZE])?;
        // Otherwise it would be written to disk during the first round.
        film.sync_all()?;
        Ok(data)
    }

    /// The document root of the other servers. It contains the folder `video`.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The folder that filmstrip serves at `/video/`.
    pub fn videos(&self) -> PathBuf {
        self.root().join("video")
    }

    /// The folder of what is streamed.
    pub fn films(&self) -> PathBuf {
        self.videos().join("films")
    }

    /// The film.
    pub fn film(&self) -> PathBuf {
        self.films().join("film.mp4")
    }

    /// A folder for a server's own files, created if it doesn't exist.
    pub fn server_folder(&self, server: &str) -> Outcome<PathBuf> {
        let name: String = server.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}
